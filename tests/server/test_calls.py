"""Calls while they run: progress, cancellation, limits, and what the background does meanwhile."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import numpy as np
import pytest
from mcp import Client
from mcp.server.mcpserver import Context
from mcp.types import CancelledNotification
from numpy.typing import NDArray

from agent_tools.errors import LimitReached
from agent_tools.ingestion.look_messages import Shots
from agent_tools.ingestion.spaces import text_space
from agent_tools.server.app import AppSettings
from agent_tools.server.limits import RUNNING, WAITING, Rate, RateLimit
from agent_tools.service.library.attention import MOST_CALLERS, Attention
from agent_tools.service.library.library import Library
from agent_tools.service.library.looker_client import Looker
from agent_tools.service.library.query_models import QueryModels
from agent_tools.service.library.workers import Workers
from agent_tools.settings import Settings
from agent_tools.timeline import Span
from agent_tools.types import ChannelWords, Coverage, GroundReply, IngestReply, Reply, RetrieveReply
from tests.library import start_no_worker
from tests.server.conftest import VIDEO, answers_within, connected, endless, ends_when_cancelled, text_of
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.anyio


TOOLS_THAT_TAKE_TIME = [
    ("ground_event", {"event": "x"}, "agent_tools.service.ground_event.ground_event", GroundReply(verdict="uncertain")),
    ("ingest_video", {"source": "x"}, "agent_tools.service.ingest_video.ingest_video", IngestReply()),
    (
        "retrieve_memory",
        {"query": "x"},
        "agent_tools.service.retrieve_memory.retrieve_memory",
        RetrieveReply(hits=[], coverage=Coverage(share=0.0, channels=ChannelWords())),
    ),
]


@pytest.mark.parametrize(("name", "arguments", "service", "reply"), TOOLS_THAT_TAKE_TIME)
async def test_progress_increases_strictly_and_says_what_is_done(
    settings: Settings,
    library: Library,
    era: str,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    arguments: dict[str, Any],
    service: str,
    reply: Reply,
) -> None:
    heard: list[tuple[float, float | None, str | None]] = []
    more = threading.Condition()

    def slow(*_: Any, on_step: Callable[[float, str], None], **__: Any) -> Reply:
        for share in (0.1, 0.1, 0.05, 0.5, 0.5, 1.0):
            on_step(share, f"window\n{share}")
            with more:  # nothing further is said until this was told
                assert more.wait_for(lambda said=f"window {share}": any(message == said for _, _, message in heard), 10)
        return reply

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        with more:
            heard.append((progress, total, message))
            more.notify_all()

    own = AppSettings(report_s=0.01)
    monkeypatch.setattr(service, slow)
    async with connected(settings, library, era, own) as client:
        result = await client.call_tool(name, arguments, progress_callback=on_progress)
        assert not result.is_error
    shares = [progress for progress, _, _ in heard]
    assert all(later > earlier for earlier, later in itertools.pairwise(shares))
    assert max(shares) <= 1.0
    assert all(total == 1.0 and message for _, total, message in heard)
    assert list(dict.fromkeys(message for _, _, message in heard))[-4:] == [
        f"window {share}" for share in (0.1, 0.05, 0.5, 1.0)
    ]


class Encoder:
    """A sentence encoder to which all texts are alike."""

    producer, dim, languages = "alike@1/1", 2, "English"

    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        return np.tile(np.array([1.0, 0.0], np.float32), (len(texts), 1))


async def test_a_note_written_while_the_encoder_loads_gets_its_vector_then(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[Encoder] = []
    own = AppSettings(tend_s=0.01)
    monkeypatch.setattr(QueryModels, "text", lambda self, wait_s=0.0: loaded[0] if loaded else None)
    monkeypatch.setattr(QueryModels, "loaded", property(lambda self: loaded[0] if loaded else None))
    notes = [f"a {animal} at the door" for animal in ("wolf", "bear", "heron")]
    async with connected(settings, library, "2026-07-28", own) as client:
        for text in notes:
            told = await client.call_tool("remember", {"video_id": VIDEO, "start_s": 5, "end_s": 9, "text": text})
            assert (told.structured_content or {})["findable"].startswith("by words now")
        assert len(library.store.pending_text(VIDEO, text_space(Encoder.producer), only="notes")) == len(notes)
        loaded.append(Encoder())
        with anyio.fail_after(PATIENCE_S):
            while library.store.pending_text(VIDEO, text_space(Encoder.producer), only="notes"):
                await anyio.sleep(0.01)
    ids, _ = library.store.vectors(text_space(Encoder.producer), VIDEO)
    assert len(ids) == len(notes)


async def test_progress_goes_on_while_the_work_says_nothing(
    settings: Settings, library: Library, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert AppSettings().report_s <= 2.0  # which the contract allows between two reports
    enough, heard = threading.Event(), []

    def silent(*_: Any, on_step: Callable[[float, str], None], **__: Any) -> GroundReply:
        on_step(0.3, "asking the video model")
        assert enough.wait(PATIENCE_S)
        return GroundReply(verdict="uncertain")

    async def on_progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)
        if len(heard) == 5:
            enough.set()

    own = AppSettings(report_s=0.01)
    monkeypatch.setattr("agent_tools.service.ground_event.ground_event", silent)
    async with connected(settings, library, era, own) as client:
        await client.call_tool("ground_event", {"event": "x"}, progress_callback=on_progress)
    assert len(heard) >= 5
    assert heard == sorted(set(heard))


@pytest.mark.parametrize("wait_s", [0, 0.4])
async def test_an_ingest_answers_within_wait_s(
    settings: Settings, library: Library, era: str, monkeypatch: pytest.MonkeyPatch, wait_s: float
) -> None:
    start_no_worker(monkeypatch)  # the job never ends
    (settings.allow[0] / "a.mp4").write_bytes(b"film")
    async with connected(settings, library, era) as client:
        await client.call_tool("ingest_video", {"source": VIDEO, "wait_s": 0})  # what is imported once
        await answers_within(client, wait_s)


async def test_time_spent_waiting_for_other_calls_counts_as_waited(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, asked = threading.Event(), []

    def held(*_: Any, wait_s: float, **__: Any) -> IngestReply:
        asked.append(wait_s)
        gate.wait(PATIENCE_S)
        return IngestReply()

    monkeypatch.setattr("agent_tools.service.ingest_video.ingest_video", held)
    async with connected(settings, library, "2026-07-28") as client, anyio.create_task_group() as tasks:
        for _ in range(RUNNING["wait"] + 1):
            tasks.start_soon(client.call_tool, "ingest_video", {"source": "x", "wait_s": 0.2})
        with anyio.fail_after(PATIENCE_S):
            while len(asked) <= RUNNING["wait"]:  # the last one too comes in, when its time in the queue is over
                await anyio.sleep(0.01)
        gate.set()
    assert asked[-1] == 0.0


async def test_wait_s_is_kept_while_every_place_of_those_that_wait_is_taken(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    start_no_worker(monkeypatch)  # the job never ends
    (settings.allow[0] / "a.mp4").write_bytes(b"film")
    async with connected(settings, library, "2026-07-28") as client, anyio.create_task_group() as tasks:
        await client.call_tool("ingest_video", {"source": "a.mp4", "wait_s": 0})  # what is imported once
        for _ in range(RUNNING["wait"]):
            tasks.start_soon(client.call_tool, "ingest_video", {"source": "a.mp4", "wait_s": 45})
        await anyio.wait_all_tasks_blocked()
        for wait_s in (0.0, 0.3):
            await answers_within(client, wait_s)
        tasks.cancel_scope.cancel()


async def test_progress_that_cannot_be_told_ends_neither_the_call_nor_the_server(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    failed = threading.Event()

    def ground(*_: Any, **__: Any) -> GroundReply:
        assert failed.wait(PATIENCE_S)
        return GroundReply(verdict="uncertain")

    async def refuse(*_: Any) -> None:
        failed.set()
        raise RuntimeError("the stream is of another mind")

    own = AppSettings(report_s=0.01)
    monkeypatch.setattr("agent_tools.service.ground_event.ground_event", ground)
    monkeypatch.setattr(Context, "report_progress", refuse)
    async with connected(settings, library, "2026-07-28", own) as client:
        for _ in range(2):
            assert not (await client.call_tool("ground_event", {"event": "x"})).is_error
    assert "progress: RuntimeError" in caplog.text


async def test_a_cancelled_call_stops_working_within_a_second(
    settings: Settings, library: Library, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, ended = threading.Event(), threading.Event()
    monkeypatch.setattr("agent_tools.service.ingest_video.ingest_video", endless(started, ended))
    async with connected(settings, library, era) as client:
        await ends_when_cancelled(client, started, ended)


async def test_a_cancelled_notification_stops_working(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, ended = threading.Event(), threading.Event()
    monkeypatch.setattr("agent_tools.service.ingest_video.ingest_video", endless(started, ended))
    async with connected(settings, library, "legacy") as client, anyio.create_task_group() as tasks:

        async def call() -> None:
            await client.call_tool("ingest_video", {"source": "x"})

        tasks.start_soon(call)
        assert await anyio.to_thread.run_sync(started.wait, PATIENCE_S)
        for number in range(1, 6):  # whichever id the call has
            await client.session.send_notification(
                CancelledNotification.model_validate(
                    {"method": "notifications/cancelled", "params": {"requestId": number}}
                )
            )
        assert await anyio.to_thread.run_sync(ended.wait, PATIENCE_S)
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("what", ["frame/30", "clip/10-20"])
async def test_a_cancelled_read_of_a_picture_ends_what_decodes_for_it(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    started, ended = threading.Event(), threading.Event()
    film = settings.allow[0] / "a.mp4"
    film.write_bytes(b"film")
    library.store.add_source(VIDEO, str(film), 4, film.stat().st_mtime_ns, film.stat().st_ino)

    def exchange(self: Looker, _process: object, _asked: object, check: Callable[[], None] | None) -> Shots:
        started.set()
        try:
            for _ in range(20_000):
                if check is not None:
                    check()
                time.sleep(0.01)
        finally:
            ended.set()
        return Shots((None,))

    monkeypatch.setattr(Looker, "_started", lambda self: None)
    monkeypatch.setattr(Looker, "_exchange", exchange)
    async with connected(settings, library, "2026-07-28") as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.read_resource, f"video://{VIDEO}/{what}")
            assert await anyio.to_thread.run_sync(started.wait, PATIENCE_S)
            cancelled = anyio.current_time()
            tasks.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(ended.wait, PATIENCE_S)
        assert anyio.current_time() - cancelled < PATIENCE_S  # not the minutes that it would have taken


def test_a_call_cancelled_while_another_holds_the_looker_does_not_wait_for_it(settings: Settings) -> None:
    looker = Looker(settings)

    def check() -> None:
        raise TimeoutError

    with looker._lock, pytest.raises(TimeoutError):
        looker.pictures(settings.home, [0.0], long_side=100, check=check)


async def test_more_calls_than_may_run_and_wait_are_refused(
    settings: Settings, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()

    def held(*_: Any, **__: Any) -> GroundReply:
        gate.wait(PATIENCE_S)
        return GroundReply(verdict="uncertain")

    monkeypatch.setattr("agent_tools.service.ground_event.ground_event", held)
    texts: list[str] = []
    async with connected(settings, library, "2026-07-28") as client:

        async def call() -> None:
            texts.append(text_of(await client.call_tool("ground_event", {"event": "x"})))
            gate.set()  # the first answer is a refusal

        with anyio.fail_after(PATIENCE_S):
            async with anyio.create_task_group() as tasks:
                for _ in range(RUNNING["look"] + WAITING + 3):
                    tasks.start_soon(call)
    refused = [text for text in texts if text.startswith("LimitReached: ")]
    assert len(refused) == 3
    assert len(texts) == RUNNING["look"] + WAITING + 3


def test_a_caller_that_asks_too_fast_is_told_to_wait_and_others_are_not() -> None:
    clock = [0.0]
    rate = Rate(RateLimit(per_second=10, burst=3), now=lambda: clock[0])
    for _ in range(3):
        rate.take("one")
    with pytest.raises(LimitReached, match="Wait a second"):
        rate.take("one")
    rate.take("another")
    clock[0] += 0.1
    rate.take("one")
    with pytest.raises(LimitReached):
        rate.take("one")


@pytest.mark.parametrize("read_only", [False, True])
async def test_orphaned_jobs_are_looked_after_from_the_first_answer_on(
    settings: Settings, library: Library, era: str, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    from dataclasses import replace

    looked = anyio.Event()
    calls: list[object] = []

    def ensure(self: Workers, store: object) -> bool:
        calls.append(store)
        anyio.from_thread.run_sync(looked.set)
        return False

    monkeypatch.setattr(Workers, "ensure", ensure)
    own = AppSettings(tend_s=0.01)
    async with connected(replace(settings, read_only=read_only), library, era, own) as client:
        await client.list_tools()
        if read_only:
            await client.call_tool("list_episodes", {})
        else:
            with anyio.fail_after(PATIENCE_S):
                await looked.wait()
    assert bool(calls) is not read_only


async def test_callers_are_told_apart_by_connection(
    settings: Settings, library: Library, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def ground(*_: Any, caller: str, **__: Any) -> GroundReply:
        seen.append(caller)
        return GroundReply(verdict="uncertain")

    monkeypatch.setattr("agent_tools.service.ground_event.ground_event", ground)

    async def twice(client: Client) -> None:
        for _ in range(2):
            await client.call_tool("ground_event", {"event": "x"})

    for _ in range(2):
        async with connected(settings, library, era) as client:
            await twice(client)
    assert seen[0] == seen[1] != seen[2] == seen[3]


def test_callers_that_only_look_are_forgotten_when_there_are_too_many() -> None:
    attention = Attention()
    for number in range(MOST_CALLERS + 1):
        attention.looked(str(number), VIDEO, Span(0.0, 1.0))
        attention.looked("often", VIDEO, Span(0.0, 1.0))
    seen = [name for name in map(str, range(MOST_CALLERS + 1)) if attention.has_looked(name, VIDEO, Span(0.0, 1.0))]
    assert len(seen) == MOST_CALLERS - 1
    assert "0" not in seen
    assert attention.has_looked("often", VIDEO, Span(0.0, 1.0))
