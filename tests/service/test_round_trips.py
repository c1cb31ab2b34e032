"""How often a call asks a PostgreSQL server: a bound for each tool, which no number of videos or hits raises."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from agent_tools.ingestion.text_index import index_entries
from agent_tools.service.ground_event import ground_event
from agent_tools.service.library.library import BACKGROUND_THREADS, Library
from agent_tools.service.list_episodes import list_episodes
from agent_tools.service.remember import remember
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
from agent_tools.settings import Settings
from agent_tools.store import EntryIn, Episode, Store
from tests.library import lite, opened

psycopg = pytest.importorskip("psycopg", reason="the extra postgres is not installed")

FEW, MANY = 2, 12  # videos
READ_AGAIN = 3  # messages by which a search reads the vectors of videos whose codes it does not hold whole
CUES = (
    "the keys are made in advance and the values too",
    "a cache of pages keeps the hot ones in memory",
    "the second door leads to the machine room",
    "we measure latency at the ninety-fifth percentile",
)
Ask = Callable[[Library], object]

# A call, and how many messages it may send; what is written beside a call counts too.
CALLS: dict[str, tuple[Ask, int]] = {
    "list_episodes, the library": (lambda library: list_episodes(library), 2),
    "list_episodes, a video": (lambda library: list_episodes(library, video_id=_id(0)), 6),
    "retrieve_memory": (lambda library: retrieve_memory(library, SearchRequest(query="who keeps hot pages")), 13),
    "retrieve_memory, many hits": (
        lambda library: retrieve_memory(library, SearchRequest(query="keys of the machine room", limit=20)),
        13,
    ),
    "retrieve_memory, a video": (
        lambda library: retrieve_memory(library, SearchRequest(query="who keeps hot pages", video_ids=[_id(0)])),
        13,
    ),
    "zoom_segment": (
        lambda library: zoom_segment(
            library, ZoomRequest(video_id=_id(0), start_s=10, end_s=40, query="pages", layout="text")
        ),
        12,
    ),
    "ground_event, a video": (lambda library: ground_event(library, event="hot pages", video_id=_id(0)), 9),
    "ground_event, all": (
        lambda library: ground_event(library, event="hot pages are kept"),
        20,
    ),  # one more for each video that it shows
    "remember": (
        lambda library: remember(library, video_id=_id(0), start_s=1, end_s=2, text=f"note {next(_NUMBERS)}"),
        27,
    ),
}
_NUMBERS = iter(range(1_000_000))


def _id(number: int) -> str:
    return f"{number:012x}"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One number for each message that was sent and waited for, in this process."""
    found: list[int] = []
    wait = psycopg.Connection.wait

    def counted(self: Any, *given: Any, **named: Any) -> Any:
        found.append(1)
        return wait(self, *given, **named)

    monkeypatch.setattr(psycopg.Connection, "wait", counted)
    return found


def fill(store: Store, videos: range, encoder: Any) -> None:
    for number in videos:
        video_id = _id(number)
        cues = [EntryIn(4.0 * at, 4.0 * at + 3.5, f"{CUES[at % 4]} {number} {at}") for at in range(24)]
        store.add_video(video_id, f"talk {number}", 1)
        store.update_video(video_id, duration_s=96.0)
        store.add_source(video_id, f"/films/talk-{number}.mp4", 1, number, number)
        store.add_entries(video_id, "subtitles", "file", cues)
        index_entries(store, video_id, encoder, lambda _done: None)
        store.replace_episodes(
            video_id, "chapter", [Episode(0, video_id, "chapter", 0.0, 96.0, "A talk", "subtitles", None)]
        )
        store.set_channel(video_id, "subtitles", state="done", entries=len(cues), done_to_s=96.0)
    store.index_vectors()


@contextlib.contextmanager
def filled(settings: Settings, videos: range) -> Iterator[Library]:
    with opened(settings) as library:
        encoder = library.models.text(60)
        assert encoder is not None
        fill(library.store, videos, encoder)
    with opened(settings) as library:  # opened again: an index still holds what it has just made of vectors
        assert library.models.text(60) is not None
        yield library


def rest(library: Library) -> None:
    """Wait until nothing is written beside a call any more."""
    all_idle = threading.Barrier(BACKGROUND_THREADS + 1)
    for _ in range(BACKGROUND_THREADS):
        library.background_pool.submit(all_idle.wait, 60)
    all_idle.wait(60)


def test_no_call_asks_more_often_for_more_videos_or_hits(
    database_url: str, loaded_encoder: None, sent: list[int], tmp_path: Any
) -> None:
    settings = lite(tmp_path / "home", store=database_url)
    counts: list[dict[str, int]] = []
    for videos in (range(FEW), range(FEW, MANY)):
        with filled(settings, videos) as library:
            counts.append({})
            for name, (ask, _) in CALLS.items():
                ask(library)  # loads what is held, and prunes
                rest(library)
                sent.clear()
                ask(library)
                rest(library)
                counts[-1][name] = len(sent)
    few, many = counts
    assert {name: count for name, count in many.items() if count > CALLS[name][1]} == {}
    del few["ground_event, all"], many["ground_event, all"]
    assert {
        name: count for name, count in many.items() if count > few[name] + READ_AGAIN * name.startswith("retrieve")
    } == {}
