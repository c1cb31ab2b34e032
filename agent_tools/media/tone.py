"""High dynamic range (PQ and HLG) as it looks on an ordinary screen, so that eyes, OCR and encoders see what they know.

Without it the curve of such a picture is read as an ordinary one, and it looks grey and flat."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

PQ, HLG = 16, 18  # numbers of the transfer curves (ITU-T H.273)
_WHITE_NITS = 203.0  # of a sheet of paper in HDR (ITU-R BT.2408)
_PEAK = 1000.0 / _WHITE_NITS  # the brightest light that is distinguished; most films are graded for it
_KNEE = 0.7  # up to here light stays as it is; above, it bends so that the peak is white
_TO_709 = np.array(  # light of BT.2020's primaries in those of BT.709 (ITU-R BT.2087)
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]], np.float32
)
_LUMA_2020 = np.array([0.2627, 0.6780, 0.0593], np.float32)
_LUMA_601 = np.array([0.299, 0.587, 0.114], np.float32)
_GAMMA = 1 / 2.2


def to_sdr(rgb: NDArray[np.uint16], curve: int) -> NDArray[np.uint8]:
    """(H, W, 3) of BT.2020 in a 16-bit HDR curve (PQ or HLG) as (H, W, 3) of 8-bit BT.709.

    Source: ITU-R BT.2100 (curves), BT.2087 (primaries); the bend is the Moebius curve of FFmpeg's and mpv's tonemap."""
    light = _light(curve)[rgb]
    if curve == HLG:
        light *= np.maximum(light @ _LUMA_2020, 1e-6)[..., None] ** 0.2  # the screen's own gamma, 1.2
        light *= _PEAK
    light = light @ _TO_709.T
    brightest = np.maximum(light.max(axis=-1, keepdims=True), 1e-6)
    light = np.clip(light * (_bent(brightest) / brightest), 0.0, 1.0)
    return np.asarray(np.rint(light**_GAMMA * 255), np.uint8)


def luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3) as (H, W) of full range."""
    return np.asarray(np.rint(rgb @ _LUMA_601), np.uint8)


@cache
def _light(curve: int) -> NDArray[np.float32]:
    """Light of each 16-bit code: in PQ as a share of paper white, in HLG as a share of the scene's brightest."""
    code = np.linspace(0.0, 1.0, 1 << 16)
    if curve == PQ:
        m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
        root = code ** (1 / m2)
        nits = 10_000 * (np.maximum(root - c1, 0.0) / (c2 - c3 * root)) ** (1 / m1)
        return np.asarray(nits / _WHITE_NITS, np.float32)
    a = 0.17883277
    b, c = 1 - 4 * a, 0.5 - a * np.log(4 * a)
    return np.asarray(np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12), np.float32)


def _bent(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Light up to the knee unchanged, from there to the peak bent into what is left up to 1."""
    j, p = _KNEE, _PEAK
    a = -j * j * (p - 1) / (j * j - 2 * j + p)
    b = (j * j - 2 * j * p + p) / (p - 1)
    bent = (b * b + 2 * b * j + j * j) / (b - a) * (light + a) / (light + b)
    return np.asarray(np.where(light <= j, light, np.minimum(bent, 1.0)), np.float32)
