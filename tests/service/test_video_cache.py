"""What is kept of a video is made again when something of it changed, and only then."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from agent_tools.service.library import video_cache
from agent_tools.service.library.video_cache import VideoCache
from agent_tools.store import EntryIn, Store, spelling

VIDEO, OTHER = "9f6cbced0247", "0123456789ab"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path)
    for video_id in (VIDEO, OTHER):
        opened.add_video(video_id, video_id, 1)
        opened.update_video(video_id, duration_s=600.0)
    yield opened
    opened.close()


def test_a_value_is_made_again_when_its_video_changed_and_only_then(store: Store) -> None:
    cache, number = VideoCache(store), count()

    def held() -> int:
        return cache.get(VIDEO, "key", lambda: next(number))

    assert (held(), held()) == (0, 0)
    store.add_entries(OTHER, "speech", "toy", [EntryIn(0, 1, "of another video")])
    assert held() == 0
    store.add_entries(VIDEO, "speech", "toy", [EntryIn(0, 1, "the row of the channel does not tell this")])
    assert (held(), held()) == (1, 1)
    store.set_channel(VIDEO, "frames", state="running", done_to_s=50.0)
    assert held() == 2
    store.add_note(VIDEO, 1.0, 2.0, "a note", "me", None, None)
    assert (held(), held()) == (3, 3)
    assert cache.get(VIDEO, "another key", lambda: next(number)) == 4


def test_the_values_that_are_kept_are_bounded(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video_cache, "MOST_OF_ONE", 2)
    monkeypatch.setattr(video_cache, "MOST_VIDEOS", 1)
    cache, number = VideoCache(store), count()
    for key in "abc":
        cache.get(VIDEO, key, lambda: next(number))
    assert cache.get(VIDEO, "c", lambda: -1) == 2
    assert cache.get(VIDEO, "a", lambda: -1) == -1
    cache.get(OTHER, "a", lambda: 7)
    assert cache.get(VIDEO, "c", lambda: -2) == -2


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1", False),
        ("3.14 €", False),
        ("a", False),
        ("x2", False),
        ("ab", True),
        ("水", True),
        ("키", True),
        ("", False),
    ],
)
def test_a_text_without_words_means_nothing(text: str, says: bool) -> None:
    assert spelling.has_enough_letters(text) is says
