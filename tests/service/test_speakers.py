"""Speakers: voices that a model distinguished are shown, named by a person, found by their names, joined and exported.

Recognition and voices are tested with their models; here an engine says numbers, and voices take turns."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_tools.cli import speakers as command
from agent_tools.errors import InvalidArgument, ModelMissing
from agent_tools.ingestion.channels import speech
from agent_tools.ingestion.worker import work
from agent_tools.models.speech import Segment, Unheard, Word
from agent_tools.service import export
from agent_tools.service.ingest import jobs
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.speakers import list_speakers, merge_speakers, name_speaker
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
from agent_tools.store import Store, publish, speakers
from tests.drawing import draw, even_times
from tests.library import OpenLibrary

pytestmark = pytest.mark.slow

OWN = ("apples", "bread", "candles", "drums", "engines", "flowers", "glasses", "horses")


class Sentences:
    """Hears a sentence of eight seconds in each ten seconds of sound."""

    producer = "sentences@1/1"
    languages = "many"
    times = 0

    def transcribe(
        self,
        blocks: Iterable[tuple[float, Any]],
        on_progress: Callable[[float], None],
        on_gap: Callable[[Unheard], None],
    ) -> Iterator[Segment]:
        Sentences.times += 1
        for start_s, samples in blocks:
            end_s = start_s + len(samples) / 16_000
            for place, thing in enumerate(OWN):
                if start_s <= place * 10 + 1 < end_s:
                    at = place * 10 + 1.0
                    words = (Word(at, at + 4, "We", 0.9), Word(at + 4, at + 8, thing, 0.9))
                    yield Segment(at, at + 8, f"We bought {thing}", 0.1, "en", 0.9, 0.8, words)
            on_progress(end_s)


class Turns:
    """Two voices that take turns; a little noise keeps pieces of one voice apart."""

    producer = "turns@1/1"

    def __init__(self, tilt: float = 0.0) -> None:
        self._rng, self._count = np.random.default_rng(1), 0
        self._voices = np.eye(8, dtype=np.float32)[:2] + np.float32(tilt)

    def encode(self, samples: np.ndarray) -> np.ndarray:
        vector = self._voices[self._count % 2] + 0.05 * self._rng.standard_normal(8).astype(np.float32)
        self._count += 1
        return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture
def meeting(tmp_path: Path, open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch) -> tuple[Library, str]:
    """A library with one video of 80 s in which two voices take turns, and the video's id."""
    folder = tmp_path / "videos"
    folder.mkdir()
    draw(folder / "talk.mp4", even_times(160, 2), tone=True)
    monkeypatch.setattr("agent_tools.service.ingest.jobs.channels_of", lambda profile: ("speech",))
    monkeypatch.setattr(speech, "speech", lambda settings: Sentences())
    monkeypatch.setattr(speech, "voices", lambda settings: Turns())
    library = open_library(folder, models=("speakers=resemblyzer",))
    video_id = ingest_video(library, "talk.mp4", wait_s=0).video_id or ""
    work(library.settings)
    return library, video_id


def hits(library: Library, query: str) -> list[Any]:
    return retrieve_memory(library, SearchRequest(query=query, max_tokens=8000), wait_s=60).hits


def labels(library: Library, video_id: str) -> list[str]:
    return [speakers.name_of(entry) for entry in library.store.entries(video_id, channels=("speech",))]


def test_voices_are_numbered_shown_and_named_in_coverage(meeting: tuple[Library, str]) -> None:
    library, video_id = meeting
    assert labels(library, video_id) == ["speaker 1", "speaker 2"] * 4
    one, two = list_speakers(library, library.video(video_id))
    assert (one.number, one.label, one.named, one.entries, one.seconds, one.at) == (
        1,
        "speaker 1",
        False,
        4,
        32,
        "0:00:01",
    )
    assert (two.number, two.entries, two.at) == (2, 4, "0:00:11")
    reply = retrieve_memory(library, SearchRequest(query="drums", detail="full"), wait_s=60)
    assert "speaker 2: We bought drums" in (reply.hits[0].speech or "")
    assert reply.coverage.producers is not None
    assert reply.coverage.producers.speech == "sentences@1/1, speakers by turns@1/1"
    shown = zoom_segment(library, ZoomRequest(video_id=video_id, start_s=30, end_s=40, layout="text"))
    assert [row["text"] for row in shown.facts["text"]] == ["speaker 2: We bought drums"]


