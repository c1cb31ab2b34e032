"""backup and restore: a store comes back as it was, under the eyes of whoever has it open; nothing is thrown away."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_tools.errors import InvalidArgument
from agent_tools.store import Store
from agent_tools.store.backup import restore


def with_note(home: Path, text: str) -> Store:
    store = Store.open(home)
    store.add_video("0123456789ab", "a film", 1)
    store.update_video("0123456789ab", duration_s=60.0)
    store.add_note("0123456789ab", 1, 2, text, "me", None, None)
    return store


def texts(store: Store) -> list[str]:
    return [note.text for note in store.notes("0123456789ab")]


def test_a_restored_store_is_the_backed_up_one_for_those_who_have_it_open(tmp_path: Path) -> None:
    store = with_note(tmp_path / "home", "first")
    store.backup(tmp_path / "copy.sqlite3")
    store.add_note("0123456789ab", 3, 4, "second", "me", None, None)
    kept = restore(tmp_path / "home", tmp_path / "copy.sqlite3")
    assert texts(store) == ["first"]
    store.add_note("0123456789ab", 5, 6, "third", "me", None, None)
    assert store.integrity_check() == "ok"
    store.close()
    assert kept is not None
    restore(tmp_path / "other", kept)
    other = Store.open(tmp_path / "other")
    assert texts(other) == ["first", "second"]
    other.close()


def test_a_damaged_store_is_moved_aside(tmp_path: Path) -> None:
    store = with_note(tmp_path / "home", "first")
    store.backup(tmp_path / "copy.sqlite3")
    store.close()
    live = tmp_path / "home" / "memory.sqlite3"
    live.write_bytes(b"no longer a store" * 1000)
    kept = restore(tmp_path / "home", tmp_path / "copy.sqlite3")
    assert kept is not None
    assert kept.read_bytes().startswith(b"no longer a store")
    again = Store.open(tmp_path / "home")
    assert texts(again) == ["first"]
    again.close()


@pytest.mark.parametrize("content", [b"", b"not a store at all" * 100])
def test_what_is_no_backup_changes_nothing(tmp_path: Path, content: bytes) -> None:
    store = with_note(tmp_path / "home", "first")
    (tmp_path / "odd").write_bytes(content)
    with pytest.raises(InvalidArgument):
        restore(tmp_path / "home", tmp_path / "odd")
    with pytest.raises(InvalidArgument, match="is not a file"):
        restore(tmp_path / "home", tmp_path / "nothing")
    assert texts(store) == ["first"]
    store.close()
