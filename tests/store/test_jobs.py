"""Jobs and their leases."""

from __future__ import annotations

import apsw
import pytest

from agent_tools.errors import StoreError
from agent_tools.store import JobSettings, Store
from tests.store.conftest import TALK, WEEK, Clock


def test_a_queued_job_is_claimed_once_and_the_oldest_first(store: Store, clock: Clock) -> None:
    first = store.enqueue(TALK, ["frames"], "lite", JobSettings(path="/talk.mp4", models=()))
    clock.time_s += 1
    store.enqueue(WEEK, ["frames"], "lite")
    claimed = store.claim("a", 11)
    assert claimed is not None
    assert (claimed.id, claimed.state, claimed.worker, claimed.pid, claimed.attempts) == (
        first.id,
        "running",
        "a",
        11,
        1,
    )
    assert claimed.settings == JobSettings(path="/talk.mp4", models=())
    second = store.claim("b", 12)
    assert second is not None
    assert second.video_id == WEEK
    assert store.claim("c", 13) is None


def test_one_video_has_one_open_job_whose_channels_grow(store: Store) -> None:
    first = store.enqueue(WEEK, ["frames"], "lite")
    again = store.enqueue(WEEK, ["speech", "frames"], "standard")
    assert again.id == first.id
    assert again.channels == ("frames", "speech")
    assert (again.profile, again.state) == ("lite", "queued")
    with pytest.raises(StoreError), store.db.write() as c:
        c.execute(
            "INSERT INTO jobs(video_id, state, channels, profile, settings, created_at, updated_at) "
            "VALUES(?, 'queued', '[]', '', '{}', 0, 0)",
            (WEEK,),
        )


def test_a_finished_job_makes_room_for_the_next(store: Store) -> None:
    first = store.enqueue(WEEK, ["frames"], "lite")
    store.claim("a", 1)
    store.finish(first.id, "a", "done")
    done = store.job(WEEK)
    assert done is not None
    assert (done.state, done.progress) == ("done", 1.0)
    assert store.open_jobs() == []
    assert store.enqueue(WEEK, ["speech"], "lite").id != first.id


def test_an_expired_lease_is_taken_over_and_its_holder_told(store: Store, clock: Clock) -> None:
    job = store.enqueue(WEEK, ["frames"], "lite")
    store.claim("dead", 1, lease_s=30)
    clock.time_s += 29
    assert store.claim("next", 2) is None
    assert store.beat(job.id, "dead") == "go"
    clock.time_s += 29
    assert store.claim("next", 2) is None
    clock.time_s += 1
    taken = store.claim("next", 2)
    assert taken is not None
    assert (taken.id, taken.attempts, taken.worker) == (job.id, 2, "next")
    assert store.beat(job.id, "dead") == "lost"
    store.finish(job.id, "dead", "done")
    still = store.job(WEEK)
    assert still is not None
    assert (still.state, still.worker) == ("running", "next")


def test_beats_report_progress_and_keep_what_is_not_given(store: Store) -> None:
    job = store.enqueue(WEEK, ["frames"], "lite")
    store.claim("a", 1)
    store.beat(job.id, "a", progress=0.25, eta_s=90.0, message="frames")
    store.beat(job.id, "a", progress=2.0)
    seen = store.job(WEEK)
    assert seen is not None
    assert (seen.progress, seen.eta_s, seen.message) == (1.0, 90.0, "frames")


def test_a_stop_reaches_the_holder_and_ends_a_job_nobody_holds(store: Store, clock: Clock) -> None:
    assert store.request_stop(WEEK) is False
    store.enqueue(WEEK, ["frames"], "lite")
    assert store.request_stop(WEEK) is True
    queued = store.job(WEEK)
    assert queued is not None
    assert queued.state == "stopped"
    job = store.enqueue(WEEK, ["frames"], "lite")
    store.claim("a", 1)
    assert store.request_stop(WEEK) is True
    assert store.beat(job.id, "a") == "stop"
    store.finish(job.id, "a", "stopped")
    assert store.open_jobs() == []
    store.enqueue(TALK, ["frames"], "lite")
    store.claim("dies", 1)
    store.request_stop(TALK)
    clock.time_s += 60
    assert store.claim("b", 2) is None
    dead = store.job(TALK)
    assert dead is not None
    assert dead.state == "stopped"


