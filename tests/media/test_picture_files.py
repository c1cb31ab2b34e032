"""Pictures that are kept as small files."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, features

from agent_tools.errors import EngineError
from agent_tools.media import picture_files
from agent_tools.media.picture_files import as_jpeg, picture_file, pixels_of


def drawn() -> np.ndarray:
    """A picture (198, 352, 3) with slopes, an edge and grain."""
    y, x = np.mgrid[:198, :352]
    picture = np.stack([x * 0.7, y * 1.2, np.where(x > 170, 200, 40)], axis=2)
    return np.clip(picture + np.random.default_rng(0).normal(0, 6, picture.shape), 0, 255).astype(np.uint8)


def without_avif(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(picture_files.features, "check", lambda name: name != "avif")


def error(data: bytes) -> float:
    return float(np.abs(pixels_of(data).astype(int) - drawn()).mean())


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_a_kept_picture_takes_a_quarter_less_room_than_a_jpeg_as_good(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = picture_file(drawn())
    without_avif(monkeypatch)
    plain = picture_file(drawn())
    assert plain.startswith(b"\xff\xd8")
    assert len(kept) < 0.75 * len(plain)
    assert error(kept) < 1.1 * error(plain)


def test_the_same_picture_gives_the_same_bytes() -> None:
    assert picture_file(drawn()) == picture_file(drawn())


def test_a_kept_picture_is_given_as_jpeg() -> None:
    given = as_jpeg(picture_file(drawn()))
    with Image.open(io.BytesIO(given)) as image:
        assert (image.format, image.size) == ("JPEG", (352, 198))
    assert error(given) < 6


def test_a_jpeg_of_an_older_store_is_given_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    without_avif(monkeypatch)
    old = picture_file(drawn())
    assert as_jpeg(old) is old


@pytest.mark.parametrize("cut", [0, 10, 200])
def test_a_damaged_file_is_an_error_with_the_remedy(cut: int) -> None:
    with pytest.raises(EngineError, match="reindex"):
        pixels_of(picture_file(drawn())[:cut])
