"""How long ingest_video waits, by a clock that only the code under test moves, and what it says meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_tools.service.ingest import jobs
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.workers import Workers

OVER_S = 1.0  # what wait_s may be exceeded by


class Clock:
    """Time that passes by sleeping, by polling and by reading files."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def time(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now_s += seconds + 0.01  # asking the store takes its time too


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr("agent_tools.service.ingest_video.time", made)
    return made


def films(library: Library, count: int) -> Path:
    folder = library.fence.folders[0]
    for number in range(count):
        (folder / f"{number:03}.mp4").write_bytes(f"film {number}".encode())
    return folder


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wait_s=st.floats(0, 45))
def test_a_long_job_is_not_waited_for_longer_than_asked(empty: Library, clock: Clock, wait_s: float) -> None:
    films(empty, 1)
    began = clock.now_s
    reply = ingest_video(empty, "000.mp4", wait_s=wait_s)
    assert reply.state == "queued"
    assert wait_s - 0.5 <= clock.now_s - began <= wait_s + OVER_S


@pytest.mark.parametrize("wait_s", [0, 3, 20])
def test_a_folder_that_takes_long_to_look_at_is_gone_on_with_by_the_next_call(
    empty: Library, clock: Clock, monkeypatch: pytest.MonkeyPatch, wait_s: float
) -> None:
    known = jobs.content_id

    def slow(path: Path) -> str:
        clock.now_s += 0.4
        return known(path)

    monkeypatch.setattr(jobs, "content_id", slow)
    folder = films(empty, 30)
    looked = []
    while not looked or looked[-1] < 30:
        began = clock.now_s
        reply = ingest_video(empty, str(folder), wait_s=wait_s)
        assert clock.now_s - began <= wait_s + OVER_S
        assert reply.found == 30 == reply.queued
        looked.append(len(empty.store.videos()))
        assert bool(reply.hints) is (looked[-1] < 30)
        assert all("call ingest_video again" in hint for hint in reply.hints)
    assert looked == sorted(set(looked))
    assert len(looked) == {0: 15, 3: 4, 20: 1}[wait_s]


def test_a_patient_call_looks_at_every_file(empty: Library, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    known = jobs.content_id

    def slow(path: Path) -> str:
        clock.now_s += 10.0
        return known(path)

    monkeypatch.setattr(jobs, "content_id", slow)
    ingest_video(empty, str(films(empty, 5)), wait_s=0, patient=True)
    assert len(empty.store.videos()) == 5


def sentences(library: Library, source: str, wait_s: float = 1.0) -> list[str]:
    heard: list[str] = []
    ingest_video(library, source, wait_s=wait_s, on_step=lambda _share, sentence: heard.append(sentence))
    return list(dict.fromkeys(heard))


def test_it_says_that_it_starts_the_worker_only_when_it_does(
    empty: Library, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    films(empty, 2)
    assert sentences(empty, "000.mp4") == ["looking at the file", "queued; the worker takes it up soon"]
    starts = [True]
    monkeypatch.setattr(Workers, "ensure", lambda self, store: bool(starts) and starts.pop())
    assert sentences(empty, "000.mp4") == ["looking at the file", "starting the worker"]
    job = empty.store.claim("worker", 1, lease_s=1e9)
    assert job is not None
    assert sentences(empty, "000.mp4") == ["looking at the file", "reading 1 video"]
    empty.store.beat(job.id, "worker", progress=0.4, message="screen_text: 12 of 30 pictures", lease_s=1e9)
    assert sentences(empty, "000.mp4") == ["looking at the file", "screen_text: 12 of 30 pictures"]
    assert sentences(empty, "001.mp4") == ["looking at the file", "queued; being read now: 000, 40%"]
