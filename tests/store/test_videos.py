"""Videos, their sources, channels and gaps."""

from __future__ import annotations

import os

import pytest

from agent_tools.errors import InvalidArgument, VideoNotFound
from agent_tools.store import ChannelDetail, EntryIn, FrameRow, Gap, Source, Store
from tests.store.conftest import TALK, WEEK


def test_the_same_content_is_one_video(store: Store) -> None:
    assert store.add_video(WEEK, "another title", 99) is False
    row = store.video(WEEK)
    assert row is not None
    assert (row.title, row.size_bytes) == ("Week 3 Memory", 10)
    assert store.video("f" * 12) is None
    assert [video.id for video in store.videos()] == [WEEK, TALK]


def test_what_is_set_is_read_back(store: Store) -> None:
    fields = {
        "title": "Woche 3 \ud800 und 한국어",
        "duration_s": 5412.4,
        "width": 1280,
        "height": 720,
        "fps": 23.976,
        "container": "mov,mp4",
        "has_audio": False,
        "audio_s": 0.0,
        "metadata": {"artist": "a\ud800b", "n": [1, 2]},
        "error": "DecodeError: x",
    }
    store.update_video(WEEK, **fields)
    row = store.video(WEEK)
    assert row is not None
    assert {name: getattr(row, name) for name in fields} == {**fields, "title": "Woche 3 ? und 한국어"}
    store.update_video(WEEK, error=None)
    assert store.video(WEEK).error is None  # type: ignore[union-attr]  # it is there
    with pytest.raises(TypeError):
        store.update_video(WEEK, colour="blue")
    with pytest.raises(VideoNotFound):
        store.update_video("f" * 12, title="x")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (WEEK, [WEEK]),
        ("week 3 memory", [WEEK]),
        ("  A TALK ", [TALK]),
        ("Lecture.MP4", [WEEK]),
        ("lecture", [WEEK]),
        ("9f6c", [WEEK]),
        ("9f6", []),
        ("week", [WEEK]),
        ("vor", [TALK]),
        ("both.mkv", [WEEK, TALK]),
        ("bo", [WEEK, TALK]),
        ("nope", []),
        ("", []),
        ("\ud800", []),
        ("%", []),
        ("'; DROP TABLE videos; --", []),
    ],
)
def test_find_videos_takes_the_first_rule_that_matches(store: Store, text: str, found: list[str]) -> None:
    store.add_source(WEEK, "/a/Lecture.mp4", 10, 1, 1)
    store.add_source(TALK, "/a/Vortrag.mkv", 20, 1, 2)
    store.add_source(WEEK, "/a/both.mkv", 10, 1, 3)
    store.add_source(TALK, "/b/both.mkv", 20, 1, 4)
    assert [video.id for video in store.find_videos(text)] == found


def test_a_title_beats_a_file_name_and_several_of_one_title_all_answer(store: Store) -> None:
    store.add_source(TALK, "/a/week 3 memory.mp4", 20, 1, 2)
    assert [video.id for video in store.find_videos("Week 3 Memory")] == [WEEK]
    store.update_video(TALK, title="Week 3 Memory")
    assert [video.id for video in store.find_videos("Week 3 Memory")] == [WEEK, TALK]


def test_a_known_file_is_known_while_nothing_of_it_changed(store: Store) -> None:
    store.add_source(WEEK, "/a/x.mp4", 10, 123_456_789_012_345_678, 2**64 - 1)
    assert store.known_id("/a/x.mp4", 10, 123_456_789_012_345_678, 2**64 - 1) == WEEK
    for changed in (("/a/y.mp4", 10, 123_456_789_012_345_678, 2**64 - 1), ("/a/x.mp4", 11, 1, 1)):
        assert store.known_id(*changed) is None
    assert store.sources(WEEK) == [Source(WEEK, "/a/x.mp4", 10, 123_456_789_012_345_678, 2**64 - 1)]


def test_a_path_holds_one_video_and_a_video_has_many_paths(store: Store) -> None:
    store.add_source(WEEK, "/a/x.mp4", 10, 1, 1)
    store.add_source(WEEK, "/b/x.mp4", 10, 1, 2)
    store.add_source(TALK, "/a/x.mp4", 20, 2, 3)
    assert [source.path for source in store.sources(WEEK)] == ["/b/x.mp4"]
    assert [(source.video_id, source.path) for source in store.all_sources()] == [
        (TALK, "/a/x.mp4"),
        (WEEK, "/b/x.mp4"),
    ]


