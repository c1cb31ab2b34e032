"""The Python API: the six acts as methods, without MCP; what its documentation shows runs."""

from __future__ import annotations

import inspect
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import agent_tools
from agent_tools import Library
from agent_tools.errors import InvalidArgument, VideoNotFound
from agent_tools.server.arguments import LEAN
from agent_tools.server.tools import tools
from agent_tools.types import GroundReply, IngestReply, ListReply, RememberReply, RetrieveReply
from tests.drawing import draw, even_times

pytestmark = pytest.mark.slow

SUBTITLES = "1\n00:00:01,000 --> 00:00:04,000\nThe harbour master counts nine lanterns.\n"
HEAVY = {"torch", "numpy", "av", "mcp", "transformers", "apsw", "pydantic"}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = draw(tmp_path_factory.mktemp("films") / "harbour.mp4", even_times(150, 25.0))
    path.with_suffix(".srt").write_text(SUBTITLES, encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def library(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with Library(tmp_path_factory.mktemp("home"), profile="lite") as opened:
        reply = opened.ingest_video(film)
        assert reply.state == "done", reply
        opened._session.workers.join()
        yield opened


def test_importing_the_api_loads_no_heavy_library() -> None:
    code = "from agent_tools import Library; import sys; sys.stdout.write(' '.join(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not HEAVY & set(loaded)


def test_each_act_returns_the_reply_of_its_tool(library: Library, film: Path) -> None:
    again = library.ingest_video(film)
    assert isinstance(again, IngestReply)
    assert again.video_id is not None
    listed = library.list_episodes()
    assert isinstance(listed, ListReply)
    assert [video.title for video in listed.videos or []] == ["harbour"]
    found = library.retrieve_memory("who counts the lanterns at the port?", "harbour")
    assert isinstance(found, RetrieveReply)
    assert library.retrieve_memory("who counts the lanterns at the port?", ["harbour"]).hits == found.hits
    assert "nine lanterns" in (found.hits[0].subtitles or "")
    assert "subtitles:meaning" in found.hits[0].matched
    verdict = library.ground_event('"nine lanterns" is said', "harbour")
    assert isinstance(verdict, GroundReply)
    assert verdict.verdict == "present"
    note = library.remember("harbour", "A lantern hangs at the pier.", 2.0, 3.0)
    assert isinstance(note, RememberReply)
    assert library.retrieve_memory("pier lantern", channels=["notes"]).hits[0].notes == "A lantern hangs at the pier."


def test_a_close_look_gives_jpeg_pictures_with_their_times(library: Library) -> None:
    looked = library.zoom_segment("harbour", 0.0, 4.0, frames=2, layout="frames")
    assert [picture.jpeg[:2] for picture in looked.pictures] == [b"\xff\xd8"] * 2
    assert all(0.0 <= picture.start_s < 4.0 for picture in looked.pictures)
    assert json.dumps(looked.facts)


def test_a_wrong_argument_is_the_error_that_the_tools_give(library: Library) -> None:
    with pytest.raises(VideoNotFound, match="No video 'nope'"):
        library.list_episodes("nope")
    with pytest.raises(InvalidArgument, match="limit is 0"):
        library.retrieve_memory("x", limit=0)


def test_waiting_ends_when_it_was_asked_to(tmp_path: Path, film: Path) -> None:
    with Library(tmp_path / "home", profile="lite") as opened:
        assert opened.ingest_video(film, wait_s=0).state in ("queued", "running")
        assert opened.ingest_video(film).state == "done"
        opened._session.workers.join()


def test_what_is_public_is_documented() -> None:
    assert agent_tools.__all__ == ["Library", "__version__"]
    for name, method in inspect.getmembers(Library, inspect.isfunction):
        if not name.startswith("_"):
            assert inspect.getdoc(method), name


def test_each_tool_is_a_method_of_its_name() -> None:
    assert {"ingest_video", "list_episodes", "retrieve_memory", "zoom_segment", "ground_event", "remember"} <= set(
        dir(Library)
    )


def test_the_example_of_the_documentation_runs(film: Path, tmp_path: Path) -> None:
    """The indented block of the class's docstring, as a script in a folder where its file is."""
    text = inspect.getdoc(Library) or ""
    example = "\n".join(line[4:] for line in text.splitlines() if line.startswith("    "))
    (tmp_path / "talk.mp4").write_bytes(film.read_bytes())
    (tmp_path / "talk.srt").write_text(SUBTITLES.replace("lanterns", "coins for the bridge"), encoding="utf-8")
    script = f"from agent_tools import Library\n{example}\n"
    environment = {**os.environ, "HOME": str(tmp_path), "AGENT_TOOLS_PROFILE": "lite"}
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("0:00:01 ")
    assert "video://" in run.stdout


@pytest.mark.parametrize("tool", LEAN)
def test_a_method_takes_the_arguments_that_its_tool_takes(tool: str) -> None:
    """In both directions: what a tool publishes by default has its method too, and a method knows no other names."""
    full = next(set(one.parameters["properties"]) for one in tools(read_only=False, full=True) if one.name == tool)
    named = set(inspect.signature(getattr(Library, tool)).parameters) - {"self", "on_step"}
    assert set(LEAN[tool]) <= named <= full
