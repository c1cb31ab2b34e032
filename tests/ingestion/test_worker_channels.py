"""Workers that make some channels each: together they make what one worker makes alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from agent_tools.errors import EngineError
from agent_tools.ingestion.channels.frames import Frames
from agent_tools.ingestion.worker import work
from agent_tools.service.ingest_video import ingest_video
from agent_tools.settings import Settings
from agent_tools.store import Job
from lab.faults.archive import Holding
from tests.drawing import draw, even_times
from tests.ingestion.toys import Levels, Words, use
from tests.library import ingested, lite, opened, start_no_worker

CHANNELS = ["subtitles", "frames", "screen_text"]
CUES = "WEBVTT\n\n00:00.000 --> 00:02.000\nthe harbour at night\n\n00:03.000 --> 00:05.000\nbees in the garden\n"


@pytest.fixture
def films(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    start_no_worker(monkeypatch)
    use(monkeypatch, text=Words("words@1/1"), ocr=Levels())
    (tmp_path / "films").mkdir()
    draw(tmp_path / "films" / "film.mp4", even_times(30, 5))
    (tmp_path / "films" / "film.vtt").write_text(CUES)
    return tmp_path / "films"


def queued(settings: Settings) -> Job:
    with opened(settings) as library:
        video_id = ingest_video(library, "film.mp4", channels=CHANNELS, wait_s=0).video_id
        job = library.store.job(str(video_id))
    assert job is not None
    return job


def only(settings: Settings, *channels: str) -> Settings:
    return replace(settings, work_channels=channels)


def test_two_workers_of_different_channels_make_what_one_makes(films: Path, tmp_path: Path) -> None:
    one = ingested(lite(tmp_path / "one", films), "film.mp4", channels=CHANNELS)
    two = lite(tmp_path / "two", films)
    video_id = queued(two).video_id
    assert work(only(two, "captions")) == 0  # it ends, though a job waits for somebody else
    assert work(only(two, "frames", "captions")) == 1
    with opened(two) as library:
        between = library.store.job(video_id)
        assert between is not None
        assert (between.state, between.channels) == ("queued", ("subtitles", "screen_text"))
        assert 0 <= between.progress < 1
        rows = {row.name: row.state for row in library.store.channels(video_id)}
        assert rows == {"frames": "done"}
    assert work(only(two, "subtitles", "screen_text")) == 1
    with opened(one) as whole, opened(two) as parts:
        assert parts.store.job(video_id).state == "done"  # type: ignore[union-attr]  # it is there
        assert Holding.of(parts.store, video_id).unlike(Holding.of(whole.store, video_id)) == ""


def test_what_failed_with_one_worker_is_said_when_the_last_one_ends(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Frames) -> None:
        raise EngineError("the pictures are broken")

    monkeypatch.setattr(Frames, "run", broken)
    settings = lite(tmp_path / "home", films)
    video_id = queued(settings).video_id
    assert work(only(settings, "frames")) == 1
    assert work(only(settings, "subtitles", "screen_text")) == 1
    with opened(settings) as library:
        job = library.store.job(video_id)
        assert job is not None
        assert job.state == "failed"
        assert "frames: EngineError: the pictures are broken" in (job.error or "")
        assert {row.name: row.state for row in library.store.channels(video_id)}["subtitles"] == "done"