def test_a_label_without_a_name_is_found_by_no_words(meeting: tuple[Library, str]) -> None:
    library, video_id = meeting
    assert library.store.search_words("speaker", video_ids=[video_id]) == []


def test_a_name_is_found_shown_once_and_exported(meeting: tuple[Library, str]) -> None:
    library, video_id = meeting
    video = library.video(video_id)
    assert name_speaker(library, video, 2, " Mara ") == 4
    assert labels(library, video_id) == ["speaker 1", "Mara"] * 4
    best = hits(library, "what did Mara say about the horses")[0]
    assert (best.start_s, best.strength) == (71, "strong")
    assert "Mara: We bought horses" in best.speech
    assert len(library.store.search_words("Mara", video_ids=[video_id])) == 4
    shown = zoom_segment(library, ZoomRequest(video_id=video_id, start_s=30, end_s=40, layout="text"))
    assert [row["text"] for row in shown.facts["text"]] == ["Mara: We bought drums"]
    assert "<v Mara>We bought drums" in export.transcript(library, video, "vtt", by_word=True).replace(
        "<00:00:35.000>", ""
    )
    assert "\nMara: We bought drums\n" in export.transcript(library, video, "srt")
    name_speaker(library, video, 2, "")
    assert labels(library, video_id) == ["speaker 1", "speaker 2"] * 4
    assert library.store.search_words("Mara", video_ids=[video_id]) == []


def test_what_the_entries_mean_is_still_known_after_a_new_name(meeting: tuple[Library, str]) -> None:
    library, video_id = meeting
    name_speaker(library, library.video(video_id), 1, "Ole")
    encoder = library.models.text(60)
    assert encoder is not None
    assert library.store.pending_text(video_id, f"{encoder.producer}|text") == []


def test_two_numbers_of_one_person_are_joined(meeting: tuple[Library, str]) -> None:
    library, video_id = meeting
    video = library.video(video_id)
    name_speaker(library, video, 1, "Mara")
    assert merge_speakers(library, video, 2, 1) == 4
    (only,) = list_speakers(library, video)
    assert (only.number, only.label, only.entries) == (1, "Mara", 8)
    ((vectors,),) = (speakers.voices(library.store, video_id).values(),)
    assert list(vectors) == [1]
    assert np.linalg.norm(vectors[1]) == pytest.approx(1)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (lambda library, video: name_speaker(library, video, 3, "Mara"), "has no speaker 3. There is: 1, 2"),
        (lambda library, video: name_speaker(library, video, 1, "Mara: boss"), "cannot hold a colon"),
        (lambda library, video: merge_speakers(library, video, 1, 1), "the same speaker"),
    ],
)
def test_a_wrong_number_or_name_is_refused_with_what_there_is(
    meeting: tuple[Library, str], act: Any, says: str
) -> None:
    library, video_id = meeting
    with pytest.raises(InvalidArgument, match=says):
        act(library, library.video(video_id))


def test_speech_that_is_made_again_keeps_the_names(meeting: tuple[Library, str]) -> None:
    library, video_id = meeting
    name_speaker(library, library.video(video_id), 2, "Mara")
    jobs.reindex(library, video_id, "speech")
    work(library.settings)
    assert labels(library, video_id) == ["speaker 1", "Mara"] * 4
    assert len(list_speakers(library)) == 2


