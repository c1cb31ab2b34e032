"""A channel made anew: the old one is searched until the new one is whole, whatever ends the work in between."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_tools.compression import prune_frames, representatives
from agent_tools.errors import EngineError
from agent_tools.home import HomeFolder
from agent_tools.ingestion.channels import frames, speech
from agent_tools.ingestion.channels.frames import WINDOW
from agent_tools.ingestion.control import Stopped
from agent_tools.ingestion.picture_vectors import sequence
from agent_tools.ingestion.spaces import frame_space, text_space
from agent_tools.ingestion.worker import work
from agent_tools.media import Cue, subtitle_text
from agent_tools.models.speech import Segment
from agent_tools.service.frames.kept_frames import standing_frames
from agent_tools.service.ingest.jobs import reindex
from agent_tools.service.ingest.status import status
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.library.query_models import QueryModels
from agent_tools.service.replies.coverage import view
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.search.likeness import similar_moments
from agent_tools.settings import Settings
from agent_tools.store import FrameRow, SqliteMemory, Store
from agent_tools.timeline import Span, video_uri
from tests.drawing import Pixels, draw, even_times
from tests.ingestion.toys import Levels, Pictures, Words, use
from tests.library import OpenLibrary

pytestmark = pytest.mark.slow

SECONDS = 160
SCENE_S = 20
SAID = [
    (10.0 * i, 10.0 * i + 4, f"sentence {i} is about {'keys values tokens caches'.split()[i % 4]}") for i in range(16)
]
OLD_FRAMES, NEW_FRAMES = "old-pictures@1/1", "new-pictures@1/1"
OLD_WORDS, NEW_WORDS = "old-words@1/1", "new-words@1/1"

# A worker of its own, whose frame encoder kills it at the seventh window.
DYING = f"""
import sys
from pathlib import Path
import pytest
from agent_tools.ingestion.worker import work
from agent_tools.settings import Settings
from tests.ingestion.toys import Levels, Pictures, Words, die_at, use
use(pytest.MonkeyPatch(), Pictures({NEW_FRAMES!r}, hook=die_at(6)), Words({OLD_WORDS!r}), Levels())
work(Settings.load({{}}, home=Path(sys.argv[1]), profile="lite"))
"""


def scene(number: int, width: int, height: int) -> Pixels:
    """A still picture of large blocks for SCENE_S seconds, then another."""
    rng = np.random.default_rng(number // SCENE_S)
    blocks = rng.integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((20, 20, 1), np.uint8))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")
    cues = [Cue(start_s, end_s, text) for start_s, end_s, text in SAID]
    (folder / "talk.srt").write_text(subtitle_text(cues, "srt"))
    return draw(folder / "talk.mp4", even_times(SECONDS, 1), picture=scene, key_every=16, tone=True)


def asks_with(patch: pytest.MonkeyPatch, producer: str) -> None:
    """Questions go through these words."""
    patch.setattr(QueryModels, "text", lambda self, wait_s=0.0: Words(producer))
    patch.setattr(QueryModels, "loaded", property(lambda self: Words(producer)))


@pytest.fixture
def library(film: Path, open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A library in which the film is done, by the old models; questions go through the old words."""
    monkeypatch.setattr(QueryModels, "warm", lambda self: None)
    asks_with(monkeypatch, OLD_WORDS)
    use(monkeypatch, Pictures(OLD_FRAMES), Words(OLD_WORDS), Levels())
    opened = open_library(film.parent)
    ingest_video(opened, "talk.mp4", wait_s=0)
    work(opened.settings)
    return opened


def id_of(library: Library) -> str:
    (video,) = library.store.videos()
    return video.id


def frames_of(store: Store, video_id: str) -> tuple[Any, ...]:
    """Everything that makes up the frames channel."""
    spaces = [space for space in store.spaces() if space.endswith("|frame") and len(store.vectors(space, video_id)[0])]
    row = store.channel(video_id, "frames")
    assert row is not None
    jpegs = [store.frame_picture(video_id, one.k) for one in store.frames(video_id, kept_only=True)]
    memories = [(m.key, m.vectors.numpy().tobytes()) for m in SqliteMemory(store).read_all(video_id, "frames")]
    vectors = [(space, store.vectors(space, video_id)[1].tobytes()) for space in spaces]
    return row.state, row.producer, row.entries, store.frames(video_id), jpegs, vectors, memories


