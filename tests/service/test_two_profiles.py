"""Two servers of two profiles on one home: no question meets another model's vectors, and each says what it lacks."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent_tools.ingestion.worker import work
from agent_tools.media import Cue, subtitle_text
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest.jobs import reindex
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.query_models import QueryModels
from agent_tools.service.remember import remember
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
from agent_tools.settings import Settings
from tests.drawing import Pixels, draw, even_times
from tests.ingestion.toys import Levels, Pictures, Words, use
from tests.library import start_no_worker

pytestmark = pytest.mark.slow

SECONDS, SCENE_S = 80, 20
TOLD = ("sand", "snow", "stone", "straw")


class Searched(Pictures):
    """A frame encoder with a text side: a word looks like the scene whose number it stands at in TOLD."""

    has_text_side = True
    languages = "many"

    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]:
        numbers = [next((i for i, word in enumerate(TOLD) if word in text), 0) for text in texts]
        width, height = self.size
        shown = np.stack([scene(number * SCENE_S, 320, 180)[:: 180 // height, :: 320 // width] for number in numbers])
        return Pictures(self.producer, dim=self.dim).encode(np.ascontiguousarray(shown[:, :height, :width]))


@dataclass(frozen=True)
class Profile:
    """The two models by which one server makes and searches."""

    words: Words
    pictures: Pictures

    def serve(self, home: Path, folder: Path) -> Library:
        library = Library(Settings.load({}, home=home, allow=(folder,), profile="lite"))
        library.models = Chosen(library.settings, self)
        return library


class Chosen(QueryModels):
    """Query models that are there from the start."""

    def __init__(self, settings: Settings, chosen: Profile) -> None:
        super().__init__(settings)
        self.chosen = chosen
        self._text = chosen.words

    @property
    def profile_has_text_side(self) -> bool:
        return self.chosen.pictures.has_text_side

    @property
    def frame_producer(self) -> str:
        return self.chosen.pictures.producer

    def text(self, wait_s: float = 0.0) -> Any:
        return self.chosen.words

    def picture_words(self, wait_s: float = 0.0) -> Any:
        return self.chosen.pictures if self.chosen.pictures.has_text_side else None


# Of one width each, so that nothing but the names keeps their vectors apart.
SMALL = Profile(Words("small-words@1/1"), Pictures("small-pictures@1/1"))
LARGE = Profile(Words("large-words@1/1"), Searched("large-pictures@1/1"))


def scene(number: int, width: int, height: int) -> Pixels:
    rng = np.random.default_rng(number // SCENE_S)
    blocks = rng.integers(0, 256, (height // 60, width // 80, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((60, 80, 1), np.uint8))


def other_scene(number: int, width: int, height: int) -> Pixels:
    """The same scenes, last first: another file with the same pictures."""
    return scene(SECONDS - 1 - number, width, height)


@pytest.fixture
def servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Library, Library, str, str]]:
    """A small and a large server, and two films: one made by each server's own models."""
    start_no_worker(monkeypatch)
    folder, home = tmp_path / "films", tmp_path / "home"
    folder.mkdir()
    for name, picture in (("one", scene), ("two", other_scene)):
        cues = [Cue(5.0 * i, 5.0 * i + 3, f"{name} says {i} of {TOLD[i % 4]}") for i in range(16)]
        (folder / f"{name}.srt").write_text(subtitle_text(cues, "srt"))
        draw(folder / f"{name}.mp4", even_times(SECONDS, 1), picture=picture, key_every=16)
    with contextlib.closing(SMALL.serve(home, folder)) as small, contextlib.closing(LARGE.serve(home, folder)) as large:
        ids: list[str] = []
        for library, profile, name in ((small, SMALL, "one"), (large, LARGE, "two")):
            use(monkeypatch, profile.pictures, profile.words, Levels())
            ids.append(ingest_video(library, f"{name}.mp4", wait_s=0).video_id or "")
            work(library.settings)
        yield small, large, ids[0], ids[1]


def phrases(library: Library, video_id: str, query: str = "snow") -> dict[str, str]:
    found = retrieve_memory(library, SearchRequest(query=query, video_ids=[video_id])).coverage.channels.model_dump()
    return {name: phrase for name, phrase in found.items() if phrase}


