"""Opening, threads, damage, versions, a full disk."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest

import agent_tools.store.schema as schema
from agent_tools.errors import InvalidArgument, StoreError, StoreFull, StoreTooNew, VideoNotFound
from agent_tools.home import STORE_FILE
from agent_tools.store import EntryIn, Store
from tests.store.conftest import TALK, WEEK
from tests.waiting import PATIENCE_S


@pytest.fixture
def store(sqlite: Store) -> Store:
    """What is asked here is SQLite's own."""
    return sqlite


def test_importing_and_opening_the_store_loads_neither_numpy_nor_torch_nor_sqlite_vec(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from agent_tools.store import EntryIn, Store
store = Store.open(Path(sys.argv[1]))
store.add_video("a" * 12, "t", 1)
store.add_entries("a" * 12, "speech", "p", [EntryIn(0, 1, "hello")])
assert store.search_words("hello")
print(sorted({"numpy", "torch", "sqlite_vec", "av", "mcp"} & set(sys.modules)))
"""
    run = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


def test_the_file_is_in_wal_mode_with_foreign_keys_and_a_long_wait(store: Store) -> None:
    with store.db.read() as c:
        assert c.execute("PRAGMA journal_mode").get == "wal"
        assert c.execute("PRAGMA foreign_keys").get == 1
        assert c.execute("PRAGMA synchronous").get == 1
        assert c.execute("PRAGMA busy_timeout").get >= 10_000


def test_notes_are_on_the_disk_before_the_call_returns(store: Store) -> None:
    with store.db.write(durable=True) as c:
        assert c.execute("PRAGMA synchronous").get == 2
    with store.db.read() as c:
        assert c.execute("PRAGMA synchronous").get == 1


def test_an_error_inside_a_transaction_leaves_none_of_it(store: Store) -> None:
    def entries() -> Iterator[EntryIn]:
        yield EntryIn(0, 1, "first")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.add_entries(WEEK, "speech", "p", entries())
    assert store.entries(WEEK) == []
    assert store.add_entries(WEEK, "speech", "p", [EntryIn(0, 1, "second")])


def test_a_write_inside_a_read_is_a_fault_of_the_program(store: Store) -> None:
    with store.db.read(), pytest.raises(RuntimeError, match="deadlock"):
        store.add_video("f" * 12, "x", 1)


def test_a_read_is_one_snapshot(store: Store) -> None:
    other = Store.open(store.home)
    with store.db.read():
        assert len(store.videos()) == 2
        other.add_video("f" * 12, "x", 1)
        assert len(store.videos()) == 2
    assert len(store.videos()) == 3
    other.close()


def test_threads_write_at_once_and_leave_no_file_open(store: Store) -> None:
    def write(n: int) -> None:
        for k in range(10):
            store.add_entries(WEEK, "speech", "p", [EntryIn(k, k + 1, f"thread {n}")])

    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0

    counts = []
    for _ in range(4):
        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        counts.append(open_files())
    assert len(store.entries(WEEK)) == 80
    assert max(counts) - counts[0] <= 8  # SQLite keeps some to use again; 32 threads came and went


def test_data_version_changes_with_this_threads_and_other_threads_commits(store: Store) -> None:
    seen = [store.data_version()]
    store.add_video("f" * 12, "x", 1)
    seen.append(store.data_version())
    thread = threading.Thread(target=store.add_gap, args=(WEEK, "", 0.0, 1.0, "why"))
    thread.start()
    thread.join(PATIENCE_S)
    seen.append(store.data_version())
    store.videos()
    assert len(set(seen)) == 3
    assert store.data_version() == seen[-1]


def test_a_closed_store_says_so(store: Store) -> None:
    store.close()
    with pytest.raises(StoreError):
        store.videos()


@pytest.mark.parametrize(
    "content", [b"not a database at all, whatever its name says. " * 100, b"SQLite format 3\0" * 300]
)
def test_a_file_that_is_no_store_is_an_error_with_a_remedy(tmp_path: Path, content: bytes) -> None:
    (tmp_path / STORE_FILE).write_bytes(content)
    with pytest.raises(StoreError, match=r"damaged.*restore"):
        Store.open(tmp_path)
    assert (tmp_path / STORE_FILE).read_bytes() == content


def test_a_page_overwritten_is_an_error_with_a_remedy(store: Store) -> None:
    store.add_entries(WEEK, "speech", "p", [EntryIn(n, n + 1, f"entry number {n} " * 20) for n in range(500)])
    home = store.home
    store.close()
    data = bytearray((home / STORE_FILE).read_bytes())
    for page in range(1, len(data) // 4096):
        data[4096 * page : 4096 * page + 64] = b"\xff" * 64
    (home / STORE_FILE).write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged.*restore"):
        Store.open(home).entries(WEEK)


def test_a_home_that_cannot_be_made_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match="--home"):
        Store.open(tmp_path / "file" / "home")


def test_a_newer_file_is_refused_and_left_alone(store: Store) -> None:
    with store.db.write() as c:
        c.execute("PRAGMA user_version=99")
    with pytest.raises(StoreTooNew, match="version 99"):
        Store.open(store.home)
    assert len(store.videos()) == 2


def test_an_older_file_is_brought_up_step_by_step(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def second(c: apsw.Connection) -> None:
        c.execute("ALTER TABLE videos ADD COLUMN colour TEXT DEFAULT 'blue'")

    def third(c: apsw.Connection) -> None:
        c.execute("UPDATE videos SET colour='green' WHERE id=?", (WEEK,))

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, second, third))
    newer = Store.open(store.home)
    with newer.db.read() as c:
        assert c.execute("SELECT colour FROM videos ORDER BY n").fetchall() == [("green",), ("blue",)]
        assert c.execute("PRAGMA user_version").get == len(schema.MIGRATIONS)
    newer.close()


def test_sources_of_an_older_file_count_as_not_typed(tmp_path: Path) -> None:
    old = apsw.Connection(str(tmp_path / STORE_FILE))
    for step in schema.MIGRATIONS[:2]:
        step(old)
    old.execute("PRAGMA user_version=2")
    old.execute("INSERT INTO videos(id, title, size_bytes, added_at) VALUES(?, 'old', 1, 1)", (WEEK,))
    old.execute("INSERT INTO sources(path, video_id, size, mtime_ns, inode) VALUES(?, ?, 1, 2, 3)", (b"/a/x", WEEK))
    old.close()
    newer = Store.open(tmp_path)
    assert [(source.path, source.typed) for source in newer.sources(WEEK)] == [("/a/x", False)]
    newer.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(c: apsw.Connection) -> None:
        c.execute("DROP TABLE gaps")
        c.execute("SELECT nothing FROM nowhere")

    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, broken))
    with pytest.raises(StoreError):
        Store.open(store.home)
    monkeypatch.undo()
    again = Store.open(store.home)
    assert again.gaps(WEEK) == []
    again.close()


class FullFile(apsw.VFSFile):
    """A file on a disk with room for so many more writes."""

    def __init__(self, disk: FullDisk, name: Any, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._disk = disk

    def xWrite(self, data: Any, offset: int) -> None:
        if self._disk.room <= 0:
            raise apsw.FullError("the test's disk is full")
        self._disk.room -= 1
        super().xWrite(data, offset)


class FullDisk(apsw.VFS):
    """SQLite's own way to files, until `room` writes are done."""

    def __init__(self) -> None:
        self.room = 0
        super().__init__("fulldisk", "")

    def xOpen(self, name: Any, flags: list[int]) -> FullFile:
        return FullFile(self, name, flags)


@pytest.fixture
def disk() -> Iterator[FullDisk]:
    made = FullDisk()
    yield made
    made.unregister()


# SQLite tries to write again while it rolls back; apsw raises the first of these errors and reports the others.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("room", [0, 1, 3, 10, 30, 45, 60, 75, 90, 105, 120, 150, 200, 300])
def test_a_full_disk_loses_nothing_that_was_acknowledged(disk: FullDisk, tmp_path: Path, room: int) -> None:
    disk.room = room
    noted = []
    try:
        store = Store.open(tmp_path, vfs="fulldisk")
    except StoreFull:
        store = None
    if store is not None:
        with pytest.raises(StoreFull, match="Free disk space"):  # noqa: PT012 - where it gets full is what varies
            store.add_video(WEEK, "Week 3", 1)
            for n in range(100):
                note, _ = store.add_note(WEEK, n, n + 1, f"note {n}", "agent", None)
                noted.append(note)
        if noted:
            assert store.notes(WEEK) == noted  # reading goes on
        store.close()
    disk.room = 1_000_000
    again = Store.open(tmp_path, vfs="fulldisk")
    assert again.integrity_check() == "ok"
    assert again.notes(WEEK) == noted
    again.add_video(WEEK, "Week 3", 1)
    note, same = again.add_note(WEEK, 200, 201, "there is room again", "agent", None)
    assert (note.number, same) == (len(noted) + 1, False)
    assert [hit.entry.text for hit in again.search_words('"room again"')] == ["there is room again"]
    again.close()


def test_a_limited_file_is_full_and_goes_on_when_the_limit_is_lifted(store: Store) -> None:
    with store.db.read() as c:
        pages = int(c.execute("PRAGMA page_count").get)
        c.execute(f"PRAGMA max_page_count={pages + 4}")
    with pytest.raises(StoreFull):
        store.add_entries(WEEK, "speech", "p", [EntryIn(n, n + 1, f"text {n} " * 50) for n in range(500)])
    assert store.entries(WEEK) == []
    with store.db.read() as c:
        c.execute("PRAGMA max_page_count=1000000")
    assert store.add_entries(WEEK, "speech", "p", [EntryIn(0, 1, "text")])
    assert store.integrity_check() == "ok"


def test_a_backup_is_a_whole_store_and_never_overwrites(store: Store, tmp_path: Path) -> None:
    store.add_note(WEEK, 0, 1, "kept", "agent", None)
    store.backup(tmp_path / "copy.sqlite3")
    with pytest.raises(InvalidArgument, match="exists"):
        store.backup(tmp_path / "copy.sqlite3")
    (tmp_path / "second").mkdir()
    shutil.copy(tmp_path / "copy.sqlite3", tmp_path / "second" / STORE_FILE)
    restored = Store.open(tmp_path / "second")
    assert [note.text for note in restored.notes(WEEK)] == ["kept"]
    assert restored.integrity_check() == "ok"
    restored.close()


def test_rows_of_a_video_that_is_not_there_are_refused(store: Store) -> None:
    ghost = "f" * 12
    for write in (
        lambda: store.add_entries(ghost, "speech", "p", [EntryIn(0, 1, "x")]),
        lambda: store.set_channel(ghost, "speech", state="done"),
        lambda: store.add_gap(ghost, "", 0, 1, "x"),
        lambda: store.enqueue(ghost, ["speech"], "lite"),
        lambda: store.add_source(ghost, "/x", 1, 2, 3),
        lambda: store.add_frames(ghost, [], {0: b"x"}),
        lambda: store.add_note(ghost, 0, 1, "x", "agent", None),
        lambda: store.update_video(ghost, title="x"),
        lambda: store.put_vectors("m@1/1|text", ghost, [1], [[1.0]]),  # type: ignore[arg-type]  # a list is read as rows
    ):
        with pytest.raises(VideoNotFound):
            write()
    assert store.integrity_check() == "ok"


def test_stats_count_what_is_there(store: Store) -> None:
    store.add_note(WEEK, 0, 1, "a note", "agent", None)
    stats = store.stats()
    assert (stats["videos"], stats["entries"], stats["notes"], stats["open_jobs"]) == (2, 1, 1, 0)
    assert stats["file_bytes"] > 4096
    store.delete_video(TALK)
    assert store.stats()["videos"] == 1
