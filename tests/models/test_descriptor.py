from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageDraw

from agent_tools.errors import ShapeError
from agent_tools.models.descriptor import PixelDescriptor

W, H = PixelDescriptor.size


def slide(*lines: str, seed: int = 0, back: int = 255) -> np.ndarray:
    """A drawn slide with a little sensor noise."""
    image = Image.new("RGB", (W * 4, H * 4), (back, back, back))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, W * 4, 30), fill=(30, 60, 120))
    for row, line in enumerate(lines):
        draw.text((20, 60 + 40 * row), line, fill=(10, 10, 10), font_size=24)
    pixels = np.asarray(image.resize((W, H), Image.Resampling.BOX)).astype(np.int16)
    noise = np.random.default_rng(seed).integers(-2, 3, pixels.shape)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def scene(seed: int) -> np.ndarray:
    """A drawn natural scene: large soft shapes."""
    small = np.random.default_rng(seed).integers(0, 255, (9, 16, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((W, H), Image.Resampling.BICUBIC))


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    one, two = PixelDescriptor().encode(np.stack([a, b]))
    return float(one @ two)


def test_vectors_are_float32_of_unit_length() -> None:
    pictures = np.stack([slide("text"), scene(1), np.zeros((H, W, 3), np.uint8), np.full((H, W, 3), 255, np.uint8)])
    vectors = PixelDescriptor().encode(pictures)
    assert vectors.shape == (4, PixelDescriptor.dim)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_a_batch_equals_its_pictures_one_by_one() -> None:
    pictures = np.stack([slide("text"), scene(1), scene(2)])
    together = PixelDescriptor().encode(pictures)
    apart = np.concatenate([PixelDescriptor().encode(pictures[i : i + 1]) for i in range(3)])
    assert np.allclose(together, apart, atol=1e-5)
    assert PixelDescriptor().encode(pictures[:0]).shape == (0, PixelDescriptor.dim)


def test_a_static_picture_with_noise_stays_itself() -> None:
    assert cosine(slide("Attention", "keys and values", seed=1), slide("Attention", "keys and values", seed=2)) > 0.99


def test_the_next_slide_of_a_template_is_told_apart() -> None:
    first = slide("Attention", "keys and values", "queries")
    second = slide("Memory", "what was read once is read again", "a longer line of text here", "and one more")
    assert cosine(first, second) < PixelDescriptor.threshold


def test_unrelated_scenes_lie_near_zero_where_raw_pixels_do_not() -> None:
    def raw(picture: np.ndarray) -> np.ndarray:
        flat = picture.astype(np.float64).ravel()
        return flat / np.linalg.norm(flat)

    pairs = [(scene(i), scene(i + 100)) for i in range(10)]
    assert np.mean([raw(a) @ raw(b) for a, b in pairs]) > 0.6
    assert abs(np.mean([cosine(a, b) for a, b in pairs])) < 0.15


def test_brightness_alone_changes_nothing() -> None:
    """Each frame's own mean is removed: a fade of the whole picture is no new picture."""
    dark = scene(3) // 2 + 20
    assert cosine(dark, dark + 60) > 0.999


@pytest.mark.parametrize(("level", "other"), [(0, 255), (0, 3), (128, 20)])
def test_featureless_pictures_are_alike_whatever_their_noise(level: int, other: int) -> None:
    rng = np.random.default_rng(0)
    a = np.clip(level + (rng.random((H, W, 3)) < 0.02), 0, 255).astype(np.uint8)
    b = np.clip(other - (rng.random((H, W, 3)) < 0.02), 0, 255).astype(np.uint8)
    assert cosine(a, b) > 0.95
    assert cosine(a, scene(1)) < 0.5


def test_a_picture_of_another_size_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(n, 72, 128, 3\)"):
        PixelDescriptor().encode(np.zeros((1, 180, 320, 3), np.uint8))
