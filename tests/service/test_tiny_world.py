"""The visual path by meaning, end to end: a model that the test trains, through ingest, search, zoom and grounding."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NoReturn

import av
import numpy as np
import pytest
from torch import Tensor

from agent_tools.errors import EngineError
from agent_tools.evals.grounding.calibration import fit_own
from agent_tools.grounding import HierarchicalAdapter, temporal_iou
from agent_tools.ingestion.worker import work
from agent_tools.models.video_llm import questions
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
from agent_tools.settings import Settings
from agent_tools.types import GroundReply
from tests.library import ingested, lite, opened, start_no_worker
from tests.models import checkpoints
from tests.models.tiny_world import THINGS, Thing, draw, tiny_world  # noqa: F401  # a fixture

pytestmark = pytest.mark.train

SCENE_S, QUIET_S = 44, 20.5  # of the long film: 19 things in 20 minutes, every other one beginning between two seconds
ABSENT = Thing("white", "cross")
World = tuple[Library, dict[Thing, tuple[float, float]]]


def film(
    path: Path, shown: Sequence[Thing], scene_s: float = SCENE_S, quiet_s: float = QUIET_S, seed: int = 5
) -> dict[Thing, tuple[float, float]]:
    """One scene of a still thing after another, with an empty scene between; returns where each stands."""
    rng = random.Random(seed)
    spans: dict[Thing, tuple[float, float]] = {}
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=2, options={"crf": "12", "preset": "veryfast"})
        stream.width, stream.height, stream.pix_fmt = 128, 128, "yuv420p"
        second = 0.0
        for thing in shown:
            for what, length in ((None, quiet_s), (thing, scene_s)):
                picture = av.VideoFrame.from_ndarray(draw(what, rng, 128, 128), format="rgb24")
                if what is not None:
                    spans[what] = (second, second + length)
                for i in range(round(2 * length)):
                    picture.pts, picture.time_base = round(2 * second) + i, Fraction(1, 2)
                    container.mux(stream.encode(picture))
                second += length
        container.mux(stream.encode(None))
    return spans


@pytest.fixture(scope="module")
def world(
    tiny_world: Path,  # noqa: F811
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[World]:
    """A library whose frames are searched by the tiny model, with a 20-minute film of all things but one."""
    folder = tmp_path_factory.mktemp("films")
    spans = film(folder / "things.mp4", [thing for thing in THINGS if thing != ABSENT])
    settings = lite(tmp_path_factory.mktemp("home"), folder, models=(f"frames={tiny_world}",))
    with opened(ingested(settings, "things.mp4", channels=["frames"])) as library:
        assert library.models.picture_words(60) is not None
        yield library, spans


def test_things_are_found_by_their_names(world: World) -> None:
    library, spans = world
    right = 0
    for thing, (start_s, end_s) in spans.items():
        hits = retrieve_memory(library, SearchRequest(query=f"the picture of {thing.told}", channels=["frames"])).hits
        best = min(hits, key=lambda hit: hit.rank, default=None)
        if best is not None and best.start_s < end_s and best.end_s > start_s:
            right += 1
            assert best.matched == ["frames:meaning"]
    assert right >= 0.8 * len(spans), f"{right} of {len(spans)}"


def test_every_scene_keeps_a_frame(world: World) -> None:
    library, spans = world
    kept = [row.time_s for row in library.store.frames(library.video("things").id, kept_only=True)]
    assert all(any(start_s <= t < end_s for t in kept) for start_s, end_s in spans.values())


def test_zoom_chooses_frames_that_show_what_is_asked(world: World) -> None:
    library, spans = world
    thing = Thing("green", "triangle")
    start_s, end_s = spans[thing]
    frames = zoom_segment(
        library, ZoomRequest(video_id="things", query=f"the picture of {thing.told}", max_frames=4)
    ).facts["frames"]
    assert any(start_s <= frame["at_s"] < end_s for frame in frames)


def test_coverage_says_that_frames_were_searched_and_by_whom(
    world: World,
) -> None:
    library, _ = world
    reply = retrieve_memory(library, SearchRequest(query="the picture of a red circle", detail="full"))
    assert reply.coverage.channels.frames == "all"
    assert reply.coverage.producers is not None
    assert reply.coverage.producers.frames == library.models.frame_producer


def test_another_profile_on_the_same_home_says_whose_frames_these_are(
    world: World,
) -> None:
    library, _ = world
    other = Library(Settings.load({}, home=library.settings.home, profile="lite"))
    try:
        reply = retrieve_memory(other, SearchRequest(query="the picture of a red circle"))
        assert reply.coverage.channels.frames == "no words (lite)"
        assert not [hit for hit in reply.hits if "frames:meaning" in hit.matched]
    finally:
        other.close()


def told(thing: Thing) -> str:
    return f"the picture of {thing.told}"


@pytest.fixture(scope="module")
def grounded(world: World) -> dict[Thing, GroundReply]:
    """What is said of each thing of the film and of the one that is not in it, by pictures alone."""
    library, spans = world
    return {
        thing: ground_event(library, event=told(thing), video_id="things", channels=["frames"])
        for thing in (*spans, ABSENT)
    }


def test_ground_event_finds_each_thing_where_it_stands(world: World, grounded: dict[Thing, GroundReply]) -> None:
    """Where frames are a second apart, bounds come out to an eighth of one."""
    _, spans = world
    overlaps, off = [], []
    for thing, span in spans.items():
        best = (grounded[thing].spans or [None])[0]
        overlaps.append(temporal_iou(best, span) if best else 0.0)
        off += [abs(best.start_s - span[0]), abs(best.end_s - span[1])] if best and overlaps[-1] else []
    assert sum(overlap >= 0.9 for overlap in overlaps) >= 0.8 * len(spans), overlaps
    assert sum(seconds <= 0.125 for seconds in off) >= 0.8 * len(off), off


def test_segments_are_looked_at_by_one_vector_made_for_the_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sparse level: without an adapter's weights pooled, with them the adapter's; either is in the way."""
    library, _ = world
    thing = Thing("yellow", "square")
    reply = ground_event(library, event=told(thing), video_id="things", channels=["frames"])
    assert [level.window_s for level in reply.levels or []] == [180.0, 45.0]

    def broken(*_args: object, **_kwargs: object) -> NoReturn:
        raise EngineError("taken out by a test")

    with monkeypatch.context() as patch:
        patch.setattr("agent_tools.models.segment_reader.softmax_pool", broken)
        with pytest.raises(EngineError, match="taken out"):
            ground_event(library, event=told(thing), video_id="things", channels=["frames"])