def texts_of(store: Store, video_id: str, channel: str) -> list[tuple[float, float, str]]:
    return [(e.start_s, e.end_s, e.text) for e in store.entries(video_id, channels=(channel,))]


def text_spaces(store: Store, video_id: str) -> dict[str, int]:
    """How many of the video's texts have a vector, by space."""
    found = {space: len(store.vectors(space, video_id)[0]) for space in store.spaces() if space.endswith("|text")}
    return {space: count for space, count in found.items() if count}


def test_a_killed_worker_leaves_the_old_frames_and_the_next_one_goes_on(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, video_id = library.store, id_of(library)
    before = frames_of(store, video_id)
    reindex(library, video_id, "frames")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}  # tests are no part of what is installed
    command = [sys.executable, "-c", DYING, str(library.settings.home)]
    died = subprocess.run(command, env=environment, timeout=120, check=False)
    assert died.returncode < 0
    assert frames_of(store, video_id) == before
    half = Store.open(HomeFolder(store.home).reindexed(video_id))
    done = len(half.frames(video_id))
    half.close()
    assert 0 < done < SECONDS

    again = Pictures(NEW_FRAMES)
    use(monkeypatch, again)
    with store.db.write() as c:
        c.execute("UPDATE jobs SET lease_until=0")  # the dead worker's lease is over
    work(library.settings)
    # Rows are written before the window counts as done: at most the window that was being written is looked at twice.
    assert sum(again.seen) - (SECONDS - done) in (0, WINDOW)
    after = frames_of(store, video_id)
    assert after[:2] == ("done", NEW_FRAMES)
    assert [space for space, _ in after[5]] == [frame_space(NEW_FRAMES)]
    assert len(list((store.home / "tokens").glob(f"{video_id}-*.tokens"))) == 1
    assert not HomeFolder(store.home).reindexed(video_id).exists()
    assert status(library, video_id).state == "done"

    reindex(library, video_id, "frames")  # by the same models, uninterrupted: the very same comes out
    work(library.settings)
    assert frames_of(store, video_id) == after


