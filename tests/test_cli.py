"""The command line by hand: each command over one small library, and what a person reads."""

from __future__ import annotations

import importlib
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from agent_tools import __version__, cli
from agent_tools.home import STORE_FILE
from agent_tools.service.library.query_models import QueryModels
from agent_tools.store import Store
from tests.library import start_no_worker
from tests.server.conftest import SAID, VIDEO, fill


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with two videos, without models and workers."""
    monkeypatch.setattr(QueryModels, "warm", lambda self: None)
    monkeypatch.setattr(QueryModels, "text", lambda self, wait_s=0.0: None)
    start_no_worker(monkeypatch)
    store = Store.open(tmp_path / "home")
    fill(store)
    store.close()
    return tmp_path / "home"


def run(home: Path, command: str, *arguments: str) -> Result:
    result: Result = CliRunner().invoke(cli.app, [command, *arguments, "--home", str(home)])
    return result


def told(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_ls_lists_titles_states_and_lengths(home: Path) -> None:
    assert "Week 3 Memory" in run(home, "ls").stdout
    listed = told(run(home, "ls", "--json"))["videos"]
    assert [video["title"] for video in listed] == ["Week 3 Memory", "An empty afternoon"]


def test_ls_lists_every_video_of_a_large_library(home: Path) -> None:
    store = Store.open(home)
    for number in range(400):
        store.add_video(f"{number:016x}", f"clip [{number:03}]", 1)
    store.close()
    listed = [line for line in run(home, "ls").stdout.splitlines() if "clip [" in line]
    assert len(listed) == 400
    assert len(told(run(home, "ls", "--json"))["videos"]) == 402


def test_rm_takes_several_names_and_patterns_and_deletes_nothing_if_one_matches_nothing(home: Path) -> None:
    store = Store.open(home)
    for number in range(4):
        store.add_video(f"{number:016x}", f"clip [{number}]", 1)
    store.close()

    def left() -> set[str]:
        return {video["title"] for video in told(run(home, "ls", "--json"))["videos"]}

    before = left()
    assert "No video matches 'song*'" in str(run(home, "rm", "clip*", "song*").exception)
    assert left() == before
    gone = run(home, "rm", "CLIP [?]", "An empty afternoon", "clip [1]")
    assert gone.exit_code == 0, gone.output
    assert len([line for line in gone.stdout.splitlines() if line.startswith("forgot ")]) == 5
    assert left() == {"Week 3 Memory"}


@pytest.mark.parametrize("name", ["An empty afternon", "An empty", "Empty afternoon", "week 3 memoryy", "zzz"])
def test_rm_takes_no_name_that_is_only_nearly_that_of_a_video(home: Path, name: str) -> None:
    refused = run(home, "rm", name)
    assert f"No video is named exactly {name!r}" in str(refused.exception)
    assert ("give its id: " in str(refused.exception)) == (name != "zzz")
    assert len(told(run(home, "ls", "--json"))["videos"]) == 2


def test_rm_folds_case_spaces_and_unicode_and_refuses_a_name_of_two(home: Path) -> None:
    store = Store.open(home)
    for number, title in enumerate(("Café  noir", "cafe noir", "thé vert")):
        store.add_video(f"{number:016x}", title, 1)
    store.close()
    assert "means 2 videos" in str(run(home, "rm", "CAFÉ NOIR").exception)
    assert run(home, "rm", "THE\u0301 vert", f"video://{0:016x}").exit_code == 0
    assert [v["title"] for v in told(run(home, "ls", "--json"))["videos"]][-1] == "cafe noir"


def test_rm_of_several_keeps_them_all_while_one_has_notes(home: Path) -> None:
    run(home, "remember", VIDEO, "60", "70", "the lecturer draws a key")
    refused = run(home, "rm", "*")
    assert f"There are notes on {VIDEO} (1)" in str(refused.exception)
    assert len(told(run(home, "ls", "--json"))["videos"]) == 2
    assert run(home, "rm", "*", "--with-notes").exit_code == 0
    assert told(run(home, "ls", "--json"))["videos"] == []


@pytest.mark.skipif(os.name == "nt", reason="permissions of Windows are inherited")
def test_doctor_names_a_home_that_others_can_read_and_mends_it(home: Path) -> None:
    home.chmod(0o755)
    (home / STORE_FILE).chmod(0o644)
    found = run(home, "doctor")
    assert found.exit_code == 1
    assert "!!  other users can read 2 files and folders" in found.stdout
    assert "agent-tools doctor --fix" in found.stdout
    assert stat.S_IMODE(home.stat().st_mode) == 0o755
    assert "ok  mended: other users could read 2 files and folders" in run(home, "doctor", "--fix").stdout
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    assert stat.S_IMODE((home / STORE_FILE).stat().st_mode) == 0o600
    assert "other users" not in run(home, "doctor").stdout


def test_doctor_rewrites_a_memory_that_keeps_traces_only_when_asked(home: Path) -> None:
    store = Store.open(home)
    store.db.outside("PRAGMA journal_mode=DELETE; PRAGMA auto_vacuum=NONE; VACUUM; PRAGMA journal_mode=WAL")
    store.close()
    assert "deleted texts may stand in its file" in run(home, "doctor").stdout
    assert "deleted texts may stand in its file" in run(home, "doctor").stdout
    assert "ok  mended: the memory at" in run(home, "doctor", "--fix").stdout
    assert "deleted texts" not in run(home, "doctor").stdout
    assert len(told(run(home, "ls", "--json"))["videos"]) == 2


def test_show_prints_state_and_episodes(home: Path) -> None:
    lines = run(home, "show", "Week 3").stdout.splitlines()
    assert lines[0] == "Week 3 Memory"
    assert lines[1].split()[0] == VIDEO
    assert lines[1].endswith("  done")
    assert "{" not in "".join(lines)
    assert any(line.split()[:2] == ["subtitles", "done"] for line in lines)
    assert told(run(home, "show", "Week 3", "--json"))["state"] == "done"
    assert "0:05:00  chapter 1" in run(home, "show", "Week 3", "--level", "chapter").stdout


def test_search_prints_the_best_moment_first(home: Path) -> None:
    first = run(home, "search", "attention compares a query").stdout.splitlines()
    assert first[0].startswith("1. 0:01:00")
    assert first[0].endswith(")")
    assert "Week 3 Memory" in first[0]
    assert SAID[1] in first[1]
    assert first[2].strip().startswith(f"video://{VIDEO}#t=")
    assert told(run(home, "search", "attention compares a query", "--json"))["hits"][0]["at"] == "0:01:00"
    assert "Nothing found." in run(home, "search", "zebra").stdout


def test_zoom_writes_a_picture_and_prints_what_is_said(home: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.jpg"
    result = run(home, "zoom", VIDEO, "--start", "60", "--end", "200", "-o", str(sheet), "--max-frames", "2")
    assert result.exit_code == 0, result.output
    assert sheet.read_bytes()[:2] == b"\xff\xd8"
    assert "the file is gone" in result.stdout
    assert f"0:01:00  subtitles: {SAID[1]}" in result.stdout
    assert "{" not in result.stdout
    assert told(run(home, "zoom", VIDEO, "-o", str(sheet), "--json"))["video_id"] == VIDEO


def test_ground_and_remember_print_their_reply(home: Path) -> None:
    one = run(home, "ground", "attention", "--video", VIDEO).stdout
    assert one.startswith("uncertain")
    assert "not judged: " in one
    assert told(run(home, "ground", "attention", "--video", VIDEO, "--json"))["verdict"] == "uncertain"
    every = run(home, "ground", "attention").stdout.splitlines()
    assert every[0].startswith("Present in none of 2 videos")
    assert any(line.split()[:1] == ["uncertain"] and "Week 3 Memory" in line for line in every)
    noted = run(home, "remember", VIDEO, "60", "70", "the lecturer draws a key").stdout
    assert noted.startswith("Noted at 0:01:00")
    assert told(run(home, "remember", VIDEO, "60", "71", "the lecturer draws a key", "--json"))["stored"] is True


def test_commands_that_load_models_say_so_at_once(home: Path) -> None:
    assert run(home, "search", "attention").stderr.startswith("loading ...\n")
    assert run(home, "ground", "attention").stderr.startswith("loading ...\n")


def test_a_video_with_notes_is_kept_unless_told_otherwise(home: Path) -> None:
    run(home, "remember", VIDEO, "60", "70", "the lecturer draws a key")
    refused = run(home, "rm", VIDEO)
    assert refused.exit_code != 0
    assert "--with-notes" in str(refused.exception)
    gone = run(home, "rm", VIDEO, "--with-notes")
    assert gone.exit_code == 0, gone.output
    (export,) = (home / "exports").iterdir()
    assert json.loads(export.read_text())[0]["text"] == "the lecturer draws a key"
    assert "Week 3 Memory" not in run(home, "ls").stdout


def test_stop_refuses_what_is_not_being_ingested(home: Path) -> None:
    told = str(run(home, "stop", VIDEO).exception)
    assert "its state is done" in told
    assert f"agent-tools rm {VIDEO}" in told


def test_budget_shows_naive_and_compressed(home: Path) -> None:
    assert told(run(home, "budget", VIDEO, "--json"))["naive_tokens"] > 0
    lines = run(home, "budget", VIDEO).stdout.splitlines()
    assert lines[1].split()[:2] == ["step", "tokens"]
    assert lines[2].split()[0] == "naive"


def test_doctor_names_what_is_there_and_the_flag_to_allow_a_folder(home: Path) -> None:
    lines = run(home, "doctor").stdout
    assert "sqlite-vec loads" in lines
    assert "agent-tools serve --allow" in lines
    assert run(home, "version").stdout == ""  # it takes no home
    assert CliRunner().invoke(cli.app, ["version"]).stdout.strip() == __version__


def test_all_paths_are_queued_before_the_first_is_awaited(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [tmp_path / f"{name}.mp4" for name in "abc"]
    for path in paths:
        path.write_text(f"not yet looked into: {path.name}")
    queued: list[int] = []

    def follow(library: Any, source: str, channels: Any) -> Any:
        from agent_tools.service.ingest_video import ingest_video

        queued.append(len(library.store.open_jobs()))
        return ingest_video(library, source, wait_s=0, trusted=True)

    monkeypatch.setattr(importlib.import_module("agent_tools.cli.ingest"), "follow", follow)  # not its command
    result = run(home, "ingest", *map(str, paths))
    assert result.exit_code == 0, result.output
    assert queued == [3, 3, 3]
    assert [line for line in result.stdout.splitlines() if line.startswith("  video://")]
    assert len(run(home, "ingest", *map(str, paths), "--json").stdout.splitlines()) == 3


def test_a_title_names_one_file(home: Path, tmp_path: Path) -> None:
    assert "one file" in str(run(home, "ingest", str(tmp_path), "--title", "X").exception)


def test_a_path_where_nothing_lies_is_called_so(home: Path, tmp_path: Path) -> None:
    result = run(home, "ingest", str(tmp_path / "gone.mp4"))
    assert result.exit_code == 1
    assert "SourceNotFound: Nothing at" in result.stderr


def test_no_speech_makes_all_channels_but_speech(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "talk.mp4").write_text("not looked into")
    asked: list[Any] = []

    def follow(library: Any, source: str, channels: Any) -> Any:
        from agent_tools.service.ingest_video import ingest_video

        asked.append(channels)
        return ingest_video(library, source, channels=channels, wait_s=0, trusted=True)

    monkeypatch.setattr(importlib.import_module("agent_tools.cli.ingest"), "follow", follow)  # not its command
    for flags in (["--no-speech"], ["--channel", "frames", "--channel", "speech", "--no-speech"], []):
        assert run(home, "ingest", str(tmp_path / "talk.mp4"), *flags).exit_code == 0
    assert asked == [["subtitles", "frames", "screen_text"], ["frames"], None]
    refused = run(home, "ingest", str(tmp_path / "talk.mp4"), "--channel", "speech", "--no-speech")
    assert "leaves no channel" in str(refused.exception)