def test_voices_are_told_apart_later_without_hearing_the_words_again(
    tmp_path: Path, open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch, meeting: tuple[Library, str]
) -> None:
    library, _ = meeting
    draw(tmp_path / "videos" / "other.mp4", even_times(160, 2), tone=True, size=(80, 60))
    monkeypatch.setattr(speech, "voices", lambda settings: None)
    video_id = ingest_video(library, "other.mp4", wait_s=0).video_id or ""
    work(library.settings)
    assert labels(library, video_id) == [""] * 8
    with pytest.raises(InvalidArgument, match=r"reindex .* --models speakers=resemblyzer"):
        name_speaker(library, library.video(video_id), 1, "Mara")
    heard = Sentences.times
    monkeypatch.setattr(speech, "voices", lambda settings: Turns())
    jobs.reindex(library, video_id, "speech")
    work(library.settings)
    assert Sentences.times == heard
    assert labels(library, video_id) == ["speaker 1", "speaker 2"] * 4
    assert hits(library, "candles")[0].start_s == 21


def test_the_same_voice_in_another_video_is_a_suggestion_with_its_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, meeting: tuple[Library, str]
) -> None:
    library, first = meeting
    name_speaker(library, library.video(first), 2, "Mara")
    draw(tmp_path / "videos" / "other.mp4", even_times(160, 2), tone=True, size=(80, 60))
    monkeypatch.setattr(speech, "voices", lambda settings: Turns(0.05))
    second = ingest_video(library, "other.mp4", wait_s=0).video_id or ""
    work(library.settings)
    one, two = list_speakers(library, library.video(second))
    assert [(like.video_id, like.number, like.label) for like in two.alike] == [(first, 2, "Mara")]
    assert 0.9 < two.alike[0].score < 1
    assert [like.label for like in one.alike] == ["speaker 1"]
    assert labels(library, second) == ["speaker 1", "speaker 2"] * 4  # no name is carried over by itself


def test_without_the_weights_the_words_are_there_and_coverage_says_why_no_speakers(
    tmp_path: Path, open_library: OpenLibrary, monkeypatch: pytest.MonkeyPatch, meeting: tuple[Library, str]
) -> None:
    library, _ = meeting

    def missing(settings: Any) -> None:
        raise ModelMissing("The package resemblyzer is not installed.")

    monkeypatch.setattr(speech, "voices", missing)
    draw(tmp_path / "videos" / "other.mp4", even_times(160, 2), tone=True, size=(80, 60))
    video_id = ingest_video(library, "other.mp4", wait_s=0).video_id or ""
    work(library.settings)
    reply = retrieve_memory(library, SearchRequest(query="drums", video_ids=[video_id]), wait_s=60)
    assert reply.hits[0].start_s == 31
    told = reply.coverage.channels.speech or ""
    assert told == "all; speakers are not distinguished: The package resemblyzer is not installed."


def test_labels_and_voices_go_along_to_an_archive(meeting: tuple[Library, str], tmp_path: Path) -> None:
    library, video_id = meeting
    name_speaker(library, library.video(video_id), 1, "Ole")
    target = Store.open(tmp_path / "archive")
    publish(library.store, target, video_id)
    assert [one.label for one in speakers.speakers(target, video_id)] == ["Ole", "speaker 2"]
    assert [list(of) for of in speakers.voices(target, video_id).values()] == [[1, 2]]
    target.delete_video(video_id)
    assert speakers.voices(target, video_id) == {}
    target.close()


def test_the_commands_name_join_and_list(meeting: tuple[Library, str], capsys: pytest.CaptureFixture[str]) -> None:
    library, video_id = meeting
    home = library.settings.home
    command.speakers_name(video_id, 2, "Mara", home=home)
    assert capsys.readouterr().out == "speaker 2: 4 entries changed\n"
    command.speakers_list(video_id, home=home)
    told = capsys.readouterr().out
    assert "2  Mara" in told
    assert "0:00:11" in told
    assert "It makes mistakes; it knows no person." in told
    command.speakers_merge(video_id, 1, 2, home=home)
    assert capsys.readouterr().out == "speaker 1 is now a part of speaker 2: 4 entries changed\n"
    command.speakers_list(home=home, as_json=True)
    (only,) = json.loads(capsys.readouterr().out)["speakers"]
    assert (only["label"], only["entries"]) == ("Mara", 8)
