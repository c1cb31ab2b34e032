"""`agent-tools export`: transcript, episodes, notes and clips as files, and the line that a clip too long names."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent_tools import cli
from agent_tools.errors import AgentToolsError, InvalidArgument, LimitReached
from agent_tools.media import Cue, content_id, probe, read_subtitles, sample
from agent_tools.media.cue_formats import parse
from agent_tools.service.library.library import Library
from agent_tools.service.read_resource import read_resource
from agent_tools.settings import Settings
from agent_tools.store import EntryIn, Episode
from tests.drawing import draw, even_times, number_in

SPOKEN = [Cue(0.52, 3.118, "we keep the keys"), Cue(3.118, 6.0, "and the values; 2 < 3"), Cue(61.25, 64.0, "a cache")]
GERMAN = [Cue(0.52, 3.0, "wir behalten die Schlüssel")]


@dataclass
class Home:
    library: Library
    video_id: str
    film: Path

    def export(self, *arguments: str) -> Result:
        home = str(self.library.settings.home)
        result: Result = CliRunner().invoke(cli.app, ["export", self.video_id, *arguments, "--home", home])
        return result

    def refused(self, *arguments: str) -> str:
        result = self.export(*arguments)
        assert isinstance(result.exception, AgentToolsError), result.output
        return result.exception.described


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """100 s, a picture each half second, a key frame each ten seconds."""
    path = tmp_path_factory.mktemp("film") / "week 3.mp4"
    options = {"x264-params": "scenecut=0"}
    return draw(path, even_times(200, 2), key_every=20, tone=True, options=options)


@pytest.fixture
def home(film: Path, tmp_path: Path) -> Iterator[Home]:
    library = Library(Settings.load({}, home=tmp_path / "my home", allow=(film.parent,)))
    store, video_id, stat = library.store, content_id(film), film.stat()
    store.add_video(video_id, "Week 3: Memory", stat.st_size)
    store.update_video(video_id, duration_s=100.0, width=320, height=180, fps=2.0, has_audio=True)
    store.add_source(video_id, str(film), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    for language, cues in (("en", SPOKEN), ("de", GERMAN)):
        track = {"language": language, "track": f"week 3.{language}.srt"}
        entries = [EntryIn(cue.start_s, cue.end_s, cue.text, track) for cue in cues]
        store.add_entries(video_id, "subtitles", f"sidecar:{track['track']}", entries)
    store.set_channel(video_id, "subtitles", state="done", producer="subtitles", done_to_s=100.0, entries=4)
    heard = [EntryIn(1.0, 2.5, "we keep a kiss", {"language": "en"}), EntryIn(2.5, 4.0, "ja", {"language": "de"})]
    store.add_entries(video_id, "speech", "asr@1/1", heard)
    store.set_channel(video_id, "speech", state="running", producer="asr@1/1", done_to_s=50.0, entries=2)
    store.replace_episodes(video_id, "chapter", [Episode(0, video_id, "chapter", 0.0, 100.0, "Keys", "subtitles", 4.0)])
    yield Home(library, video_id, film)
    library.close()


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_a_transcript_is_read_back_as_the_very_cues(form: str, home: Home, tmp_path: Path) -> None:
    beside = tmp_path / "beside"
    beside.mkdir()
    (beside / "talk.mp4").hardlink_to(home.film)
    done = home.export("--transcript", form, "--out", str(beside / f"talk.en.{form}"))
    assert done.exit_code == 0, done.output
    (track,) = read_subtitles(probe(beside / "talk.mp4"))
    assert (track.language, track.cues) == ("en", SPOKEN)


def test_the_channel_and_the_language_are_chosen(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "t.srt"
    assert home.export("--transcript", "srt", "--language", "de", "-o", str(out)).exit_code == 0
    assert "Schlüssel" in out.read_text("utf-8")
    said = home.export("--transcript", "srt", "--channel", "speech", "-o", str(out), "--force")
    assert [line for line in out.read_text("utf-8").splitlines() if "k" in line or "ja" in line] == [
        "we keep a kiss",
        "ja",
    ]
    assert "the transcript is not complete: speech: running" in said.stderr


def test_heard_words_keep_their_times(home: Home, tmp_path: Path) -> None:
    words = [[5.0, 5.4, "keys"], [5.4, 5.5, "<"], [5.5, 6.25, "values"]]
    home.library.store.add_entries(
        home.video_id, "speech", "asr@1/1", [EntryIn(5.0, 6.3, "keys < values", {"words": words})]
    )
    out = tmp_path / "t"
    for form in ("vtt", "srt"):
        done = home.export("--transcript", form, "--channel", "speech", "--words", "-o", str(out), "--force")
        assert done.exit_code == 0, done.output
        text = out.read_text("utf-8")
        if form == "vtt":
            assert "00:00:05.000 --> 00:00:06.300\nkeys <00:00:05.400>&lt; <00:00:05.500>values" in text
        found = [(cue.start_s, cue.end_s, cue.text) for cue in parse(text, f".{form}") if 5 <= cue.start_s < 7]
        by_word = [(5.0, 5.4, "keys"), (5.4, 5.5, "<"), (5.5, 6.25, "values")]
        assert found == ([(5.0, 6.3, "keys < values")] if form == "vtt" else by_word)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Nothing to export: say --transcript srt"),
        (("--transcript", "doc"), "it must be srt or vtt"),
        (("--transcript", "srt", "--channel", "frames"), "channel is 'frames'; it must be one of subtitles"),
        (("--transcript", "srt", "--channel", "captions"), "There is: subtitles, speech."),
        (("--transcript", "srt", "--language", "fr"), "There is: de, en."),
        (("--channel", "speech", "--episodes"), "add --transcript srt"),
        (("--words", "--notes"), "add --transcript srt"),
        (("--transcript", "vtt", "--words"), "Leave --words out"),
        (("--clip", "ten"), "START-END in seconds or H:MM:SS"),
        (("--clip", "200-900"), "which lasts 100 s"),
        (("--clip", "0-10", "--out", "clip.gif"), "it must end in .mp4"),
        (("--episodes", "--out", "no/such/folder/e.json"), "Make it first"),
    ],
)
def test_what_cannot_be_exported_is_refused_with_the_remedy(home: Home, arguments: tuple[str, ...], told: str) -> None:
    assert told in home.refused(*arguments)


def test_nothing_is_overwritten_without_force(home: Home, tmp_path: Path) -> None:
    out = tmp_path / "kept.json"
    out.write_text("mine")
    assert "kept.json exists. Add --force" in home.refused("--episodes", "--out", str(out))
    assert out.read_text() == "mine"
    assert home.export("--episodes", "--out", str(out), "--force").exit_code == 0
    assert json.loads(out.read_text())["chapter"][0]["title"] == "Keys"


def test_several_things_go_into_a_folder_under_the_title(home: Home, tmp_path: Path) -> None:
    home.library.store.add_note(home.video_id, 1.0, 2.0, "he draws a key", "me", None)
    folder = tmp_path / "out"
    done = home.export("--transcript", "vtt", "--episodes", "--notes", "--clip", "0:10-0:20", "-o", str(folder))
    assert done.exit_code == 0, done.output
    names = ["Week_3_Memory.10-20.mp4", "Week_3_Memory.episodes.json", "Week_3_Memory.notes.json", "Week_3_Memory.vtt"]
    assert sorted(path.name for path in folder.iterdir()) == names
    assert json.loads((folder / names[2]).read_text())[0]["text"] == "he draws a key"
    assert "copied" in done.stdout


def test_a_clip_too_long_for_a_client_names_the_line_that_writes_it(home: Home, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="over 60 s") as refused:
        read_resource(home.library, f"video://{home.video_id}/clip/10-90")
    _numbers_of_the_named_clip(str(refused.value), tmp_path, list(range(20, 180)))


def test_a_clip_too_large_for_a_client_names_it_too(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_large(*_: Any, **__: Any) -> bytes:
        raise LimitReached("11-13 s of film does not fit 8388608 bytes. Ask for a shorter clip.")

    monkeypatch.setattr(home.library.looker, "clip", too_large)
    with pytest.raises(LimitReached) as refused:
        read_resource(home.library, f"video://{home.video_id}/clip/11-13")
    _numbers_of_the_named_clip(str(refused.value), tmp_path, list(range(22, 26)))  # no key frame: encoded again


def _numbers_of_the_named_clip(message: str, folder: Path, numbers: list[int]) -> None:
    line = shlex.split(message[message.index("agent-tools export") :])
    out = folder / "named.mp4"
    done = CliRunner().invoke(cli.app, [*line[1:], "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert [number_in(one.picture.rgb(320, 180)) for one in sample(probe(out), fps=2.0)] == numbers


def test_a_clip_of_a_file_that_is_gone_says_so(home: Home, tmp_path: Path) -> None:
    home.library.store.add_source(home.video_id, str(home.film), 1, 1, 1)  # another file lies there now
    assert "SourceNotFound" in home.refused("--clip", "0-10", "--out", str(tmp_path / "x.mp4"))
