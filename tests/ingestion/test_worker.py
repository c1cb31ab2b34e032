"""The worker: a job that kills its workers at one place fails at last, one that gets farther each time goes on."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_tools.errors import EngineError, StoreError
from agent_tools.home import HomeFolder
from agent_tools.ingestion import control, model_choice, worker
from agent_tools.ingestion.control import Control, PulseSettings, Stopped
from agent_tools.ingestion.model_choice import WORK_MB, memory_limit_mb
from agent_tools.ingestion.spaces import memory_producer
from agent_tools.ingestion.text_index import write_chunks, write_level
from agent_tools.ingestion.worker import MOST_DEATHS, run_job
from agent_tools.models.hub.catalogue import FULL
from agent_tools.settings import Settings
from agent_tools.store import EntryIn, Job, JobSettings, Store
from agent_tools.timeline import Span
from tests.waiting import PATIENCE_S

VIDEO = "0123456789ab"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with contextlib.closing(Store.open(tmp_path / "home")) as opened:
        opened.add_video(VIDEO, "Crash", 1)
        yield opened


def begun(store: Store, attempts: int, progress: float) -> Job:
    """The job as the worker of that number takes it from one that got so far and let its lease run out."""
    job = store.claim(f"worker {attempts}", 1, lease_s=0.0)
    assert job is not None
    if progress:
        store.beat(job.id, f"worker {attempts}", progress=progress, lease_s=0.0)
    return job


def test_deaths_at_one_place_are_counted_and_progress_starts_again(store: Store) -> None:
    store.enqueue(VIDEO, ("frames",), "lite")
    places = [0.0, 0.2, 0.2, 0.2, 0.5, 0.5]
    assert [begun(store, i, p).deaths for i, p in enumerate(places, 1)] == [0, 1, 1, 2, 3, 1]


def test_a_job_whose_workers_keep_dying_fails_and_says_where(store: Store) -> None:
    store.enqueue(VIDEO, ("frames",), "lite")
    for attempt in range(1, MOST_DEATHS + 1):
        begun(store, attempt, 0.3)
    job = store.claim("the last", 1, lease_s=30.0)
    assert job is not None
    run_job(store, job, "the last", Settings.load({}, home=store.home, profile="lite"))
    ended = store.job(VIDEO)
    assert ended is not None
    assert ended.state == "failed"
    assert f"WorkerDied: {MOST_DEATHS} workers died at 30% of it" in (ended.error or "")


def test_a_worker_that_gave_its_job_back_or_takes_it_again_did_not_die(store: Store) -> None:
    store.enqueue(VIDEO, ("frames",), "lite")
    for _ in range(MOST_DEATHS + 1):
        job = store.claim("asleep", 1, lease_s=0.0)  # whose lease ran out, but not by its death
        assert job is not None
        assert job.deaths == 0
    store.release(job.id, "asleep")
    given = store.claim("next", 1, lease_s=0.0)
    assert given is not None
    assert given.deaths == 0


def test_a_worker_that_was_only_late_says_that_it_lives(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.enqueue(VIDEO, ("frames",), "lite")
    late = begun(store, 1, 0.3)

    def freeze(*_: object, **__: object) -> None:
        assert begun(store, 2, 0.3).deaths == 1  # as another worker sees it meanwhile
        raise Stopped("lost")

    monkeypatch.setattr(Control, "__enter__", freeze)
    assert run_job(store, late, "worker 1", Settings.load({}, home=store.home, profile="lite")) == "lost"
    now = store.job(VIDEO)
    assert now is not None
    assert (now.worker, now.deaths) == ("worker 2", 0)


def test_the_memory_limit_has_room_for_the_models_of_the_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_choice, "cache_folder", lambda: tmp_path)  # no model of this machine's own counts

    def limit(profile: str, **more: Any) -> int:
        folders = (tmp_path / "models",)
        return memory_limit_mb(Settings.load({}, home=tmp_path, profile=profile, model_dirs=folders, **more))

    named = tmp_path / "own"
    named.mkdir()
    (named / "config.json").write_text('{"dtype": "bfloat16"}')
    with (named / "model.safetensors").open("wb") as file:
        file.truncate(300_000_000)  # takes no room on the disk
    assert limit("lite") == WORK_MB
    assert limit("lite", memory_mb=700) == 700
    assert limit("lite", models=(f"frames={named}",), device="cpu/bf16") == WORK_MB + 300
    assert limit("lite", models=(f"frames={named}",), device="cpu/fp32") == WORK_MB + 900
    assert limit("full", device="cpu/bf16") == WORK_MB + FULL.size_bytes // 1_000_000
    assert limit("full", models=("captions=http://127.0.0.1:9/v1#m",)) < limit("full") - 16_000


def test_an_ingest_over_its_limit_names_one_that_would_do(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.enqueue(VIDEO, ("frames",), "lite")
    monkeypatch.setattr(control, "resident_mb", lambda: 6100.0)
    beat = threading.Event()
    monkeypatch.setattr(store, "beat", lambda *_, **__: beat.set() or "go")
    with Control(store, begun(store, 1, 0.0), "me", 6000) as held:
        assert beat.wait(PATIENCE_S)
    with pytest.raises(EngineError, match=r"used 6100 MB, over its limit of 6000 MB\. .* with --memory-mb 10000;"):
        held.check()


def test_a_worker_gives_its_job_the_limit_of_the_jobs_own_models(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def begin(self: Control, store: Store, job: Job, worker: str, memory_mb: int, pulse: PulseSettings) -> None:
        seen.append(memory_mb)
        raise Stopped("stop")

    monkeypatch.setattr(Control, "__init__", begin)
    store.enqueue(VIDEO, ("frames",), "lite", JobSettings(models=("frames=acme/foo",), device="cpu/fp32"))
    settings = Settings.load({}, home=store.home, profile="lite", models=("frames=http://nobody/v1#m",))
    run_job(store, begun(store, 1, 0.0), "me", settings)
    assert seen == [WORK_MB]


def test_a_beat_that_fails_is_tried_again_while_the_lease_holds(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.enqueue(VIDEO, ("frames",), "lite")
    got_through = threading.Event()
    failures = iter([StoreError("locked")] * 3)

    def beat(*_: object, **__: object) -> str:
        for failure in failures:
            raise failure
        got_through.set()
        return "go"

    monkeypatch.setattr(store, "beat", beat)
    with Control(store, begun(store, 1, 0.0), "worker 1", WORK_MB, PulseSettings(beat_s=0.0)) as held:
        assert got_through.wait(PATIENCE_S)
        held.check()


def test_a_worker_whose_beats_fail_for_a_whole_lease_stops_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store.enqueue(VIDEO, ("frames",), "lite")

    def beat(*_: object, **__: object) -> str:
        raise StoreError("locked")

    monkeypatch.setattr(store, "beat", beat)
    held = Control(store, begun(store, 1, 0.0), "worker 1", WORK_MB, PulseSettings(lease_s=0.0))
    with held:
        held._thread.join(PATIENCE_S)
        with pytest.raises(Stopped, match="lost"):
            held.check()
    assert "no beat got through: locked" in caplog.text


def test_a_worker_whose_job_another_has_taken_cannot_write(store: Store) -> None:
    store.enqueue(VIDEO, ("frames",), "lite")
    with Control(store, begun(store, 1, 0.0), "worker 1", WORK_MB):
        with store.db.write(fenced=False) as c:  # as `claim` does once the lease is over
            c.execute("UPDATE jobs SET worker='worker 2'")
        with pytest.raises(Stopped, match="lost"):
            store.set_channel(VIDEO, "frames", state="running")
    assert store.channels(VIDEO) == []


def test_chunk_memories_are_written_hour_by_hour_and_stop_when_asked(store: Store) -> None:
    hours = 3
    store.add_entries(VIDEO, "subtitles", "file", [EntryIn(60 * i, 60 * i + 5, f"line {i}") for i in range(60 * hours)])
    ids = [entry.id for entry in store.entries(VIDEO)]
    store.put_vectors("toy@1|text", VIDEO, ids, np.eye(len(ids), dtype=np.float32))

    def stop() -> None:
        raise Stopped("stop")

    with pytest.raises(Stopped):
        write_chunks(store, VIDEO, "subtitles", "toy@1", 3600.0 * hours, 3600.0 * hours, stop)
    producer = memory_producer("toy@1", "subtitles")
    first = store.memories.spans(VIDEO, "chunk", producer)
    assert 0 < len(first) < 60 * hours
    write_chunks(store, VIDEO, "subtitles", "toy@1", 3600.0 * hours, 3600.0 * hours)
    assert store.memories.spans(VIDEO, "chunk", producer) == {(60.0 * i, 60.0 * i + 60) for i in range(60 * hours)}


@pytest.mark.parametrize(("texts", "tokens"), [(1, 1), (4, 1), (5, 2), (7, 2), (9, 3), (13, 4), (60, 4)])
def test_a_scene_has_a_memory_token_for_four_texts_and_four_at_most(store: Store, texts: int, tokens: int) -> None:
    vectors = np.random.default_rng(texts).normal(size=(texts, 8)).astype(np.float32)
    store.add_entries(VIDEO, "subtitles", "file", [EntryIn(i, i + 1, f"line {i}") for i in range(texts)])
    store.put_vectors("toy@1|text", VIDEO, [entry.id for entry in store.entries(VIDEO)], vectors)
    write_level(store, VIDEO, "scene", "toy@1", [Span(0, texts)])
    (memory,) = store.memories.read(VIDEO, "scene", memory_producer("toy@1", "text"))
    assert memory.vectors.shape == (tokens, 8)
    shares = np.array([texts * (i + 1) // tokens - texts * i // tokens for i in range(tokens)])
    whole = (memory.vectors.numpy() * shares[:, None]).sum(axis=0) / texts
    assert np.allclose(whole, vectors.mean(axis=0), atol=1e-5)


def test_a_beat_that_hangs_in_a_dead_connection_gives_the_job_up(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.enqueue(VIDEO, ("frames",), "lite")
    job, sent, answered = begun(store, 1, 0.0), threading.Event(), threading.Event()

    def beat(*_: object, **__: object) -> str:
        sent.set()
        answered.wait(PATIENCE_S)
        return "go"

    monkeypatch.setattr(store, "beat", beat)
    with Control(store, job, "worker 1", WORK_MB, PulseSettings(lease_s=0.0, patience_s=0.0)) as held:
        assert sent.wait(PATIENCE_S)
        with pytest.raises(Stopped, match="lost"):
            held.check()
        answered.set()


def test_a_video_that_is_forgotten_while_it_is_ingested_leaves_no_file(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.enqueue(VIDEO, ("frames",), "lite")
    job = begun(store, 1, 0.0)
    tokens = HomeFolder(store.home).tokens / f"{VIDEO}-toy.tokens"

    def forgotten(_: Control) -> Control:
        store.delete_video(VIDEO)
        tokens.parent.mkdir(exist_ok=True)
        tokens.write_bytes(b"of pictures that were looked at meanwhile")
        raise Stopped("lost")

    monkeypatch.setattr(Control, "__enter__", forgotten)
    assert run_job(store, job, "worker 1", Settings.load({}, home=store.home, profile="lite")) == "lost"
    assert not tokens.exists()


def test_a_worker_that_is_told_to_end_is_not_there_any_more(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def told(_: float) -> None:
        assert len(store.workers_seen()) == 1
        raise SystemExit(0)  # as the handler of SIGTERM does

    monkeypatch.setattr(store, "wait_for_job", told)
    monkeypatch.setattr(worker, "open_store", lambda *_: store)
    with pytest.raises(SystemExit):
        worker.work(Settings.load({}, home=store.home, profile="lite"), stay=True)
    with contextlib.closing(Store.open(store.home)) as again:
        assert again.workers_seen() == []