def test_a_path_that_was_typed_stays_typed(store: Store) -> None:
    store.add_source(WEEK, "/a/x.mp4", 10, 1, 1)
    store.add_source(WEEK, "/b/x.mp4", 10, 1, 2, typed=True)
    store.add_source(WEEK, "/b/x.mp4", 11, 2, 2)
    assert [(source.path, source.size, source.typed) for source in store.sources(WEEK)] == [
        ("/a/x.mp4", 10, False),
        ("/b/x.mp4", 11, True),
    ]


def test_a_file_name_that_is_no_unicode_is_kept(store: Store) -> None:
    path = os.fsdecode(b"/a/\xff\xfe.mp4")
    store.add_source(WEEK, path, 1, 2, 3)
    assert store.known_id(path, 1, 2, 3) == WEEK


def test_a_channel_keeps_what_is_not_set_anew(store: Store) -> None:
    store.set_channel(
        WEEK, "speech", state="running", producer="whisper@1/2", language="de", detail=ChannelDetail(done=0.5)
    )
    store.set_channel(WEEK, "speech", done_to_s=61.5, entries=12)
    row = store.channel(WEEK, "speech")
    assert row is not None
    assert (row.state, row.producer, row.done_to_s, row.entries, row.language, row.detail) == (
        "running",
        "whisper@1/2",
        61.5,
        12,
        "de",
        ChannelDetail(done=0.5),
    )
    assert store.channel(WEEK, "frames") is None
    assert [channel.name for channel in store.channels(WEEK)] == ["speech"]
    with pytest.raises(TypeError):
        store.set_channel(WEEK, "speech", colour="blue")


def test_the_same_gap_is_one_gap(store: Store) -> None:
    for _ in range(2):
        store.add_gap(WEEK, "", 60.0, 61.5, "decode error")
    store.add_gap(WEEK, "speech", 10.0, 20.0, "no audio")
    assert store.gaps(WEEK) == [
        Gap(WEEK, "speech", 10.0, 20.0, "no audio"),
        Gap(WEEK, "", 60.0, 61.5, "decode error"),
    ]
    store.clear_gaps(WEEK, "")
    assert [gap.channel for gap in store.gaps(WEEK)] == ["speech"]


def everything(store: Store, video_id: str) -> None:
    store.add_source(video_id, f"/a/{video_id}.mp4", 1, 2, 3)
    store.set_channel(video_id, "speech", state="done")
    store.add_gap(video_id, "", 0, 1, "why")
    store.enqueue(video_id, ["speech"], "lite")
    ids = store.add_entries(video_id, "speech", "p", [EntryIn(n, n + 1, f"wolf {n}") for n in range(5)])
    store.put_vectors("m@1/1|text", video_id, ids, [[1.0, 0.0]] * 5)  # type: ignore[arg-type]  # a list is read as rows
    store.add_frames(video_id, [FrameRow(video_id, 0, 0.0, 0, True)], {0: b"jpeg"})
    store.add_note(video_id, 0, 1, "a wolf", "agent", None)


def test_deleting_a_video_takes_all_of_it_and_nothing_else(store: Store) -> None:
    everything(store, WEEK)
    everything(store, TALK)
    before = store.stats()
    store.delete_video(WEEK)
    after = store.stats()
    for name in ("videos", "entries", "notes", "frames", "pictures", "vectors", "open_jobs"):
        assert after[name] * 2 == before[name], name
    assert {hit.entry.video_id for hit in store.search_words("wolf")} == {TALK}
    assert {hit[0] for hit in store.nearest("m@1/1|text", [1.0, 0.0])} == {TALK}  # type: ignore[arg-type]  # a list is read as a row
    assert store.integrity_check() == "ok"
    store.add_video(WEEK, "again", 10)
    assert store.entries(WEEK) == []
    assert store.notes(WEEK) == []
    assert store.nearest("m@1/1|text", [1.0, 0.0], video_ids=[WEEK]) == []  # type: ignore[arg-type]  # as above


def test_a_video_with_notes_is_kept_where_they_may_not_be_lost(store: Store) -> None:
    everything(store, WEEK)
    before = store.stats()
    with pytest.raises(InvalidArgument, match="1 notes"):
        store.delete_video(WEEK, with_notes=False)
    assert {**store.stats(), "file_bytes": 0} == {**before, "file_bytes": 0}
    store.delete_video(TALK, with_notes=False)
    assert store.video(TALK) is None


def test_deleting_what_is_not_there_is_fine(store: Store) -> None:
    store.delete_video("f" * 12)