def test_frames_alone_are_switched(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts, their vectors and the episodes' texts stay; scenes are found in the new vectors."""
    store, video_id = library.store, id_of(library)
    texts, spaces = texts_of(store, video_id, "screen_text"), text_spaces(store, video_id)
    use(monkeypatch, Pictures(NEW_FRAMES), Words(NEW_WORDS))
    reindex(library, video_id, "frames")
    work(library.settings)
    assert texts_of(store, video_id, "screen_text") == texts
    assert text_spaces(store, video_id) == spaces
    starts = [episode.start_s for episode in store.episodes(video_id, "scene")]
    assert starts == [float(second) for second in range(0, SECONDS, SCENE_S)]


def kept_by_windows(store: Store, video_id: str) -> None:
    """Turn the frames channel into what version 0.1 made of the same pictures: LongVU's rule, window by window, where a
    kept frame also stands for pictures before it; the row does not say by which rule frames are kept."""
    times_s, features = sequence(store, video_id, OLD_FRAMES)
    kept = prune_frames(features, WINDOW, Pictures.threshold)
    stands = representatives(kept, len(features), features, WINDOW).tolist()
    pictures = {k: store.frame_picture(video_id, row.k) for k in kept.tolist() if (row := store.standing(video_id, k))}
    store.delete_frames(video_id)
    rows = [FrameRow(video_id, k, time_s, stands[k], stands[k] == k) for k, time_s in enumerate(times_s)]
    store.add_frames(video_id, rows, {k: jpeg for k, jpeg in pictures.items() if jpeg is not None})
    store.put_vectors(frame_space(OLD_FRAMES), video_id, kept.tolist(), features[kept])
    row = store.channel(video_id, "frames")
    assert row is not None
    store.set_channel(video_id, "frames", detail=replace(row.detail, keep=""), entries=len(kept))


def test_frames_kept_by_windows_are_read_as_they_are_until_they_are_made_again(library: Library) -> None:
    store, video_id = library.store, id_of(library)
    today = frames_of(store, video_id)
    kept_by_windows(store, video_id)
    older = {row.k: row for row in store.frames(video_id)}
    assert len(store.frames(video_id, kept_only=True)) > SECONDS / SCENE_S
    assert any(row.stands_for > k for k, row in older.items())
    work(library.settings)  # nobody asked for new ones
    assert {row.k: row for row in store.frames(video_id)} == older

    # A picture that was dropped is shown by the later one that stands for it, and a look by likeness finds its scene.
    dropped = next(row for row in older.values() if row.stands_for > row.k)
    assert list(standing_frames(library, video_id, [dropped.time_s])) == [older[dropped.stands_for].time_s]
    scope = VideoSpan(library.video(video_id), Span(0.0, float(SECONDS)))
    first_s = SECONDS - SCENE_S  # the film's last scene; each is one picture
    moments = similar_moments(library, [scope], video_uri(video_id, first_s, first_s + 2))
    assert [(moment.span.start_s, moment.span.end_s) for moment in moments] == [(144.0, 160.0)]

    reindex(library, video_id, "frames")
    work(library.settings)
    assert frames_of(store, video_id) == today


def test_subtitles_by_another_sentence_encoder_are_switched_with_all_text_vectors(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, video_id = library.store, id_of(library)
    before, spaces = texts_of(store, video_id, "subtitles"), text_spaces(store, video_id)
    assert list(spaces) == [text_space(OLD_WORDS)]
    seen: list[tuple[object, int]] = []

    def during(_: int) -> None:
        with contextlib.closing(Store.open(store.home)) as other:
            seen.append((texts_of(other, video_id, "subtitles"), text_spaces(other, video_id)[text_space(OLD_WORDS)]))
            hit = min(
                retrieve_memory(library, SearchRequest(query="sentence 7 is about caches")).hits,
                key=lambda hit: hit.rank,
            )
            assert (hit.start_s, "subtitles:meaning" in hit.matched) == (70.0, True)

    use(monkeypatch, text=Words(NEW_WORDS, hook=during))
    reindex(library, video_id, "subtitles")
    work(library.settings)
    assert len(seen) >= 2
    assert all(found == (before, spaces[text_space(OLD_WORDS)]) for found in seen)
    assert texts_of(store, video_id, "subtitles") == before
    assert text_spaces(store, video_id) == {text_space(NEW_WORDS): spaces[text_space(OLD_WORDS)]}
    producers = {m.producer.split("|")[0] for m in SqliteMemory(store).read_all(video_id, "screen_text")}
    assert producers == {NEW_WORDS}


def test_text_remakes_the_vectors_alone(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    store, video_id = library.store, id_of(library)
    entries, count = store.entries(video_id), text_spaces(store, video_id)[text_space(OLD_WORDS)]
    use(monkeypatch, text=Words(NEW_WORDS), frames=Pictures(NEW_FRAMES), ocr=Levels("never@1/1"))
    reindex(library, video_id, "text")
    work(library.settings)
    assert store.entries(video_id) == entries
    assert text_spaces(store, video_id) == {text_space(NEW_WORDS): count}
    row = store.channel(video_id, "frames")
    assert row is not None
    assert row.producer == OLD_FRAMES
    assert store.episodes(video_id, "chapter")


def test_a_server_of_another_encoder_says_that_it_searches_words_alone(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = id_of(library)
    asked = VideoSpan(library.video(video_id), Span(0.0, float(SECONDS)))
    assert view(library, asked, "subtitles").phrase == "all"
    asks_with(monkeypatch, NEW_WORDS)
    told = view(library, asked, "subtitles").phrase
    assert told == f"all; words only: its vectors are {OLD_WORDS}'s, not this server's model"
    found = retrieve_memory(library, SearchRequest(query="sentence 7"))
    assert found.hits
    assert all(how == "subtitles:words" for hit in found.hits for how in hit.matched)
    use(monkeypatch, text=Words(NEW_WORDS))
    reindex(library, video_id, "text")
    work(library.settings)
    assert view(library, asked, "subtitles").phrase == "all"


def test_screen_text_alone_has_a_pass_of_its_own(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    store, video_id = library.store, id_of(library)
    before = texts_of(store, video_id, "screen_text")
    assert len(before) == SECONDS / SCENE_S
    read = Levels("other@1/1")
    use(monkeypatch, ocr=read, frames=Pictures("never@1/1"))
    reindex(library, video_id, "screen_text")
    work(library.settings)
    assert texts_of(store, video_id, "screen_text") == before
    assert read.calls == len(before)
    row = store.channel(video_id, "screen_text")
    assert row is not None
    assert (row.state, row.producer) == ("done", "other@1/1")


class Hearing:
    """Says a number each ten seconds; fails or stops behind a block."""

    languages = "many"

    def __init__(self, producer: str, error: Exception | None = None) -> None:
        self.producer, self.error = producer, error
        self.heard_from: list[float] = []

    def transcribe(self, blocks: Any, on_progress: Any, on_gap: Any) -> Iterator[Segment]:
        for start_s, samples in blocks:
            self.heard_from.append(start_s)
            end_s = start_s + len(samples) / 16_000
            for second in range(5, SECONDS, 10):
                if start_s <= second < end_s:
                    yield Segment(second, second + 2, f"{self.producer} heard {second}", 0.1, "en", 0.9, 0.8)
            on_progress(end_s)
            if self.error is not None and start_s > 50:
                raise self.error


@pytest.mark.parametrize("error", [EngineError("the model broke."), Stopped("stop")])
def test_speech_that_fails_or_stops_midway_leaves_the_old(
    library: Library, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    store, video_id = library.store, id_of(library)
    monkeypatch.setattr("agent_tools.service.ingest.jobs.channels_of", lambda profile: ("speech",))
    monkeypatch.setattr(speech, "speech", lambda settings: Hearing("old-ears@1/1"))
    reindex(library, video_id, "speech")  # nothing was there: it is made as an ingest makes it
    work(library.settings)
    before = texts_of(store, video_id, "speech")
    assert len(before) == SECONDS / 10

    monkeypatch.setattr(speech, "speech", lambda settings: Hearing("new-ears@1/1", error))
    reindex(library, video_id, "speech")
    work(library.settings)
    row, job = store.channel(video_id, "speech"), store.job(video_id)
    assert row is not None
    assert job is not None
    assert (row.state, row.producer, job.state) == (
        "done",
        "old-ears@1/1",
        "stopped" if isinstance(error, Stopped) else "failed",
    )
    told = status(library, video_id)
    if isinstance(error, EngineError):  # the video has all that it had
        assert (told.state, told.searchable_to_s) == ("done", told.duration_s)
        assert told.hints == [
            f"Making speech of {video_id} again failed; what it had before is still there. "
            "speech: EngineError: the model broke."
        ]
    assert texts_of(store, video_id, "speech") == before

    last = Hearing("new-ears@1/1")
    monkeypatch.setattr(speech, "speech", lambda settings: last)
    reindex(library, video_id, "speech")
    work(library.settings)
    assert last.heard_from[0] > 50 or isinstance(error, EngineError)
    assert [text for _, _, text in texts_of(store, video_id, "speech")] == [
        f"new-ears@1/1 heard {second}" for second in range(5, SECONDS, 10)
    ]


def test_the_job_is_done_with_the_models_it_was_queued_with(
    library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Whoever's worker takes it up: here one of a server without the asker's flags."""
    video_id = id_of(library)
    asker = Library(
        Settings.load({}, home=library.settings.home, profile="lite", models=("speech=/ears",), device="cpu/fp32")
    )
    with contextlib.closing(asker):
        reindex(asker, video_id, "frames")
    seen: list[Any] = []

    def encoder(settings: Any) -> Pictures:
        seen.append(settings)
        return Pictures(NEW_FRAMES)

    monkeypatch.setattr(frames, "frame_encoder", encoder)
    work(library.settings)
    assert seen[0].overrides == {"speech": "/ears"}
    assert seen[0].device == "cpu/fp32"
