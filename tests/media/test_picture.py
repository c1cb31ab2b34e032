from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from agent_tools.errors import InvalidArgument
from agent_tools.media import crop, probe, sample
from agent_tools.media.picture import Picture


@pytest.fixture
def picture(steady: Path) -> Picture:
    return next(iter(sample(probe(steady)))).picture


def test_picture_is_stretched_to_the_asked_size(picture: Picture) -> None:
    assert picture.rgb(224, 224).shape == (224, 224, 3)
    assert picture.gray(31, 7).shape == (7, 31)
    assert picture.rgb(224, 224).dtype == np.uint8


def test_fit_keeps_the_aspect_and_never_enlarges(picture: Picture) -> None:
    assert picture.fit(160).shape == (90, 160, 3)
    assert picture.fit(5000).shape == (180, 320, 3)


def test_jpeg_opens_and_shows_the_picture(picture: Picture) -> None:
    shown = np.asarray(Image.open(io.BytesIO(picture.jpeg(160, quality=90))).convert("RGB"), dtype=float)
    assert shown.shape == (90, 160, 3)
    assert np.abs(shown - picture.fit(160)).mean() < 6


def test_every_size_stays_right_when_many_are_asked_in_turn(picture: Picture) -> None:
    first = picture.rgb(64, 36)
    for width in range(10, 40):
        assert picture.rgb(width, 20).shape == (20, width, 3)
    assert np.array_equal(picture.rgb(64, 36), first)


def test_size_below_one_pixel_is_refused(picture: Picture) -> None:
    with pytest.raises(InvalidArgument, match="0x5"):
        picture.rgb(0, 5)
    with pytest.raises(InvalidArgument):
        picture.fit(0)


@pytest.mark.parametrize(
    ("region", "shape"),
    [
        ([0, 0, 1, 1], (100, 200)),
        ([0.5, 0.25, 0.5, 0.5], (50, 100)),
        ([0.99, 0.99, 0.01, 0.01], (1, 2)),
        ([0.9999, 0.9999, 0.0001, 0.0001], (1, 1)),
        ([0.1, 0.7, 0.9, 0.3], (30, 180)),
    ],
)
def test_crop_takes_the_share(region: list[float], shape: tuple[int, int]) -> None:
    rgb = np.arange(100 * 200 * 3, dtype=np.uint32).astype(np.uint8).reshape(100, 200, 3)
    assert crop(rgb, region).shape[:2] == shape


def test_crop_starts_at_its_corner() -> None:
    rgb = np.zeros((100, 200, 3), np.uint8)
    rgb[25, 100] = 255
    assert (crop(rgb, [0.5, 0.25, 0.2, 0.2])[0, 0] == 255).all()


@pytest.mark.parametrize("region", [[], [0, 0, 1], [0, 0, 0, 1], [0.5, 0, 0.6, 1], [-0.1, 0, 0.5, 0.5], [0, 0, 2, 1]])
def test_region_outside_the_picture_is_refused(region: list[float]) -> None:
    with pytest.raises(InvalidArgument, match="region"):
        crop(np.zeros((10, 10, 3), np.uint8), region)
