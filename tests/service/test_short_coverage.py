"""Coverage in a reply: at most 40 tokens, unless something is missing that a search could have found."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from agent_tools.budget import text_tokens
from agent_tools.service.library.library import Library
from agent_tools.service.list_episodes import list_episodes
from agent_tools.service.replies.coverage import coverage
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.settings import Settings
from agent_tools.store import ChannelDetail
from tests.library import start_no_worker

VIDEO = "9f6cbced0247"
MOST = 40


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """One video of a minute, read whole: subtitles that stand for speech, screen text, frames without words."""
    start_no_worker(monkeypatch)
    opened = Library(Settings.load({}, home=tmp_path, profile="lite"))
    monkeypatch.setattr(opened.models, "text", lambda wait_s=0.0: None)
    store = opened.store
    store.add_video(VIDEO, "A talk", 1)
    store.update_video(VIDEO, duration_s=60.0, width=640, height=360, fps=25.0, has_audio=True, audio_s=60.0)
    for name in ("frames", "subtitles", "screen_text"):
        store.set_channel(VIDEO, name, state="done", producer=f"{name}/1", done_to_s=60.0, entries=0)
    store.set_channel(VIDEO, "speech", state="absent", detail=ChannelDetail(why="no audio"))
    store.set_channel(
        VIDEO, "captions", state="absent", detail=ChannelDetail(why="not captioned: no video LLM", no_model=True)
    )
    return opened


def said(library: Library) -> dict[str, object]:
    view = coverage(library, [library.video_span(VIDEO)], None, short=True)
    shown: dict[str, object] = view.compact()
    return shown


def cost(facts: object) -> float:
    return text_tokens(f'"coverage":{json.dumps(facts, separators=(",", ":"))},')


def test_a_channel_that_was_searched_whole_or_has_nothing_is_not_named(library: Library) -> None:
    shown = said(library)
    assert shown == {"share": 1.0, "channels": {"frames": "no words (lite)", "captions": "no video LLM"}}
    assert cost(shown) <= MOST


def test_what_is_missing_is_named_with_its_gaps(library: Library) -> None:
    library.store.set_channel(VIDEO, "screen_text", state="running", producer="ocr/1", done_to_s=30.0)
    library.store.add_gap(VIDEO, "subtitles", 10.0, 14.0, "unreadable")
    shown = said(library)
    assert shown["channels"]["screen_text"] == "running, searched to 0:00:30"  # type: ignore[index]
    assert shown["channels"]["subtitles"] == "all but 1 gap of 4 s"  # type: ignore[index]
    assert [gap["start_s"] for gap in shown["gaps"]] == [10.0]  # type: ignore[attr-defined]


def test_gaps_that_are_next_to_nothing_are_counted(library: Library) -> None:
    library.store.add_gap(VIDEO, "subtitles", 10.0, 10.4, "unreadable")
    shown = said(library)
    assert "gaps" not in shown
    assert shown["gaps_omitted"] == 1


def test_a_full_search_and_the_timeline_say_all(library: Library) -> None:
    short = retrieve_memory(library, SearchRequest(query="talk")).compact()["coverage"]
    full = retrieve_memory(library, SearchRequest(query="talk", detail="full")).compact()["coverage"]
    timeline = list_episodes(library, video_id=VIDEO).compact()["coverage"]
    assert "speech" not in short["channels"]
    assert full["channels"]["speech"] == timeline["channels"]["speech"] == "no audio"
    assert full["channels"]["notes"] == "all"