def test_each_server_says_what_of_the_others_it_cannot_search(servers: tuple[Library, Library, str, str]) -> None:
    small, large, one, two = servers
    assert phrases(small, one)["subtitles"] == "all"
    assert phrases(large, two)["subtitles"] == "all"
    assert phrases(large, two)["frames"] == "all"
    assert phrases(small, two)["subtitles"].endswith("its vectors are large-words@1/1's, not this server's model")
    assert phrases(large, one)["subtitles"].endswith("its vectors are small-words@1/1's, not this server's model")
    assert phrases(large, one)["frames"] == "made by small-pictures@1/1, not this server's model"
    assert phrases(small, two)["frames"].startswith("no words")


def test_no_question_meets_vectors_of_another_model(
    servers: tuple[Library, Library, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a server asks: every space that it reads or searches is one of its own models'."""
    small, large, one, two = servers
    asked: list[str] = []
    for library in (small, large):
        for name in ("vectors", "nearest", "vector", "flat_view", "exact_products", "rests"):
            real = getattr(library.store, name)

            def spied(space: str, *args: Any, real: Any = real, **kwargs: Any) -> Any:
                found = real(space, *args, **kwargs)
                held = found[0] if isinstance(found, tuple) else getattr(found, "videos", found)
                if held is not None and len(held):
                    asked.append(space)
                return found

            monkeypatch.setattr(library.store, name, spied)
    for library, own in ((small, "small-"), (large, "large-")):
        asked.clear()
        retrieve_memory(library, SearchRequest(query="what is said of snow"))
        ground_event(library, event="snow falls", video_id=one)
        ground_event(library, event="snow falls", video_id=two)
        zoom_segment(library, ZoomRequest(video_id=one, query="snow", max_frames=2, layout="text"))
        zoom_segment(library, ZoomRequest(video_id=two, query="snow", max_frames=2, layout="text"))
        assert asked
        assert all(space.startswith(own) for space in asked), asked


def test_words_find_the_other_servers_texts_and_notes(servers: tuple[Library, Library, str, str]) -> None:
    small, large, one, two = servers
    remember(large, video_id=one, start_s=1.0, end_s=2.0, text="a zebra crosses", author="large")
    for library, other in ((small, two), (large, one)):
        hits = retrieve_memory(library, SearchRequest(query="says 6 of stone", video_ids=[other])).hits
        best = min(hits, key=lambda hit: hit.rank)
        assert (best.start_s, best.matched) == (30.0, ["subtitles:words"])
    found = retrieve_memory(small, SearchRequest(query="a zebra crosses")).hits
    assert [hit.notes for hit in found if hit.notes] == ["a zebra crosses"]


def test_words_alone_are_no_absence(servers: tuple[Library, Library, str, str]) -> None:
    small, _, _, two = servers
    reply = ground_event(small, event="someone speaks about a volcano", video_id=two)
    assert (reply.verdict, reply.confidence_kind) == ("uncertain", "raw")


def test_what_looks_alike_is_looked_for_where_the_same_model_made_the_pictures(
    servers: tuple[Library, Library, str, str],
) -> None:
    """The other film shows the very same pictures; its vectors are of another model, and the reply says so."""
    small, _, one, two = servers
    reply = retrieve_memory(small, SearchRequest(like=f"video://{one}#t=25,26"))
    assert {hit.video_id for hit in reply.hits} <= {one}
    assert reply.coverage.share == pytest.approx(0.5, abs=0.01)
    told = reply.coverage.channels.frames or ""
    assert "made by large-pictures@1/1, not by small-pictures@1/1 as the moment asked with" in told
    assert two not in {hit.video_id for hit in reply.hits}


def test_one_home_can_be_brought_to_one_profile(
    servers: tuple[Library, Library, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large, one, two = servers
    use(monkeypatch, LARGE.pictures, LARGE.words)
    reindex(large, one, "frames", "text")
    work(large.settings)
    assert {phrases(large, video)["subtitles"] for video in (one, two)} == {"all"}
    assert {phrases(large, video)["frames"] for video in (one, two)} == {"all"}
    assert "large-words@1/1's" in phrases(small, one)["subtitles"]
