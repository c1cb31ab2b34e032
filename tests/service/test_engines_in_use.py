"""On lite, each engine is in the way of a tool: when it raises, that tool fails and says so."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

import agent_tools.budget
import agent_tools.compression
import agent_tools.grounding
import agent_tools.grounding.grounder
import agent_tools.ingestion.channels.frames
import agent_tools.ingestion.text_index
import agent_tools.memory
import agent_tools.service.zoom_segment
from agent_tools.errors import EngineError
from agent_tools.evals.films.demo_video import DemoTruth
from agent_tools.ingestion.worker import work
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
from agent_tools.store import SqliteMemory, TokenFile

pytestmark = pytest.mark.slow

Course = tuple[Path, DemoTruth]
Tool = Callable[[Library, str], Any]


def broken(*_args: object, **_kwargs: object) -> NoReturn:
    raise EngineError("taken out by a test")


def zoomed(library: Library, video_id: str) -> Any:
    return zoom_segment(library, ZoomRequest(video_id=video_id))


def zoomed_for(library: Library, video_id: str) -> Any:
    return zoom_segment(library, ZoomRequest(video_id=video_id, query="gate code"))


def grounded(library: Library, video_id: str) -> Any:
    return ground_event(library, event="the gate code", video_id=video_id)


@pytest.mark.parametrize(
    ("owner", "name", "tool"),
    [
        (agent_tools.compression, "distinct_times", zoomed),
        (agent_tools.compression, "relevant_rows", zoomed_for),
        (agent_tools.service.zoom_segment, "pack", zoomed),
        (TokenFile, "read_array", zoomed),
        (agent_tools.grounding.Grounder, "ground", grounded),
        (agent_tools.grounding.grounder, "windows", grounded),
        (agent_tools.grounding.RelevanceCurveLocalizer, "localize", grounded),
    ],
)
def test_a_tool_fails_without_its_engine(
    library: Library, course: Course, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, tool: Tool
) -> None:
    tool(library, course[1].video_id)
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(EngineError, match="taken out"):
        tool(library, course[1].video_id)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (agent_tools.ingestion.channels.frames, "FrameKeeper"),
        (agent_tools.ingestion.channels.frames, "memory_tokens"),
        (agent_tools.ingestion.text_index, "memory_tokens"),
        (SqliteMemory, "write"),
        (TokenFile, "append"),
    ],
)
def test_an_ingest_fails_without_its_engine(
    empty: Library, course: Course, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str
) -> None:
    shutil.copy(course[0], tmp_path / "videos" / "a.mp4")
    monkeypatch.setattr(owner, name, broken)
    channel = "subtitles" if owner is agent_tools.ingestion.text_index else "frames"
    video_id = ingest_video(empty, "a.mp4", channels=[channel], wait_s=0).video_id or ""
    work(empty.settings)
    job = empty.store.job(video_id)
    row = empty.store.channel(video_id, channel)
    assert job is not None
    assert job.state == "failed"
    assert "taken out" in (job.error or "")
    assert row is not None
    assert row.state == "failed"
