from __future__ import annotations

import math
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent_tools.errors import InvalidArgument
from agent_tools.media import Damage, probe, sample
from agent_tools.media.packets import Packets


def every_picture(path: Path, end_s: float = math.inf) -> list[tuple[float, np.ndarray[Any, Any]]]:
    """The slow clear version: each picture of the file, decoded in full, with its time from the first."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "SLICE"
        pictures: list[tuple[float, np.ndarray[Any, Any]]] = []
        for frame in container.decode(stream):
            pictures.append((float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24")))
            if pictures[-1][0] - pictures[0][0] > end_s:
                break
    return [(time_s - pictures[0][0], rgb) for time_s, rgb in pictures]


def expected(pictures: list[tuple[float, Any]], fps: float, start_s: float, end_s: float) -> dict[int, float]:
    """Which picture is on screen at each grid time: the last one not after it."""
    shown = {}
    for k in range(math.ceil(start_s * fps - 1e-6), math.ceil(end_s * fps)):
        before = [time_s for time_s, _ in pictures if time_s <= k / fps + 1e-6]
        if k / fps < end_s and before:
            shown[k] = before[-1]
    return shown


@pytest.mark.parametrize("name", ["steady", "uneven", "late"])
def test_skipped_decoding_gives_the_very_pictures_of_full_decoding(name: str, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(name)
    pictures = every_picture(path)
    by_time = {round(time_s, 6): rgb for time_s, rgb in pictures}
    video = probe(path)
    assert video.video is not None
    samples = list(sample(video, 1.0))
    assert len(samples) >= 8
    for got in samples:
        rgb = got.picture.rgb(video.video.width, video.video.height)
        assert np.array_equal(rgb, by_time[round(got.pts_s, 6)]), got.time_s
    want = expected(pictures, 1.0, 0.0, pictures[-1][0] + 0.001)
    assert {got.k: round(got.pts_s, 6) for got in samples if got.k in want} == {k: round(t, 6) for k, t in want.items()}


REAL = (
    *("bbb_six_segments_concat.ts", "dvr_traffic_vfr.mp4", "gr_earth_mp3.avi", "gr_ogg_named_mkv.mkv", "oc_mpeg1.mpg"),
    *(
        "psd_counter_pts.mp4",
        "ax_vvc.mp4",
        "tc_av1_video.mkv",
        "ax_iibbibb_editlist_videoonly.mp4",
        "mp_no_duration.webm",
    ),
    *("ax_long_180p_av1.mp4", "mb_edts.mp4", "shaka_hevc.ts", "intel_classroom.gif", "mp_failing_audio.mp4"),
)


@pytest.mark.parametrize("name", REAL)
def test_real_files_give_the_pictures_of_full_decoding_from_any_start(name: str, real_videos: Path) -> None:
    path = real_videos / "edge" / name
    pictures = every_picture(path, 5.0)
    found = probe(path)
    assert found.video is not None
    size = (found.video.width, found.video.height)
    by_time = {round(time_s, 6): rgb for time_s, rgb in pictures}
    for fps, start_s in ((1.0, 0.0), (1.7, 2.1)):
        want = expected(pictures, fps, start_s, min(5.0, pictures[-1][0]))
        got = {s.k: s for s in sample(found, fps, start_s, min(5.0, pictures[-1][0]))}
        assert {k: round(s.pts_s, 6) for k, s in got.items()} == {k: round(t, 6) for k, t in want.items()}
        last = got[max(got)]
        if size == by_time[round(last.pts_s, 6)].shape[1::-1]:  # else turned or stretched
            assert np.array_equal(last.picture.rgb(*size), by_time[round(last.pts_s, 6)])


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fps=st.sampled_from([0.25, 1.0, 1.7, 5.0]), start_s=st.floats(0, 70), length_s=st.floats(0.1, 12))
def test_any_window_of_any_grid_shows_the_last_picture_not_after_each_time(
    uneven: Path, fps: float, start_s: float, length_s: float
) -> None:
    pictures = _pictures_of(uneven)
    end_s = min(start_s + length_s, pictures[-1][0])
    got = {s.k: round(s.pts_s, 4) for s in sample(probe(uneven), fps, start_s, end_s)}
    assert got == {k: round(t, 4) for k, t in expected(pictures, fps, start_s, end_s).items()}


_SEEN: dict[Path, list[tuple[float, Any]]] = {}


def _pictures_of(path: Path) -> list[tuple[float, Any]]:
    if path not in _SEEN:
        _SEEN[path] = [(time_s, None) for time_s, _ in every_picture(path)]
    return _SEEN[path]


def test_number_drawn_in_the_picture_is_the_one_of_its_time(steady: Path, drawing: ModuleType) -> None:
    got = [(s.k, drawing.number_in(s.picture.rgb(224, 224))) for s in sample(probe(steady), fps=2.0)]
    assert got == [(k, round(k * 12.5 - 0.01)) for k in range(40)]


def test_pictures_without_use_are_not_decoded(steady: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs: list[bool] = []
    real = Packets.__iter__

    def counted(self: Any) -> Any:
        for packet, needed in real(self):
            needs.append(needed)
            yield packet, needed

    monkeypatch.setattr(Packets, "__iter__", counted)
    assert len(list(sample(probe(steady), 1.0))) == 20
    assert sum(needs) <= 20 + 8, "one packet a second, the few that may be the last, and the flush"
    assert len(needs) >= 500


def test_late_start_is_time_zero(late: Path, drawing: ModuleType) -> None:
    found = probe(late)
    assert found.origin_s == pytest.approx(63.2)
    got = [(s.time_s, drawing.number_in(s.picture.gray(160, 90))) for s in sample(found)]
    assert got == [(float(k), 25 * k) for k in range(8)]


def test_rotated_video_is_shown_upright(turned: Path, drawing: ModuleType) -> None:
    found = probe(turned)
    assert found.video is not None
    assert (found.video.width, found.video.height, found.video.rotation) == (180, 320, 90)
    last = list(sample(found))[-1]
    assert (last.picture.width, last.picture.height) == (180, 320)
    upright = last.picture.rgb(180, 320)
    assert drawing.number_in(np.rot90(upright, -1)) == 25
    assert last.picture.gray(90, 160).shape == (160, 90)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_cut_file_keeps_what_it_holds_and_states_its_missing_tail(
    suffix: str, steady: Path, drawing: ModuleType, tmp_path: Path
) -> None:
    whole = steady if suffix == ".mp4" else drawing.draw(tmp_path / "m.mkv", drawing.even_times(500, 25))
    broken = drawing.cut(tmp_path / f"cut{suffix}", whole, 0.5)
    damage: list[Damage] = []
    numbers = [drawing.number_in(s.picture.rgb(320, 180)) for s in sample(probe(broken), on_damage=damage.append)]
    assert numbers == [25 * k for k in range(len(numbers))]
    assert 6 <= len(numbers) <= 16
    assert damage[-1].end_s == pytest.approx(20.0, abs=0.1)
    assert damage[-1].start_s == pytest.approx(len(numbers), abs=1.01)
    assert "ends early" in damage[-1].why


def test_broken_middle_is_told_and_the_rest_is_kept(steady: Path, drawing: ModuleType, tmp_path: Path) -> None:
    data = bytearray(steady.read_bytes())
    with av.open(str(steady)) as container:
        packets = [p for p in container.demux(video=0) if p.pts is not None]
        spots = [(p.pos, p.size) for p in packets if 6 <= p.pts * p.time_base < 9]
    for position, size in spots:
        data[position : position + size] = bytes(size)
    broken = tmp_path / "hole.mp4"
    broken.write_bytes(data)
    damage: list[Damage] = []
    got = {s.k: drawing.number_in(s.picture.rgb(320, 180)) for s in sample(probe(broken), on_damage=damage.append)}
    lost, leaning = damage
    assert (lost.start_s, lost.end_s, lost.why) == (pytest.approx(6.0), pytest.approx(9.0), "cannot be decoded")
    assert leaning.start_s == pytest.approx(9.0), "these lean on lost pictures until a key frame comes"
    assert leaning.end_s < 13
    assert {k: n for k, n in got.items() if not 6 <= k < leaning.end_s} == {
        k: 25 * k for k in range(20) if not 6 <= k < leaning.end_s
    }
    assert not got.keys() & {6, 7, 8}


def test_window_clips_the_damage_it_tells(steady: Path, drawing: ModuleType, tmp_path: Path) -> None:
    broken = drawing.cut(tmp_path / "cut.mp4", steady, 0.5)
    damage: list[Damage] = []
    list(sample(probe(broken), start_s=4, end_s=15, on_damage=damage.append))
    assert [d.end_s for d in damage] == [15]


def test_sound_without_pictures_gives_no_samples(drawing: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), format="s16", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
    found = probe(path)
    assert found.video is None
    assert found.duration_s == pytest.approx(1.0)
    assert list(sample(found)) == []


@pytest.mark.parametrize("fps", [0.0, -1.0, math.nan, math.inf])
def test_impossible_rate_is_refused(fps: float, steady: Path) -> None:
    with pytest.raises(InvalidArgument, match="fps"):
        list(sample(probe(steady), fps))


def test_end_of_a_grid_is_open(steady: Path) -> None:
    assert [s.k for s in sample(probe(steady), 1.0, 3.0, 6.0)] == [3, 4, 5]
    assert [s.k for s in sample(probe(steady), 1.0, 2.5, 6.5)] == [3, 4, 5, 6]
    assert list(sample(probe(steady), 1.0, 30.0)) == []


def test_second_half_whose_times_start_again_is_told_as_unread(drawing: ModuleType, tmp_path: Path) -> None:
    half = drawing.draw(tmp_path / "half.ts", drawing.even_times(150, 25, start_s=8.0))
    path = tmp_path / "twice.ts"
    path.write_bytes(half.read_bytes() * 2)
    damage: list[Damage] = []
    numbers = [drawing.number_in(s.picture.gray(120, 60)) for s in sample(probe(path), on_damage=damage.append)]
    assert numbers == [25 * k for k in range(6)]
    assert [d.why for d in damage] == ["time stamps jump back: these pictures were not read"]
    assert damage[0].start_s == pytest.approx(6.0, abs=0.1)
    assert damage[0].end_s == pytest.approx(12.0, abs=0.1)


@pytest.mark.parametrize(
    ("times_s", "shown"),
    [
        ([0.0, 4.4, 7.3], [0, 0, 0, 0, 0, 1, 1, 1, 2]),  # the last state came after the last time of the grid
        ([0.0, 4.4, 7.0], [0, 0, 0, 0, 0, 1, 1, 2]),  # the grid shows it
        ([0.0, 4.4, 7.0, 7.2], [0, 0, 0, 0, 0, 1, 1, 2]),  # what moves is no state
    ],
)
def test_the_last_state_of_a_recorded_screen_is_given_wherever_the_pass_begins(
    times_s: list[float], shown: list[int], drawing: ModuleType, tmp_path: Path
) -> None:
    video = probe(drawing.draw(tmp_path / "screen.mp4", times_s, b_frames=0))
    for start_s in (0.0, 6.0):
        samples = list(sample(video, 1.0, start_s))
        assert [drawing.number_in(one.picture.rgb(320, 180)) for one in samples] == shown[int(start_s) :]
        assert all(one.time_s == one.k or one.time_s == one.pts_s == times_s[-1] for one in samples)
    assert [one.k for one in sample(video, 1.0, 0.0, 7.2)] == list(range(8))
