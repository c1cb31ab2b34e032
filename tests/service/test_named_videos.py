"""Searches of many named videos: as right as of one, and as few looks into the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from agent_tools.errors import AmbiguousVideo
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.replies.coverage import coverage
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.settings import Settings
from agent_tools.store import ChannelDetail, EntryIn
from agent_tools.types import Coverage
from tests.library import start_no_worker

COUNT = 30
IDS = [f"{number:012x}" for number in range(COUNT)]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Library:
    """Videos of a minute: a third is still read, some have gaps, and their reasons for no speech differ."""
    start_no_worker(monkeypatch)
    opened = Library(Settings.load({}, home=tmp_path, profile="lite"))
    monkeypatch.setattr(opened.models, "text", lambda wait_s=0.0: None)
    store = opened.store
    for number, name in enumerate(IDS):
        store.add_video(name, f"Talk {number}", 1)
        store.update_video(name, duration_s=60.0 + number, has_audio=True)
        store.add_entries(name, "subtitles", "file", [EntryIn(1.0, 4.0, f"a lantern of number {number}")])
        state = "running" if number % 3 == 0 else "done"
        store.set_channel(name, "subtitles", state=state, producer="file", entries=1, done_to_s=5.0 + number)
        why = f"no speech in {number % 4} s of sound"
        store.set_channel(name, "speech", state="absent", detail=ChannelDetail(why=why))
        if number % 5 == 0:
            store.add_gap(name, "subtitles", 10.0, 12.0 + number, "damaged")
    return opened


def spans(library: Library, names: Sequence[str]) -> list[VideoSpan]:
    return [library.video_span(name) for name in names]


def plain(view: Coverage) -> Any:
    return view.model_dump(), view.compact()


def test_what_is_said_of_many_is_what_is_said_of_each(library: Library) -> None:
    chosen = spans(library, IDS[3:20])
    together = coverage(library, chosen, None)
    alone = [coverage(library, [one], None) for one in chosen]
    lengths = [one.span.length_s for one in chosen]
    wanted = sum(one.share * s for one, s in zip(alone, lengths, strict=True)) / sum(lengths)
    assert together.share == pytest.approx(wanted, abs=2e-3)
    whole = sum(one.channels.subtitles == "all" for one in alone)
    assert f"all ({whole} videos)" in str(together.channels.subtitles)
    assert together.channels.speech == "no speech in 0 to 3 s of sound"
    longest = sorted((gap.end_s - gap.start_s for one in alone for gap in one.gaps), reverse=True)
    assert sorted((gap.end_s - gap.start_s for gap in together.gaps), reverse=True) == longest[: len(together.gaps)]
    assert {gap.video_id for gap in together.gaps} <= set(IDS[3:20])
    assert coverage(library, chosen[:1], None).gaps == []
    assert all(gap.video_id is None for one in alone for gap in one.gaps)


@pytest.mark.parametrize("short", [True, False])
def test_what_was_said_of_a_video_before_is_said_again_and_follows_its_changes(
    library: Library, *, short: bool
) -> None:
    first = plain(coverage(library, spans(library, IDS[:9]), None, short=short))
    reply = coverage(library, spans(library, IDS[:9]), None, short=short)
    assert plain(reply) == first
    reply.gaps.clear()  # a reply that is cut changes nothing that others get
    reply.channels.subtitles = "cut"
    assert plain(coverage(library, spans(library, IDS[:9]), None, short=short)) == first
    part = [library.video_span(IDS[0], 20.0, 30.0), *spans(library, IDS[1:9])]
    assert coverage(library, part, None).share != coverage(library, spans(library, IDS[:9]), None).share
    library.store.set_channel(IDS[0], "subtitles", state="done", done_to_s=60.0)
    assert plain(coverage(library, spans(library, IDS[:9]), None, short=short)) != first


@pytest.mark.parametrize("by", ["id", "title", "uri"])
def test_many_names_cost_no_more_looks_into_the_store_than_few(
    library: Library, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    asked: list[object] = []
    ask = library.store.db.ask

    def counted(*given: Any) -> Any:
        asked.append(given)
        return ask(*given)

    monkeypatch.setattr(library.store.db, "ask", counted)
    looks = []
    for count in (10, COUNT):
        names = [{"id": IDS[n], "title": f"talk  {n}", "uri": f"video://{IDS[n]}"}[by] for n in range(count)]
        library.store.update_video(IDS[0], duration_s=50.0 + count)  # nothing is kept from before
        asked.clear()
        reply = retrieve_memory(library, SearchRequest(query="lantern", video_ids=names, limit=20))
        assert {hit.video_id for hit in reply.hits} <= set(IDS[:count])
        looks.append(len(asked))
    assert looks[0] == looks[1]


def test_a_title_of_two_videos_is_refused_and_one_like_an_id_means_the_id(library: Library) -> None:
    library.store.add_video("aaaaaaaaaaaa", IDS[1], 1)
    library.store.add_video("bbbbbbbbbbbb", "Talk 2", 1)
    assert library.video(IDS[1]).id == IDS[1]
    with pytest.raises(AmbiguousVideo):
        library.video("talk 2")
