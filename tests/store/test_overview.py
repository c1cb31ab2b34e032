"""The overview: what the single questions say, every commit seen at once, and the same object where nothing changed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from agent_tools.store import EntryIn, Status, Store
from tests.store.conftest import again, place

ONE, OTHER = "9f6cbced0247", "0123456789ab"


@pytest.fixture
def filled(store: Store) -> Store:
    for video_id in (ONE, OTHER):
        store.add_video(video_id, f"title of {video_id}", 1)
        store.update_video(video_id, duration_s=60.0)
    store.set_channel(ONE, "subtitles", state="done", done_to_s=60.0, entries=3)
    store.set_channel(ONE, "frames", state="running", done_to_s=10.0)
    store.add_gap(ONE, "frames", 20.0, 30.0, "damaged")
    store.add_gap(ONE, "", 5.0, 6.0, "damaged")
    store.add_note(ONE, 1.0, 2.0, "a note", "me", None, None)
    store.add_note(ONE, 1.0, 2.0, "a better note", "me", None, 1)
    job = store.enqueue(ONE, ("frames",), "lite")
    store.claim("worker", 1)
    store.finish(job.id, "worker", "failed", "out of luck")
    store.enqueue(ONE, ("frames",), "lite")
    return store


def test_it_says_what_the_single_questions_say(filled: Store) -> None:
    known = filled.overview()
    assert list(known) == [video.id for video in filled.videos()]
    for video_id, status in known.items():
        assert status == Status(
            video=filled.video(video_id),
            channels={row.name: row for row in filled.channels(video_id)},
            gaps=filled.gaps(video_id),
            job=filled.job(video_id),
            notes=(filled.count_notes(video_id), len(filled.notes(video_id))),
        )
    assert known[ONE].job is not None
    assert known[ONE].job.state == "queued"
    assert known[ONE].notes == (2, 1)


CHANGES: list[Callable[[Store], object]] = [
    lambda store: store.update_video(ONE, title="another"),
    lambda store: store.set_channel(ONE, "frames", state="done"),
    lambda store: store.set_channel(ONE, "speech", state="queued"),
    lambda store: store.add_gap(ONE, "speech", 1.0, 2.0, "noise"),
    lambda store: store.add_note(ONE, 3.0, 4.0, "one more", "me", None, None),
    lambda store: store.claim("another worker", 2),
    lambda store: store.delete_video(ONE),
]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen_at_once_whoever_made_it(filled: Store, change: Callable[[Store], object]) -> None:
    other_process = again(place(filled))
    before = filled.overview()
    assert filled.overview() is before
    change(other_process)
    other_process.close()
    after = filled.overview()
    assert after.get(ONE) != before[ONE]
    assert after[OTHER] is before[OTHER]


def test_the_mark_of_entries_changes_with_entries_vectors_and_memories(filled: Store) -> None:
    space = "toy@1/1|text"
    marks = [filled.entries_mark(ONE, space)]
    ids = filled.add_entries(ONE, "subtitles", "toy", [EntryIn(0.0, 1.0, "a"), EntryIn(1.0, 2.0, "b")])
    marks.append(filled.entries_mark(ONE, space))
    filled.put_vectors(space, ONE, ids, np.eye(2, 8, dtype=np.float32))
    marks.append(filled.entries_mark(ONE, space))
    filled.put_vectors(space, ONE, ids, np.eye(2, 8, 1, dtype=np.float32))
    marks.append(filled.entries_mark(ONE, space))
    filled.delete_entries(ONE, "subtitles")
    marks.append(filled.entries_mark(ONE, space))
    filled.add_entries(ONE, "subtitles", "toy", [EntryIn(0.0, 1.0, "c"), EntryIn(1.0, 2.0, "d")])
    marks.append(filled.entries_mark(ONE, space))
    assert len(set(marks)) == len(marks)
    filled.set_channel(OTHER, "subtitles", state="done")
    assert filled.entries_mark(ONE, space) == marks[-1]


def test_a_snapshot_shows_the_overview_of_its_beginning(filled: Store) -> None:
    other_process = again(place(filled))
    with filled.snapshot():
        before = filled.overview()
        other_process.update_video(ONE, title="another")
        assert filled.overview() is before
        with filled.snapshot():
            assert filled.overview() is before
        assert filled.overview() is before
    after = filled.overview()
    assert after[ONE].video.title == "another"
    other_process.close()
