"""Token files that a shared store keeps for the machines that did not make them."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_tools.home import HomeFolder
from agent_tools.store import Store, picture_tokens
from tests.store.conftest import TALK, WEEK

MODEL = "toy@1"


def parts(store: Store) -> int:
    with store.db.read() as c:
        return int(c.execute("SELECT count(*) FROM token_parts").get)


def test_a_file_comes_back_whole_on_another_machine(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_tokens, "PART_BYTES", 1000)
    made, elsewhere = tmp_path / "made.tokens", tmp_path / "elsewhere"
    assert store.fetch_tokens(elsewhere, WEEK, MODEL) is None
    store.keep_tokens(WEEK, MODEL, made)  # there is none: nothing is kept
    made.write_bytes(bytes(range(256)) * 10)
    for _ in range(2):
        store.keep_tokens(WEEK, MODEL, made)
    assert parts(store) == 3
    fetched = store.fetch_tokens(elsewhere, WEEK, MODEL)
    assert fetched is not None
    assert fetched.read_bytes() == made.read_bytes()
    assert fetched in HomeFolder(elsewhere).token_files(WEEK)  # so that it is removed with the video's others


def test_a_newer_file_takes_the_place_of_the_older_one(store: Store, tmp_path: Path) -> None:
    made = tmp_path / "made.tokens"
    made.write_bytes(b"first")
    store.keep_tokens(WEEK, MODEL, made)
    before = store.fetch_tokens(tmp_path, WEEK, MODEL)
    made.write_bytes(b"second")
    store.keep_tokens(WEEK, MODEL, made)
    after = store.fetch_tokens(tmp_path, WEEK, MODEL)
    assert before is not None
    assert after is not None
    assert (before != after, after.read_bytes(), parts(store)) == (True, b"second", 1)


def test_files_go_with_their_encoder_and_with_their_video(store: Store, tmp_path: Path) -> None:
    for video_id, producer in ((WEEK, MODEL), (WEEK, "other@1"), (TALK, MODEL)):
        made = tmp_path / "made.tokens"
        made.write_bytes(f"{video_id} {producer}".encode())
        store.keep_tokens(video_id, producer, made)
    store.drop_tokens(WEEK, but="other@1")
    assert store.fetch_tokens(tmp_path, WEEK, MODEL) is None
    assert store.fetch_tokens(tmp_path, WEEK, "other@1") is not None
    store.delete_video(TALK)
    assert parts(store) == 1