def test_asking_again_takes_a_stop_back(store: Store) -> None:
    job = store.enqueue(WEEK, ["frames"], "lite")
    store.claim("a", 1)
    store.request_stop(WEEK)
    store.enqueue(WEEK, ["frames"], "lite")
    assert store.beat(job.id, "a") == "go"


def test_channels_asked_for_during_a_run_are_not_reported_done_with_it(store: Store) -> None:
    job = store.enqueue(WEEK, ["frames"], "lite")
    store.claim("a", 1)
    store.enqueue(WEEK, ["speech"], "lite")
    store.finish(job.id, "a", "done")
    again = store.job(WEEK)
    assert again is not None
    assert (again.id, again.state, again.channels, again.worker) == (job.id, "queued", ("frames", "speech"), None)
    store.claim("a", 1)
    store.finish(job.id, "a", "done")
    assert store.open_jobs() == []


def test_a_failed_job_keeps_its_error(store: Store) -> None:
    job = store.enqueue(WEEK, ["frames"], "lite")
    store.claim("a", 1)
    store.finish(job.id, "a", "failed", "DecodeError: the stream broke at 12 s")
    failed = store.job(WEEK)
    assert failed is not None
    assert (failed.state, failed.error) == ("failed", "DecodeError: the stream broke at 12 s")
    with pytest.raises(ValueError, match="no end of a job"):
        store.finish(job.id, "a", "running")


def test_workers_alive_are_running_jobs_with_a_lease(store: Store, clock: Clock) -> None:
    store.enqueue(WEEK, ["frames"], "lite")
    assert store.workers_alive() == 0
    store.claim("a", 1)
    assert store.workers_alive() == 1
    clock.time_s += 31
    assert store.workers_alive() == 0


def test_a_deleted_videos_worker_has_lost_its_job(store: Store) -> None:
    job = store.enqueue(WEEK, ["frames"], "lite")
    store.claim("a", 1)
    store.delete_video(WEEK)
    assert store.beat(job.id, "a") == "lost"


def test_apsw_is_the_library_underneath() -> None:
    assert apsw.sqlite_lib_version() >= "3.43"  # contentless_delete


def test_a_worker_of_some_channels_takes_jobs_that_ask_for_one_of_them(store: Store) -> None:
    store.enqueue(TALK, ["speech", "screen_text"], "lite")
    wanted = store.enqueue(WEEK, ["subtitles", "frames"], "lite")
    taken = store.claim("gpu", 1, able=("frames", "captions"))
    assert taken is not None
    assert taken.id == wanted.id
    assert store.claim("other gpu", 2, able=("frames", "captions")) is None
    assert store.worker_leaves(2, ("frames", "captions"))
    assert not store.worker_leaves(2, ("speech",))
    assert store.claim("any", 3) is not None


def test_a_job_that_is_passed_on_keeps_what_is_left_and_what_failed(store: Store) -> None:
    job = store.enqueue(WEEK, ["subtitles", "frames"], "lite", JobSettings(path="/week.mp4"))
    store.claim("gpu", 1, able=("frames",))
    store.enqueue(WEEK, ["speech"], "lite")  # asked for meanwhile
    failed = JobSettings(path="/week.mp4", failures=("frames: broken",))
    store.pass_on(job.id, "another", ("subtitles",), failed)
    assert store.claim("cpu", 2) is None  # only its holder passes it on
    store.pass_on(job.id, "gpu", ("subtitles",), failed)
    assert store.claim("gpu", 1, able=("frames",)) is None
    taken = store.claim("cpu", 2)
    assert taken is not None
    assert (taken.id, taken.channels, taken.settings, taken.attempts) == (job.id, ("subtitles", "speech"), failed, 1)