def test_an_adapter_that_is_named_reads_the_segments(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library, spans = world
    folder = checkpoints.adapter(tmp_path / "adapter", library.models._frames.dim)
    models = (*library.settings.models, f"adapter={folder}")
    other = Library(Settings.load({}, home=library.settings.home, allow=library.settings.allow, models=models))
    calls: list[int] = []
    whole = HierarchicalAdapter.sparse

    def counted(self: HierarchicalAdapter, frames: Tensor, *rest: Any) -> Tensor:
        calls.append(frames.shape[1])
        return whole(self, frames, *rest)

    monkeypatch.setattr(HierarchicalAdapter, "sparse", counted)
    try:
        assert other.models.picture_words(60) is not None
        thing = Thing("yellow", "square")
        reply = ground_event(other, event=told(thing), video_id="things", channels=["frames"])
        # random weights rank the segments anyhow; all ten of this film go on, and the curves below find the thing
        assert len(calls) == next(level.windows for level in reply.levels or [] if level.window_s == 180.0)
        assert temporal_iou((reply.spans or [])[0], spans[thing]) > 0.9
    finally:
        other.close()


def test_a_thing_that_is_never_shown_is_less_likely_than_those_that_are(
    world: World, grounded: dict[Thing, GroundReply]
) -> None:
    """Not whether anything is above the noise: what a tiny model has learnt depends on how a processor rounds."""

    def best(reply: GroundReply) -> float:
        found = [span.confidence for span in reply.spans or []]
        return max(found, default=reply.best_rejected.confidence if reply.best_rejected else 0.0)

    reply = grounded[ABSENT]
    assert reply.verdict == "uncertain"
    assert reply.spans or reply.best_rejected is not None  # the nearest there is, to look at
    shown = [best(grounded[thing]) for thing in world[1]]
    assert sum(best(reply) < one for one in shown) >= 0.8 * len(shown), (best(reply), sorted(shown))


def test_pictures_without_a_calibration_are_judged_and_uncertain(world: World) -> None:
    library, spans = world
    thing = Thing("yellow", "square")
    reply = ground_event(library, event=told(thing), video_id="things")
    assert reply.spans is not None
    assert reply.coverage is not None
    assert reply.coverage.producers is not None
    assert (reply.verdict, reply.confidence_kind) == ("uncertain", "raw")
    assert "raw" in (reply.why or "")
    assert "frames" in (reply.judged or [])
    assert (reply.coverage.channels.frames, reply.coverage.producers.frames) == ("all", library.models.frame_producer)
    assert reply.spans[0].evidence.startswith("frames at 0:15:")
    assert (reply.spans[0].verified or "").startswith("widened by 2")
    assert spans[thing][0] == 923.5
    assert reply.spans[0].start_s == pytest.approx(923.5, abs=0.125)


def test_words_that_an_event_names_are_not_looked_for_in_pictures(world: World) -> None:
    library, _ = world
    reply = ground_event(library, event="'red circle' is shown", video_id="things")
    assert reply.judged == []
    assert {one.channel: one.why for one in reply.not_judged or []}["frames"].startswith("words as they stand")


def test_a_calibration_of_ones_own_makes_verdicts(world: World, tmp_path: Path) -> None:
    """Fitted on short films by the command's own function, asked of the long one, whose pictures it has not seen."""
    library, spans = world
    folder, truth, settings = tmp_path / "films", [], library.settings
    folder.mkdir()
    home = Settings.load({}, home=tmp_path / "home", allow=(folder,), profile="lite", models=settings.models)
    fitting = Library(home)
    with pytest.MonkeyPatch.context() as patch:
        start_no_worker(patch)
        for seed in range(6):
            order = random.Random(seed).sample(THINGS, len(THINGS))
            held = film(folder / f"short {seed}.mp4", order[:10], scene_s=4, quiet_s=2, seed=20 + seed)
            ingest_video(fitting, f"short {seed}.mp4", channels=["frames"], wait_s=0)
            truth += [
                {
                    "video": f"short {seed}",
                    "event": told(thing),
                    "spans": [held[thing]] if thing in held else [],
                    "channels": ["frames"],
                }
                for thing in THINGS
            ]
    fitting.close()
    assert work(home) == 6
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    ((file, calibrator),) = fit_own(home, tmp_path / "truth.json", date="2026-11-20").items()
    assert file == home.home / "calibrations" / "pictures.lite.json"
    assert (calibrator.report.n, calibrator.report.n_absent) == (120, 60)
    own = settings.home / "calibrations" / file.name
    own.parent.mkdir()
    own.write_text(file.read_text())
    try:
        verdicts = [ground_event(library, event=told(t), video_id="things", channels=["frames"]).verdict for t in spans]
        assert verdicts.count("present") >= 0.8 * len(spans)
        assert "absent" not in verdicts
        reply = ground_event(library, event=told(ABSENT), video_id="things", channels=["frames"])
        assert (reply.verdict, reply.confidence_kind) == ("absent", "calibrated"), reply.why
        everything = ground_event(library, event=told(ABSENT), video_id="things")
        assert everything.verdict == "uncertain"  # the film was never read for words
        own.write_text(file.read_text().replace(library.models.frame_producer, "another model"))
        assert (
            ground_event(library, event=told(ABSENT), video_id="things", channels=["frames"]).confidence_kind == "raw"
        )
    finally:
        own.unlink()


class Painter:
    """An Answerer that names the longest run of yellow pictures: scripted; what counts is where it was made to look."""

    producer = "painter@1/greedy"

    def __init__(self) -> None:
        self.looks = 0

    def answer(self, prompt: Sequence[object], max_tokens: int) -> questions.Answer:
        self.looks += 1
        pictures = [part for part in prompt if isinstance(part, np.ndarray)]
        yellow = [bool((one[..., 0].astype(int) - one[..., 2] > 120).mean() > 0.1) for one in pictures]
        runs = [
            [i for i, _ in run] for is_yellow, run in itertools.groupby(enumerate(yellow), lambda x: x[1]) if is_yellow
        ]
        best = max(runs, key=len, default=None)
        return questions.Answer(f"From {best[0]:02d} to {best[-1]:02d}." if best else questions.ABSENT, (0.2, 0.2))


def test_pictures_by_words_choose_where_a_video_llm_looks(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    library, spans = world
    painter = Painter()
    monkeypatch.setattr("agent_tools.models.profiles.video_llm", lambda _settings: painter)
    models = (*library.settings.models, "captions=/models/painter")
    both = Library(Settings.load({}, home=library.settings.home, allow=library.settings.allow, models=models))
    try:
        assert both.models.picture_words(60) is not None
        thing = Thing("yellow", "circle")
        reply = ground_event(both, event=told(thing), video_id="things", channels=["frames"])
        found = [(span.start_s, span.end_s) for span in reply.spans or []]
        assert any(span == pytest.approx(spans[thing], abs=0.2) for span in found), found
        assert all(
            any(start_s < b and end_s > a for t, (a, b) in spans.items() if t.colour == "yellow")
            for start_s, end_s in found
        )
        assert {level.window_s for level in reply.levels or []} == {180.0, 32.0}  # nothing was shown to it coarsely
        assert painter.looks <= 30  # of 20 minutes
        assert (reply.judged, reply.confidence_kind) == (["frames"], "raw")
    finally:
        both.close()
