"""The visual path by meaning, end to end: a model that the test trains, through ingest, search, zoom and grounding."""

from __future__ import annotations

import random
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from agent_tools.ingestion.worker import work
from agent_tools.service.adding import ingest
from agent_tools.service.library import Library
from agent_tools.service.searching import retrieve
from agent_tools.service.workers import Workers
from agent_tools.service.zooming import zoom
from agent_tools.settings import Settings
from tests.models.tiny_world import THINGS, Thing, draw, tiny_world  # noqa: F401  # a fixture

pytestmark = pytest.mark.train

SCENE_S = 8
QUIET_S = 4


def film(path: Path, shown: list[Thing]) -> dict[Thing, tuple[float, float]]:
    """One scene of a still thing after another, with an empty scene between; returns where each stands."""
    rng = random.Random(5)
    spans: dict[Thing, tuple[float, float]] = {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=2, options={"crf": "12", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 128, 128, "yuv420p"
        second = 0
        for thing in shown:
            for what, length in ((None, QUIET_S), (thing, SCENE_S)):
                picture = av.VideoFrame.from_ndarray(draw(what, rng, 128, 128), format="rgb24")
                if what is not None:
                    spans[what] = (second, second + length)
                for i in range(2 * length):
                    picture.pts, picture.time_base = 2 * second + i, Fraction(1, 2)
                    container.mux(stream.encode(picture))
                second += length
        container.mux(stream.encode(None))
    return spans


@pytest.fixture(scope="module")
def world(
    tiny_world: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Library, dict[Thing, tuple[float, float]]]]:
    """A library whose frames are searched by the tiny model, with a film of all things but one."""
    folder = tmp_path_factory.mktemp("films")
    spans = film(folder / "things.mp4", [thing for thing in THINGS if thing != Thing("white", "cross")])
    settings = Settings.load(
        {}, home=tmp_path_factory.mktemp("home"), allow=(folder,), profile="lite", models=(f"frames={tiny_world}",)
    )
    library = Library(settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Workers, "ensure", lambda self, store: False)
        ingest(library, "things.mp4", channels=["frames"], wait_s=0)
    assert work(settings) == 1
    assert library.models.picture_words(60) is not None
    yield library, spans
    library.close()


def test_things_are_found_by_their_names(world: tuple[Library, dict[Thing, tuple[float, float]]]) -> None:
    library, spans = world
    right = 0
    for thing, (start_s, end_s) in spans.items():
        hits = retrieve(library, query=f"the picture of {thing.told}", channels=["frames"]).hits
        best = min(hits, key=lambda hit: hit.rank, default=None)
        if best is not None and best.start_s < end_s and best.end_s > start_s:
            right += 1
            assert best.matched == ["frames:meaning"]
    assert right >= 0.8 * len(spans), f"{right} of {len(spans)}"


def test_every_scene_keeps_a_frame(world: tuple[Library, dict[Thing, tuple[float, float]]]) -> None:
    library, spans = world
    kept = [row.time_s for row in library.store.frames(library.video("things").id, kept_only=True)]
    assert all(any(start_s <= t < end_s for t in kept) for start_s, end_s in spans.values())


def test_zoom_chooses_frames_that_show_what_is_asked(world: tuple[Library, dict[Thing, tuple[float, float]]]) -> None:
    library, spans = world
    thing = Thing("green", "triangle")
    start_s, end_s = spans[thing]
    frames = zoom(library, video_id="things", query=f"the picture of {thing.told}", max_frames=4).facts["frames"]
    assert any(start_s <= frame["at_s"] < end_s for frame in frames)


def test_coverage_says_that_frames_were_searched_and_by_whom(
    world: tuple[Library, dict[Thing, tuple[float, float]]],
) -> None:
    library, _ = world
    reply = retrieve(library, query="the picture of a red circle")
    assert reply.coverage.channels.frames == "all"
    assert reply.coverage.producers is not None
    assert reply.coverage.producers.frames == library.models.frame_producer


def test_another_profile_on_the_same_home_says_whose_frames_these_are(
    world: tuple[Library, dict[Thing, tuple[float, float]]],
) -> None:
    library, _ = world
    other = Library(Settings.load({}, home=library.settings.home, profile="lite"))
    try:
        reply = retrieve(other, query="the picture of a red circle")
        assert reply.coverage.channels.frames == "no words (lite)"
        assert not [hit for hit in reply.hits if "frames:meaning" in hit.matched]
    finally:
        other.close()
