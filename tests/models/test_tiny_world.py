"""Pictures are found by meaning: a SigLIP that was trained on drawings, through the product's own loader."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from agent_tools.models import profiles
from agent_tools.models.hub.folders import Reference, locate
from agent_tools.models.image_text import ImageText
from agent_tools.models.profiles import ModelSettings
from tests.models import checkpoints
from tests.models.tiny_world import THINGS, Thing, draw, gallery, scores, tiny_world

__all__ = ["tiny_world"]  # a fixture
GREEN_TRIANGLE = Thing("green", "triangle")


@pytest.fixture(scope="module")
def encoder(tiny_world: Path) -> ImageText:
    settings = ModelSettings("standard", folders=(), overrides={"frames": str(tiny_world)}, device="cpu/fp32")
    made = profiles.frame_encoder(settings)
    assert isinstance(made, ImageText)
    return made


@pytest.fixture(scope="module")
def held_out() -> tuple[list[Thing | None], np.ndarray]:
    return gallery(600, seed=99)


def precision_at_5(found: np.ndarray, shown: list[Thing | None]) -> float:
    right = [[shown[i] == thing for i in np.argsort(-row)[:5]] for thing, row in zip(THINGS, found, strict=True)]
    return float(np.mean(right))


@pytest.mark.train
def test_a_green_triangle_finds_green_triangles(encoder: ImageText, held_out: tuple) -> None:
    shown, pictures = held_out
    (found,) = scores(encoder, ["a green triangle"], pictures)
    best = [shown[i] for i in np.argsort(-found)[:10]]
    assert best.count(GREEN_TRIANGLE) >= 9
    other_words = scores(encoder, ["the picture of a green triangle"], pictures)[0]
    assert [shown[i] for i in np.argsort(-other_words)[:10]].count(GREEN_TRIANGLE) >= 9


@pytest.mark.train
def test_every_thing_is_found_by_its_words(encoder: ImageText, held_out: tuple) -> None:
    """Held-out drawings: precision at 5 of at least .9 over 20 things; an untrained model of the same kind has .05."""
    shown, pictures = held_out
    assert precision_at_5(scores(encoder, [thing.told for thing in THINGS], pictures), shown) >= 0.9


@pytest.mark.train
def test_a_random_model_finds_nothing(held_out: tuple, tmp_path: Path) -> None:
    """The control: what the trained one knows does not come from the drawings or from the measure."""
    shown, pictures = held_out
    folder = checkpoints.siglip(tmp_path / "random")
    random_model = ImageText(locate(Reference.of(str(folder)), [], ""))
    assert precision_at_5(scores(random_model, [thing.told for thing in THINGS], pictures), shown) <= 0.3


@pytest.mark.train
def test_colours_and_shapes_are_told_apart_on_their_own(encoder: ImageText, held_out: tuple) -> None:
    shown, pictures = held_out
    for text, holds in (
        ("something green", lambda thing: thing is not None and thing.colour == "green"),
        ("a triangle", lambda thing: thing is not None and thing.shape == "triangle"),
    ):
        (found,) = scores(encoder, [text], pictures)
        assert sum(holds(shown[i]) for i in np.argsort(-found)[:20]) >= 18, text


@pytest.mark.train
def test_an_absent_thing_scores_below_a_present_one(encoder: ImageText) -> None:
    """Over a film of other things, the best picture for what is absent stays under every picture of what is there."""
    rng = random.Random(3)
    film = [thing for thing in THINGS if thing != GREEN_TRIANGLE]
    without = np.stack([draw(thing, rng) for thing in film for _ in range(5)])
    within = np.stack([draw(GREEN_TRIANGLE, rng) for _ in range(20)])
    there, absent = (scores(encoder, [GREEN_TRIANGLE.told], pictures)[0] for pictures in (within, without))
    assert np.median(there) > absent.max()


@pytest.mark.train
def test_a_film_frame_scaled_by_the_decoder_is_recognised(encoder: ImageText) -> None:
    """640 x 360 in yuv420p, scaled by swscale to the model's 32 x 32, as in an ingest."""
    av = pytest.importorskip("av")
    rng = random.Random(8)
    right = 0
    for thing in THINGS:
        frame = av.VideoFrame.from_ndarray(draw(thing, rng, 640, 360), format="rgb24").reformat(format="yuv420p")
        small = frame.reformat(*encoder.size, format="rgb24", interpolation="BILINEAR").to_ndarray()
        found = scores(encoder, [one.told for one in THINGS], small[None])[:, 0]
        right += THINGS[int(found.argmax())] == thing
    assert right >= 0.85 * len(THINGS)
