"""A channel out of another file in the place of the store's own: all of it or nothing, and never both at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from agent_tools.memory import Memory
from agent_tools.store import EntryIn, FrameRow, SqliteMemory, Store, keep_text_vectors, line_id, switch_channel
from agent_tools.store.channel_swap import REPLACED
from agent_tools.store.sql import Held
from agent_tools.store.vectors import AT_ONCE
from tests.store.conftest import TALK, WEEK, again, place, short

OLD, NEW = "old@1/1", "new@1/1"


def vectors(count: int, first: float) -> np.ndarray:
    return np.eye(8, dtype=np.float32)[:count] + np.float32(first)


def fill(store: Store, producer: str, texts: list[str], shade: float) -> None:
    """Frames and subtitles of one video, made by one producer."""
    rows = [FrameRow(WEEK, k, float(k), k - k % 2, k % 2 == 0) for k in range(6)]
    store.add_frames(WEEK, rows, {k: f"{producer} {k}".encode() for k in range(0, 6, 2)})
    store.put_vectors(f"{producer}|frame", WEEK, [0, 2, 4], vectors(3, shade))
    store.set_channel(WEEK, "frames", state="done", producer=producer, entries=3, done_to_s=6.0)
    store.add_gap(WEEK, "frames", 1.0, 2.0, f"not seen by {producer}")
    ids = store.add_entries(WEEK, "subtitles", producer, [EntryIn(i, i + 1.0, text) for i, text in enumerate(texts)])
    store.put_vectors(f"{producer}|text", WEEK, ids, vectors(len(ids), shade))
    store.set_channel(WEEK, "subtitles", state="done", producer=producer, entries=len(ids), done_to_s=6.0)
    for channel in ("frames", "subtitles"):
        memory = Memory("chunk", 0.0, 6.0, "", torch.from_numpy(vectors(2, shade)), f"{producer}|{channel}")
        SqliteMemory(store).write(WEEK, [memory])


@pytest.fixture
def made(tmp_path: Path, store: Store) -> Iterator[Store]:
    """The channels as another producer made them, in a file of their own."""
    fill(store, OLD, ["keys", "values"], 0.0)
    with contextlib.closing(Store.open(tmp_path / "made")) as opened:
        opened.add_video(WEEK, "Week", 1)
        fill(opened, NEW, ["keys", "values", "tokens"], 0.5)
        yield opened


def held(store: Store) -> dict[str, object]:
    """What the two channels consist of, ids of entries and memories left out."""
    texts = {entry.id: entry.text for entry in store.entries(WEEK)}
    found: dict[str, object] = {"entries": [(e.start_s, e.text, e.producer) for e in store.entries(WEEK)]}
    for space in store.spaces():
        ids, matrix = store.vectors(space, WEEK)
        if len(ids):
            named = {"text": [texts.get(int(i)) for i in ids], "frame": ids.tolist()}.get(space.rpartition("|")[2])
            found[space] = (named, matrix.tolist())
    found["frames"] = [(row, store.frame_picture(WEEK, row.k)) for row in store.frames(WEEK)]
    found["rows"] = [(r.name, r.state, r.producer, r.entries) for r in store.channels(WEEK)]
    found["gaps"] = [gap.why for gap in store.gaps(WEEK)]
    found["words"] = [hit.entry.text for hit in store.search_words("tokens")]
    found["memories"] = [
        m.producer for name in ("frames", "subtitles") for m in SqliteMemory(store).read_all(WEEK, name)
    ]
    return found


def test_switched_channels_are_what_the_other_file_holds(store: Store, made: Store) -> None:
    for channel in ("frames", "subtitles"):
        switch_channel(store, made, WEEK, channel, job_id=7)
    assert held(store) == held(made)
    row = store.channel(WEEK, "frames")
    assert row is not None
    assert row.detail.remade == 7
    assert store.integrity_check() == "ok"


@pytest.mark.parametrize("channel", ["frames", "subtitles"])
def test_another_process_sees_the_old_until_the_new_is_whole(
    store: Store, made: Store, channel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = held(store)
    seen: list[dict[str, object]] = []
    real = SqliteMemory.take

    def take(self: SqliteMemory, made: SqliteMemory, video_id: str, read: str) -> int:
        with contextlib.closing(again(place(store))) as other:
            seen.append(held(other))
        return real(self, made, video_id, read)

    monkeypatch.setattr(SqliteMemory, "take", take)
    switch_channel(store, made, WEEK, channel, job_id=7)
    assert seen == [before]


def test_what_fails_midway_changes_nothing(store: Store, made: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    before = held(store)

    def broken(*_: object) -> int:
        raise OSError("the disk went away")

    monkeypatch.setattr(SqliteMemory, "take", broken)
    for channel in ("frames", "subtitles"):
        with pytest.raises(OSError, match="went away"):
            switch_channel(store, made, WEEK, channel, job_id=7)
        assert held(store) == before


def test_a_channel_that_is_not_done_is_put_in_no_place(store: Store, made: Store) -> None:
    made.set_channel(WEEK, "frames", state="running")
    with pytest.raises(ValueError, match="not done"):
        switch_channel(store, made, WEEK, "frames", job_id=7)


def test_text_vectors_of_others_go_when_the_new_are_complete(store: Store, made: Store) -> None:
    del made
    store.add_video(TALK, "Talk", 1)
    (other,) = store.add_entries(TALK, "subtitles", OLD, [EntryIn(0.0, 1.0, "keys")])
    store.put_vectors(f"{OLD}|text", TALK, [other], vectors(1, 0.0))
    ids = [entry.id for entry in store.entries(WEEK)]
    store.put_vectors(f"{NEW}|text", WEEK, ids[:1], vectors(1, 0.5))
    assert not keep_text_vectors(store, WEEK, NEW)
    assert len(store.vectors(f"{OLD}|text", WEEK)[0]) == 2
    store.put_vectors(f"{NEW}|text", WEEK, ids[1:], vectors(1, 0.5))
    assert keep_text_vectors(store, WEEK, NEW)
    assert len(store.vectors(f"{OLD}|text", WEEK)[0]) == 0
    assert len(store.vectors(f"{NEW}|text", WEEK)[0]) == 2
    assert len(store.vectors(f"{OLD}|text", TALK)[0]) == 1
    assert len(store.vectors(f"{OLD}|frame", WEEK)[0]) == 3
    row = store.channel(WEEK, "subtitles")
    assert row is not None
    assert row.detail.vectors == (NEW,)


def test_lines_come_along_under_the_new_numbers_of_their_texts(store: Store, made: Store) -> None:
    (_, entry, _) = made.entries(WEEK, channels=("subtitles",))
    number = line_id(entry, 2)
    made.put_vectors(f"{NEW}|line", WEEK, [number], vectors(1, 0.5))
    switch_channel(store, made, WEEK, "subtitles", job_id=7)
    (own,) = (each for each in store.entries(WEEK, channels=("subtitles",)) if each.text == entry.text)
    ids, matrix = store.vectors(f"{NEW}|line", WEEK)
    assert ids.tolist() == [line_id(own, 2)]
    assert matrix.tolist() == vectors(1, 0.5).tolist()


LONG = 8 * AT_ONCE  # cues, a second each


def fill_long(store: Store, producer: str) -> None:
    """Subtitles and frames of a long video, a cue and a kept frame a second."""
    cues = [EntryIn(float(i), i + 1.0, f"{producer} says line {i}") for i in range(LONG)]
    ids = store.add_entries(WEEK, "subtitles", producer, cues)
    drawn = np.random.default_rng(1).standard_normal((LONG, 8)).astype(np.float32)
    store.put_vectors(f"{producer}|text", WEEK, ids, drawn)
    store.put_vectors(f"{producer}|line", WEEK, [number << 12 | 1 for number in ids], drawn)
    store.put_vectors(f"{producer}|frame", WEEK, range(LONG), drawn)
    for first in range(0, LONG, AT_ONCE):
        rows = [FrameRow(WEEK, k, float(k), k, True) for k in range(first, first + AT_ONCE)]
        store.add_frames(WEEK, rows, {row.k: f"{producer} {row.k}".encode() for row in rows})
    for channel in ("subtitles", "frames"):
        store.set_channel(WEEK, channel, state="done", producer=producer, entries=LONG, done_to_s=float(LONG))
    chunks = [
        Memory("chunk", 60.0 * i, 60.0 * i + 60, "", torch.from_numpy(drawn[i : i + 2]), f"{producer}|subtitles")
        for i in range(LONG // 60)
    ]
    store.memories.write(WEEK, chunks)


@pytest.fixture
def long_made(tmp_path: Path, store: Store) -> Iterator[Store]:
    fill_long(store, OLD)
    with contextlib.closing(Store.open(tmp_path / "made")) as opened:
        opened.add_video(WEEK, "Week", 1)
        fill_long(opened, NEW)
        yield opened


@pytest.mark.parametrize("channel", ["frames", "subtitles"])
def test_a_long_channel_is_switched_in_short_transactions_and_no_moment_is_lost(
    store: Store, long_made: Store, channel: str
) -> None:
    mixed: list[bool] = []
    with contextlib.closing(again(place(store))) as other:

        def look(held: Held) -> None:
            short(held)
            if channel == "subtitles":
                entries = other.entries(WEEK, channels=(channel,))
                shown = [(entry.start_s, entry.producer) for entry in entries]
                assert [start_s for start_s, _ in shown] == [float(i) for i in range(LONG)]
            else:
                frames = other.frames(WEEK)
                assert [frame.k for frame in frames] == list(range(LONG))
                shown = [(k, str(other.frame_picture(WEEK, k))[2:7]) for k in (0, LONG - 1)]
            mixed.append(len({made_by for _, made_by in shown}) > 1)
            told = any(gap.why == REPLACED for gap in other.gaps(WEEK))
            assert told or not mixed[-1]  # nothing can be called absent meanwhile

        store.db.on_write = look
        switch_channel(store, long_made, WEEK, channel, job_id=7)
        store.db.on_write = None
    assert any(mixed)
    assert not store.gaps(WEEK)
    for space in (f"{NEW}|text", f"{NEW}|line", f"{NEW}|frame"):
        expected = LONG if space.endswith("frame") == (channel == "frames") else 0
        assert len(store.vectors(space, WEEK)[0]) == expected
    row = store.channel(WEEK, channel)
    assert row is not None
    assert (row.producer, row.detail.remade) == (NEW, 7)


def test_what_chunks_read_of_their_past_is_copied_and_not_computed_again(
    store: Store, long_made: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To read a past of hours for each minute takes longer than all the rest of a switch."""
    asked = torch.ones(8)
    expected = [(hit.memory.key, hit.context) for hit in long_made.memories.retrieve(asked, LONG)]

    def computed(*_: object) -> None:
        raise AssertionError("a chunk read its past again")

    monkeypatch.setattr("agent_tools.memory.contextualise", computed)
    switch_channel(store, long_made, WEEK, "subtitles", job_id=7)
    taken = [(hit.memory.key, hit.context) for hit in store.memories.retrieve(asked, LONG)]
    assert len(taken) == LONG // 60
    for (key, context), (other_key, other) in zip(taken, expected, strict=True):
        assert key == other_key
        assert context is not None
        assert other is not None
        assert torch.equal(context, other)


