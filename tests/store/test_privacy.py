"""Forgetting: no sentence of what was deleted stands in the file, and others cannot read the data folder."""

from __future__ import annotations

import contextlib
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import apsw
import numpy as np
import pytest
import torch

from agent_tools.home import STORE_FILE
from agent_tools.memory import Memory
from agent_tools.store import EntryIn, Episode, Store
from agent_tools.store.privacy import exposed, make_private
from tests.store.conftest import TALK, WEEK


@pytest.fixture
def store(sqlite: Store) -> Store:
    """What is asked here is SQLite's own."""
    return sqlite


WORDS = ("quokkasentence", "quokkacaption", "quokkamemory", "quokkatitle", "quokkanote", "quokkaold", "quokkavideo")
posix = pytest.mark.skipif(os.name == "nt", reason="permissions of Windows are inherited")


def fill(store: Store, count: int = 600) -> None:
    store.update_video(WEEK, title="quokkavideo")
    texts = [EntryIn(n, n + 1, f"quokkasentence {n} stands here") for n in range(count)]
    ids = store.add_entries(WEEK, "subtitles", "file", texts)
    store.add_entries(WEEK, "captions", "model", [EntryIn(n, n + 1, f"quokkacaption {n}") for n in range(50)])
    store.put_vectors("toy@1|text", WEEK, ids, np.eye(8, dtype=np.float32)[np.arange(count) % 8])
    store.memories.write(WEEK, [Memory("chunk", 0, 60, "quokkamemory", torch.eye(8)[0], "toy@1|subtitles")])
    store.replace_episodes(WEEK, "chapter", [Episode(0, WEEK, "chapter", 0, 60, "quokkatitle", "subtitles", None)])
    old, _ = store.add_note(WEEK, 0, 1, "quokkaold", "me", None)
    store.add_note(WEEK, 0, 1, "quokkanote", "me", None, replaces=old.number)


def traces(home: Path) -> set[str]:
    """Which of the words stand in any file of the store, in either case."""
    held = b"".join(path.read_bytes() for path in home.glob(STORE_FILE + "*")).lower()
    return {word for word in WORDS if word.encode() in held}


def remove(store: Store) -> None:
    store.delete_video(WEEK)


def remake(store: Store) -> None:
    store.delete_entries(WEEK, "subtitles")
    store.add_entries(WEEK, "subtitles", "file", [EntryIn(0, 1, "another text")])
    store.wipe()


@pytest.mark.parametrize(
    ("forget", "stays"),
    [(remove, set()), (remake, set(WORDS) - {"quokkasentence"})],
)
def test_what_is_forgotten_stands_nowhere_in_the_file(
    store: Store, forget: Callable[[Store], None], stays: set[str]
) -> None:
    store.add_entries(TALK, "subtitles", "file", [EntryIn(n, n + 1, f"a wolf {n}") for n in range(300)])
    fill(store)
    store.db.empty_log()
    assert traces(store.home) == set(WORDS)
    forget(store)
    assert traces(store.home) == stays
    assert len(store.search_words("wolf", limit=1000)) == 300
    assert store.integrity_check() == "ok"


def test_a_reader_of_the_log_is_waited_for_or_told(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A search of another process ends soon; a backup may not."""
    monkeypatch.setattr("agent_tools.store.database.READERS_S", 0.2)
    fill(store)
    with contextlib.closing(apsw.Connection(str(store.home / STORE_FILE))) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM entries").fetchall()
        assert not store.delete_video(WEEK)
        assert traces(store.home)
        monkeypatch.setattr("agent_tools.store.database.READERS_S", 20.0)
        ending = threading.Timer(0.2, reader.execute, ["COMMIT"])
        ending.start()
        assert store.wipe()
        ending.join()
    assert traces(store.home) == set()


def test_a_note_that_another_replaced_leaves_the_index_and_stays_as_history(store: Store) -> None:
    fill(store)
    assert store.search_words("quokkaold") == []
    assert [note.text for note in store.notes(WEEK, current_only=False)] == ["quokkaold", "quokkanote"]
    assert [entry.text for entry in store.entries(WEEK, channels=("notes",))] == ["quokkanote"]


def test_the_file_shrinks_when_a_video_is_forgotten(store: Store) -> None:
    store.db.empty_log()
    before = (store.home / STORE_FILE).stat().st_size
    fill(store, 3_000)
    store.db.empty_log()
    full = (store.home / STORE_FILE).stat().st_size
    remove(store)
    assert (store.home / STORE_FILE).stat().st_size < before + (full - before) / 4


def test_a_deletion_that_notes_refuse_changes_nothing(store: Store) -> None:
    fill(store)
    with pytest.raises(Exception, match="2 notes"):
        store.delete_video(WEEK, with_notes=False)
    assert len(store.entries(WEEK, channels=("subtitles",))) == 600


def test_the_file_of_an_older_program_is_rewritten_without_traces(tmp_path: Path) -> None:
    old = apsw.Connection(str(tmp_path / STORE_FILE))  # a file that gives no pages back, as older programs made it
    old.execute("PRAGMA auto_vacuum=NONE; CREATE TABLE old(text); DROP TABLE old").fetchall()
    old.close()
    store = Store.open(tmp_path)
    try:
        assert store.keeps_traces()
        store.rewrite()
        assert not store.keeps_traces()
        assert store.integrity_check() == "ok"
    finally:
        store.close()


@posix
def test_a_new_home_is_for_its_owner_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    before = os.umask(0o022)
    try:
        store = Store.open(home)
    finally:
        os.umask(before)
    store.add_video(WEEK, "Week", 1)
    try:
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home, *home.iterdir())}
        assert modes == {"home": 0o700, **{STORE_FILE + end: 0o600 for end in ("", "-wal", "-shm")}}
        assert exposed(home) == []
    finally:
        store.close()


@posix
def test_an_open_home_is_named_and_made_private_and_links_are_left_alone(tmp_path: Path) -> None:
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    (home / "logs").mkdir(parents=True)
    for path in (elsewhere, home / "logs" / "worker.log"):
        path.write_text("")
        path.chmod(0o644)
    (home / "link").symlink_to(elsewhere)
    home.chmod(0o755)
    (home / "logs").chmod(0o755)
    assert {path.name for path in exposed(home)} == {"home", "logs", "worker.log"}
    assert make_private(home) == 3
    assert exposed(home) == []
    assert stat.S_IMODE((home / "logs" / "worker.log").stat().st_mode) == 0o600
    assert stat.S_IMODE(elsewhere.stat().st_mode) == 0o644
