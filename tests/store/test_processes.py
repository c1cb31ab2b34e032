"""Several processes on one home: nothing twice, nothing lost, no lock seen."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from agent_tools.errors import StoreError
from agent_tools.store import EntryIn, Store
from tests.store.conftest import WEEK, Clock, place
from tests.store.processes import BOUND_S, start, together

pytestmark = pytest.mark.slow

OPEN = """
import sys
from agent_tools.store import EntryIn
from tests.store.conftest import again
store = again(sys.argv[1])
print("ready", flush=True); sys.stdin.readline()
"""

CLAIM = (
    OPEN
    + """
while (job := store.claim(sys.argv[2], 1)) is not None:
    print(job.id, flush=True)
    assert store.beat(job.id, sys.argv[2]) == "go"
"""
)

NOTE = (
    OPEN
    + """
for n in range(50):
    note, same = store.add_note("9f6cbced0247", n, n + 1, f"note {n} of {sys.argv[2]}", sys.argv[2], None)
    assert not same
    assert [h.entry.extra["note"] for h in store.search_words(f'"note {n} of {sys.argv[2]}"')] == [note.number]
    print(note.number)
"""
)

FIRST = """
import sys
from tests.store.conftest import again
print("ready", flush=True); sys.stdin.readline()
store = again(sys.argv[1])
store.add_video("9f6cbced0247", "Week 3", 1)
print(store.integrity_check())
"""

WRITE_AND_HANG = (
    OPEN
    + """
store.add_entries("9f6cbced0247", "subtitles", "p", [EntryIn(0, 1, "kept whole")])
with store.db.write() as c:
    store.add_entries("9f6cbced0247", "subtitles", "p", [EntryIn(n, n + 1, f"half done {n}") for n in range(5000)])
    print("in the middle", flush=True)
    sys.stdin.readline()
"""
)


def test_a_job_is_never_claimed_twice(store: Store) -> None:
    for n in range(40):
        store.add_video(f"{n:012x}", str(n), n)
        store.enqueue(f"{n:012x}", ["frames"], "lite")
    answers = together(CLAIM, [(place(store), f"worker {n}") for n in range(4)])
    claimed = [job for answer in answers for job in answer]
    assert len(claimed) == 40
    assert len(set(claimed)) == 40


def test_200_notes_of_four_processes_are_all_kept_and_found(store: Store) -> None:
    answers = together(NOTE, [(place(store), f"agent{n}") for n in range(4)])
    numbers = [int(number) for answer in answers for number in answer]
    assert sorted(numbers) == list(range(1, 201))
    assert Counter(note.author for note in store.notes(WEEK)) == {f"agent{n}": 50 for n in range(4)}
    assert store.integrity_check() == "ok"


def test_processes_that_make_a_home_at_once_make_one(tmp_path: Path) -> None:
    assert together(FIRST, [(tmp_path / "new",)] * 4) == [["ok"]] * 4
    opened = Store.open(tmp_path / "new")
    assert [video.title for video in opened.videos()] == ["Week 3"]
    opened.close()


def test_a_process_killed_inside_a_transaction_leaves_none_of_it(store: Store) -> None:
    process = start(WRITE_AND_HANG, place(store))
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    process.stdin.write("go\n")
    process.stdin.flush()
    assert process.stdout.readline() == "in the middle\n"
    process.kill()
    process.communicate(timeout=BOUND_S)
    assert [entry.text for entry in store.entries(WEEK)] == ["kept whole"]
    assert store.integrity_check() == "ok"
    assert store.search_words("half") == []
    store.add_entries(WEEK, "subtitles", "p", [EntryIn(5, 6, "half done by another")])
    assert len(store.search_words("half")) == 1


def test_data_version_changes_when_another_process_commits(store: Store) -> None:
    before = store.data_version()
    assert store.data_version() == before
    together(NOTE, [(place(store), "other")])
    assert store.data_version() != before


def test_a_store_locked_for_good_says_so(sqlite: Store, clock: Clock) -> None:
    patient = Store.open(sqlite.home, now=clock, busy_s=0.01)
    with (
        sqlite.db.write(),
        pytest.raises(StoreError, match="locked by another program"),
    ):
        patient.add_video("f" * 12, "x", 1)
    assert patient.videos() == sqlite.videos()  # readers never wait for a writer
    assert patient.add_video("f" * 12, "x", 1)
    patient.close()
