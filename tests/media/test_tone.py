"""HDR pictures have the light of ordinary ones: the same greys, white for paper, no clipping below it."""

from __future__ import annotations

import av
import numpy as np
import pytest

from agent_tools.media import tone
from agent_tools.media.picture import Picture


def pq_code(nits: float) -> float:
    """SMPTE ST 2084: light as a code in 0..1."""
    power = (nits / 10_000) ** (2610 / 16384)
    return float(((3424 / 4096 + 2413 / 128 * power) / (1 + 2392 / 128 * power)) ** (2523 / 32))


def grey(code: float) -> np.ndarray[tuple[int, ...], np.dtype[np.uint16]]:
    return np.full((2, 2, 3), round(code * 65535), np.uint16)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.3, 0.6])
def test_light_up_to_paper_white_is_the_grey_of_an_ordinary_picture(share: float) -> None:
    shown = tone.to_sdr(grey(pq_code(share * 203)), tone.PQ)
    assert shown[0, 0, 0] == pytest.approx(255 * share ** (1 / 2.2), abs=4)


@pytest.mark.parametrize("curve", [tone.PQ, tone.HLG])
def test_brighter_light_is_never_darker_and_ends_in_white(curve: int) -> None:
    codes = np.linspace(0, 65535, 400).astype(np.uint16)
    shown = tone.to_sdr(np.repeat(codes[:, None, None], 3, axis=2), curve)[:, 0, 0].astype(int)
    assert shown[0] == 0
    assert shown[-1] == 255
    assert (np.diff(shown) >= 0).all()


def test_a_pq_picture_is_read_in_its_own_curve_in_colour_and_in_grey() -> None:
    frame = av.VideoFrame(64, 64, "yuv420p10le")
    frame.color_trc, frame.colorspace = tone.PQ, 9
    code = round(64 + 876 * pq_code(0.5 * 203))  # limited range, 10 bits
    for number, plane in enumerate(frame.planes):
        plane.update(np.full(plane.buffer_size // 2, 512 if number else code, np.uint16).tobytes())
    picture = Picture(frame)
    right = 255 * 0.5 ** (1 / 2.2)
    assert picture.rgb(32, 32).mean() == pytest.approx(right, abs=4)
    assert picture.gray(16, 16).mean() == pytest.approx(right, abs=4)
    frame.color_trc = 1  # as an ordinary picture the same codes are another grey
    assert abs(Picture(frame).rgb(32, 32).mean() - right) > 20


@pytest.mark.parametrize("matrix", range(20))
def test_a_picture_of_any_matrix_keeps_its_light(matrix: int) -> None:
    """FFmpeg's scaler refuses half of them, and with them went the whole video."""
    frame = av.VideoFrame(64, 64, "yuv420p")
    frame.colorspace = matrix
    for number, plane in enumerate(frame.planes):
        plane.update(bytes([128 if number else 180]) * plane.buffer_size)
    picture = Picture(frame)
    assert picture.rgb(32, 32).mean() == pytest.approx((180 - 16) / 219 * 255, abs=3)
    assert picture.gray(16, 16).mean() == pytest.approx((180 - 16) / 219 * 255, abs=3)
