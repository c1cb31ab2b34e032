"""When a video was recorded, and which files are parts of one recording."""

from __future__ import annotations

import pytest

from agent_tools.service.library.recordings import clock_text, recorded_at, recordings
from agent_tools.store import Source, VideoRow


def video(number: int, at: str = "", duration_s: float = 20.0) -> VideoRow:
    return VideoRow(f"{number:012x}", "", 1, duration_s, metadata={"creation_time": at} if at else {})


def source(number: int, path: str) -> Source:
    return Source(f"{number:012x}", path, 1, 1, 1, 0.0)


def parts(*films: tuple[str, str]) -> dict[str, str]:
    """Path -> "part / time of the recording", for films of 20 s given as (path, creation time)."""
    rows = [video(number, at) for number, (_, at) in enumerate(films)]
    found = recordings(rows, [source(number, path) for number, (path, _) in enumerate(films)])
    shown = {row.id: found[row.id] for row in rows}
    return {
        path: f"{one.part_of} / {clock_text(one.at) if one.at else ''}"
        for (path, _), one in zip(films, shown.values(), strict=True)
    }


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ("2026-11-03T14:30:00.000000Z", "2026-11-03T14:30:00Z"),
        ("2026-11-03T14:30:00+0200", "2026-11-03T14:30:00+02:00"),
        ("2026-11-03 14:30:00", "2026-11-03T14:30:00Z"),
        ("1904-01-01T00:00:00.000000Z", None),
        ("1970-01-01T00:00:00.000000Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_the_files_own_time_is_kept_and_a_clocks_zero_is_not(at: str, shown: str | None) -> None:
    found = recorded_at(video(1, at))
    assert (clock_text(found) if found else None) == shown


def test_chapters_of_an_action_camera_are_one_recording_in_order() -> None:
    at = "2026-11-03T14:30:00Z"
    films = [(f"/c/GX0{n}0417.MP4", at) for n in (3, 1, 2)]
    assert parts(*films, ("/c/GX010418.MP4", at), ("/d/GX020418.MP4", at)) == {
        "/c/GX030417.MP4": "GoPro GX 0417, part 3 of 3 / 2026-11-03T14:30:40Z",
        "/c/GX010417.MP4": "GoPro GX 0417, part 1 of 3 / 2026-11-03T14:30:00Z",
        "/c/GX020417.MP4": "GoPro GX 0417, part 2 of 3 / 2026-11-03T14:30:20Z",
        "/c/GX010418.MP4": " / 2026-11-03T14:30:00Z",
        "/d/GX020418.MP4": " / 2026-11-03T14:30:00Z",
    }


def test_older_names_and_counted_names_are_parts_too() -> None:
    found = parts(
        ("/c/GOPR0009.MP4", ""), ("/c/GP010009.MP4", ""), ("/c/talk part 1.mkv", ""), ("/c/talk part 2.mkv", "")
    )
    assert [name.partition(" /")[0] for name in found.values()] == [
        "GoPro 0009, part 1 of 2",
        "GoPro 0009, part 2 of 2",
        "talk, part 1 of 2",
        "talk, part 2 of 2",
    ]


def test_discs_and_names_that_say_how_many_parts_there_are() -> None:
    found = parts(
        *((f"/c/VTS_01_{n}.VOB", "") for n in (0, 1, 2)),
        *((f"/c/Meeting {n} of 2.mp4", "") for n in (1, 2)),
        *((f"/c/GS0{n}0123.360", "") for n in (1, 2)),
        ("/c/scene 3.mp4", ""),
    )
    assert [name.partition(" /")[0] for name in found.values()] == [
        *("", "VTS_01, part 1 of 2", "VTS_01, part 2 of 2"),
        *("Meeting, part 1 of 2", "Meeting, part 2 of 2"),
        *("GoPro GS 0123, part 1 of 2", "GoPro GS 0123, part 2 of 2"),
        "",
    ]


def test_files_that_begin_when_the_one_before_ends_are_one_recording() -> None:
    films = [(f"/d/2026_1103_1430{n:02d}_F.MP4", f"2026-11-03T14:30:{n:02d}Z") for n in (0, 20, 41)]
    found = parts(*films, ("/d/2026_1103_150000_F.MP4", "2026-11-03T15:00:00Z"))
    assert [name.partition(" /")[0][-11:] for name in found.values()] == [
        "part 1 of 3",
        "part 2 of 3",
        "part 3 of 3",
        "",
    ]


def test_unrelated_videos_stand_alone() -> None:
    found = parts(("/v/a.mp4", "2026-11-03T14:30:00Z"), ("/v/b.mp4", "2026-11-03T14:30:20Z"), ("/v/c1.mp4", ""))
    assert all(name.startswith(" /") for name in found.values())