def test_a_long_switch_that_ended_midway_is_told_and_gone_on_with(store: Store, long_made: Store) -> None:
    count = 0

    def die(_: Held) -> None:
        nonlocal count
        count += 1
        if count == 4:
            raise OSError("the worker was killed")

    store.db.on_write = die
    with pytest.raises(OSError, match="killed"):
        switch_channel(store, long_made, WEEK, "subtitles", job_id=7)
    store.db.on_write = None
    assert [(gap.start_s, gap.end_s) for gap in store.gaps(WEEK)] == [(0.0, float(LONG))]
    switch_channel(store, long_made, WEEK, "subtitles", job_id=7)
    assert {entry.producer for entry in store.entries(WEEK)} == {NEW}
    assert len(store.vectors(f"{NEW}|text", WEEK)[0]) == len(store.vectors(f"{NEW}|line", WEEK)[0]) == LONG
    assert not store.gaps(WEEK)
    assert store.integrity_check() == "ok"


def test_a_long_video_is_deleted_in_short_transactions(store: Store, long_made: Store) -> None:
    store.db.on_write = short
    store.delete_video(WEEK)
    store.db.on_write = None
    assert store.stats()["frames"] == store.stats()["pictures"] == store.stats()["vectors"] == 0


def test_what_is_probably_no_text_stays_so_in_a_new_channel(store: Store, made: Store) -> None:
    made.add_entries(WEEK, "subtitles", NEW, [EntryIn(5.0, 6.0, "|-|", {"unsure": True})])
    switch_channel(store, made, WEEK, "subtitles", job_id=7)
    assert [entry.text for entry in store.entries(WEEK, unsure=True) if entry.unsure] == ["|-|"]
