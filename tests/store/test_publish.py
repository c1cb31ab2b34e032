"""A home becomes part of another memory: all of a video is there, once and whole, and nothing of others is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from agent_tools.errors import VideoNotFound
from agent_tools.memory import Memory
from agent_tools.store import EntryIn, Episode, FrameRow, Store, publish
from tests.store.conftest import TALK, WEEK

SPACE = "m@1/1"


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Store]:
    """A home of its own with one finished video, and one channel that is not."""
    opened = Store.open(tmp_path / "made")
    opened.add_video(WEEK, "Week 3 as it is there", 10)
    opened.update_video(WEEK, duration_s=6.0, has_audio=True, metadata={"title": "x"})
    opened.add_source(WEEK, "/films/week.mp4", 10, 5, 2**63 + 1, typed=True)
    ids = opened.add_entries(
        WEEK,
        "subtitles",
        "srt",
        [EntryIn(0, 1, "the keys are made"), EntryIn(1, 2, "값은"), EntryIn(2, 3, "111", {"unsure": "small"})],
    )
    opened.put_vectors(f"{SPACE}|text", WEEK, ids[:2], np.eye(2, 4, dtype=np.float32) + np.float32(0.1))
    opened.set_channel(WEEK, "subtitles", state="done", producer="srt", entries=3, done_to_s=6.0, language="en")
    opened.set_channel(WEEK, "speech", state="running", producer="w", done_to_s=1.0)
    opened.add_frames(WEEK, [FrameRow(WEEK, k, float(k), 0, k == 0) for k in range(6)], {0: b"jpeg"})
    opened.put_vectors(f"{SPACE}|frame", WEEK, [0], np.ones((1, 4), np.float32))
    opened.set_channel(WEEK, "frames", state="done", producer="pixels", entries=1, done_to_s=6.0)
    opened.add_gap(WEEK, "", 5.0, 6.0, "damaged")
    opened.add_gap(WEEK, "subtitles", 3.0, 4.0, "cut")
    opened.replace_episodes(WEEK, "scene", [Episode(0, WEEK, "scene", 0.0, 6.0, "Keys", "subtitles", 1.0)])
    for read in ("subtitles", "text"):
        opened.memories.write(WEEK, [Memory("chunk", 0.0, 6.0, "", torch.ones(2, 4), f"{SPACE}|{read}")])
    opened.add_note(WEEK, 0, 2, "a first thought", "anna", True)
    opened.add_note(WEEK, 0, 2, "a second thought", "anna", True, replaces=1)
    yield opened
    opened.close()


def held(store: Store) -> dict[str, object]:
    """All of the video but numbers that each store gives by itself, and times of writing."""
    entries = store.entries(WEEK, unsure=True)
    texts = {entry.id: entry.text for entry in entries}
    ids, matrix = store.vectors(f"{SPACE}|text", WEEK)
    return {
        "video": (store.video(WEEK), store.sources(WEEK)),
        "channels": [(c.name, c.state, c.producer, c.entries, c.language) for c in store.channels(WEEK)],
        "entries": [(e.channel, e.start_s, e.text, e.extra) for e in entries],
        "vectors": (sorted(texts[int(number)] for number in ids), sorted(matrix.tolist())),
        "frames": (store.frames(WEEK), store.frame_picture(WEEK, 0), store.vector(f"{SPACE}|frame", WEEK, 0).tolist()),
        "gaps": [(gap.channel, gap.why) for gap in store.gaps(WEEK)],
        "episodes": [(e.start_s, e.title) for e in store.episodes(WEEK, "scene")],
        "memories": [len(store.memories.read_all(WEEK, read)) for read in ("subtitles", "text")],
        "notes": store.notes(WEEK, current_only=False),
        "words": sorted(hit.entry.text for hit in store.search_words("keys 값은 second")),
    }


def test_what_is_published_is_what_was_made(store: Store, made: Store) -> None:
    store.add_entries(TALK, "speech", "w", [EntryIn(0, 1, "another video's words")])
    assert publish(made, store, WEEK) == ["frames", "subtitles"]
    expected = held(made)
    expected["channels"] = [row for row in expected["channels"] if row[0] != "speech"]  # it was not done
    assert held(store) | {"video": None} == expected | {"video": None}
    there, here = store.video(WEEK), made.video(WEEK)
    assert (there.title, there.duration_s, there.metadata) == (here.title, here.duration_s, here.metadata)
    assert store.sources(WEEK) == made.sources(WEEK)
    assert [entry.text for entry in store.entries(TALK)] == ["another video's words"]


def test_publishing_again_changes_nothing(store: Store, made: Store) -> None:
    publish(made, store, WEEK)
    before = held(store)
    publish(made, store, WEEK)
    assert held(store) == before


def test_notes_of_both_sides_stay(store: Store, made: Store) -> None:
    store.add_note(WEEK, 4, 5, "written on the other side", "ben", None)
    publish(made, store, WEEK)
    assert {note.text for note in store.notes(WEEK)} == {"written on the other side", "a second thought"}
    assert store.search_words("second")


def test_a_video_that_is_not_there_is_said(store: Store, made: Store) -> None:
    with pytest.raises(VideoNotFound, match="agent-tools ls"):
        publish(made, store, "f" * 12)
