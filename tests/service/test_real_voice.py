"""A German voice of espeak-ng in a real ingest: what a broken speech model and one of English alone do to it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from agent_tools.ingestion.worker import work
from agent_tools.models.whisper.base_weights import whisper_base
from agent_tools.service.ingest.jobs import reindex
from agent_tools.service.ingest.status import status
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.replies.coverage import view
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.timeline import Span
from tests.conftest import Once
from tests.library import OpenLibrary
from tests.models import checkpoints

SAID = "Guten Morgen. Heute sprechen wir über die Geschichte der Eisenbahn in Deutschland."

pytestmark = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="without espeak-ng")


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("talks") / "talk.wav"
    subprocess.run(["espeak-ng", "-v", "de", "-s", "140", "-w", str(path), SAID], check=True, timeout=60)
    return path


@pytest.fixture(scope="module")
def base(once: Once) -> Path:
    """Whisper base, joined once in a run."""
    folder: Path = once("whisper-base", lambda made: whisper_base(made / "model").found.folder)
    return folder


def heard(library: Library, name: str) -> str:
    """The id of the file, once its speech is made."""
    video_id = ingest_video(library, name, channels=["speech"], wait_s=0).video_id
    work(library.settings)
    assert video_id
    return video_id


def phrase(library: Library, video_id: str) -> str:
    video = library.video(video_id)
    return view(library, VideoSpan(video, Span(0.0, video.duration_s or 0.0)), "speech").phrase


def test_a_broken_model_leaves_what_was_heard_and_the_video_done(
    talk: Path, base: Path, open_library: OpenLibrary, loaded_encoder: None, tmp_path: Path
) -> None:
    first = open_library(talk.parent, models=(f"speech={base}",))
    video_id = heard(first, talk.name)
    before = first.store.entries(video_id)
    row = first.store.channel(video_id, "speech")
    assert row is not None
    assert (row.state, row.language, row.detail.english_only) == ("done", "de", False)
    assert "Eisenbahn" in " ".join(entry.text for entry in before)

    broken = Path(shutil.copytree(base, tmp_path / "broken"))
    with (broken / "model.bin").open("r+b") as file:
        file.truncate(1_000_000)
    other = open_library(talk.parent, models=(f"speech={broken}",))
    reindex(other, video_id, "speech")
    work(other.settings)
    told = status(other, video_id)
    assert (told.state, told.searchable_to_s) == ("done", told.duration_s)
    assert told.hints[0].startswith(f"Making speech of {video_id} again failed; what it had before is still there.")
    assert other.store.entries(video_id) == before
    assert other.store.channel(video_id, "speech") == row
    assert phrase(other, video_id) == "all"
    assert retrieve_memory(other, SearchRequest(query="Eisenbahn"), wait_s=60).hits[0].video_id == video_id


def test_a_model_of_english_alone_says_so_and_names_no_language(
    talk: Path, open_library: OpenLibrary, loaded_encoder: None, tmp_path: Path
) -> None:
    """Its weights are random, so its words mean nothing; the voice that it hears is real."""
    folder = checkpoints.whisper(tmp_path / "english", english_only=True)
    library = open_library(talk.parent, models=(f"speech={folder}",))
    video_id = heard(library, talk.name)
    row = library.store.channel(video_id, "speech")
    assert row is not None
    assert (row.state, row.language, row.detail.english_only) == ("done", None, True)
    entries = library.store.entries(video_id, unsure=True)
    assert entries
    assert {entry.extra["language_confidence"] for entry in entries} == {0.0}
    assert all(entry.extra["language_unsure"] for entry in entries)
    assert "its model hears English only" in phrase(library, video_id)
