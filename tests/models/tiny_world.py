"""A world of coloured shapes, and a tiny SigLIP that learns to name them in half a minute: meaning for tests to check.

`draw` makes a picture of a thing or of nothing, `train` makes a checkpoint as transformers saves one, with tokenizer
and image processor, and the fixture `tiny_world` gives its folder. The world has no motion: an image-text encoder sees
one picture. Its things stand near the middle and alone: 800 steps are few, and a test cannot wait for more."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from tests.conftest import Once
from tests.models.checkpoints import word_tokenizer

COLOURS = {
    "red": (214, 40, 40),
    "green": (40, 170, 60),
    "blue": (45, 85, 220),
    "yellow": (240, 215, 40),
    "white": (245, 245, 245),
}
SHAPES = ("triangle", "circle", "square", "cross")
PICTURE = 32  # px, what the model sees
LENGTH = 9  # tokens of a text
STEPS = 800
WORDS = ["a", "the", "picture", "of", "something", *COLOURS, *SHAPES]


@dataclass(frozen=True)
class Thing:
    colour: str
    shape: str

    @property
    def told(self) -> str:
        return f"a {self.colour} {self.shape}"


THINGS = tuple(Thing(colour, shape) for colour, shape in product(COLOURS, SHAPES))


def draw(thing: Thing | None, rng: random.Random, width: int = PICTURE, height: int = PICTURE) -> NDArray[np.uint8]:
    """(height, width, 3): the thing near the middle, turned, stretched, on a dim uneven ground with some noise."""
    large = (width * 3, height * 3)  # smooth edges
    ground = [rng.randint(15, 95) for _ in range(3)]
    image = Image.new("RGB", large, tuple(ground))
    pen = ImageDraw.Draw(image)
    for _ in range(rng.randint(0, 3)):  # dim blocks, which are no things
        x, y = rng.randrange(large[0]), rng.randrange(large[1])
        dim = tuple(max(0, min(110, level + rng.randint(-25, 25))) for level in ground)
        pen.rectangle((x, y, x + rng.randrange(large[0]), y + rng.randrange(large[1])), fill=dim)
    if thing is not None:
        radius_x, radius_y = (side / 2 * rng.uniform(0.5, 0.85) for side in large)
        x, y = (side / 2 * (1 + rng.uniform(-0.15, 0.15)) for side in large)
        colour = tuple(max(0, min(255, level + rng.randint(-12, 12))) for level in COLOURS[thing.colour])
        _shape(pen, thing.shape, x, y, radius_x, radius_y, rng, colour)
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BOX)).astype(np.int16)
    noise = np.random.default_rng(rng.getrandbits(32)).integers(-5, 6, pixels.shape, dtype=np.int16)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def _shape(
    pen: Any, shape: str, x: float, y: float, radius_x: float, radius_y: float, rng: random.Random, fill: Any
) -> None:
    if shape == "circle":
        pen.ellipse((x - radius_x, y - radius_y, x + radius_x, y + radius_y), fill=fill)
        return
    turn = rng.uniform(-0.3, 0.3)
    corners: list[tuple[float, float]] = []  # (angle, share of the radius)
    match shape:
        case "triangle":
            corners = [(turn - math.pi / 2 + i * 2 * math.pi / 3, 1.0) for i in range(3)]
        case "square":
            corners = [(turn + math.pi / 4 + i * math.pi / 2, 1.0) for i in range(4)]
        case "cross":
            arm = math.atan2(0.28, 1.0)
            inner = math.hypot(0.28, 0.28)
            for i in range(4):
                middle = turn + i * math.pi / 2
                corners += [(middle - arm, 1.0), (middle + arm, 1.0), (middle + math.pi / 4, inner)]
    pen.polygon([(x + radius_x * r * math.cos(a), y + radius_y * r * math.sin(a)) for a, r in corners], fill=fill)


def gallery(count: int, seed: int) -> tuple[list[Thing | None], NDArray[np.uint8]]:
    """Random things, one in ten pictures without any, and the pictures (count, 32, 32, 3)."""
    rng = random.Random(seed)
    shown = [None if rng.random() < 0.1 else rng.choice(THINGS) for _ in range(count)]
    return shown, np.stack([draw(thing, rng) for thing in shown])


def train(folder: Path, *, steps: int = STEPS, seed: int = 0) -> Path:
    """Train a tiny SigLIP on drawn pictures and save it as transformers does; returns the folder.

    Loss: SigLIP's sigmoid over all pairs of a batch. Differs: a pair counts as right wherever the text is true of the
    picture, because the same thing is drawn many times; right and wrong pairs weigh the same.
    """
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    torch.manual_seed(seed)
    tokenizer = word_tokenizer(WORDS)
    text = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2}
    text |= {"vocab_size": len(tokenizer), "max_position_embeddings": LENGTH, "projection_size": 64}
    text |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    seen = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    model: Any = SiglipModel(
        SiglipConfig(text_config=text, vision_config={**seen, "image_size": PICTURE, "patch_size": 8})
    )
    model.logit_scale.data.fill_(math.log(10.0))
    model.logit_bias.data.fill_(-2.0)
    things, drawn = gallery(3000, seed + 1)
    pixels = (torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
    texts, means = _texts()
    true = torch.tensor([[thing in meant for meant in means] for thing in things])  # (pictures, texts)
    ids = tokenizer(texts, padding="max_length", max_length=LENGTH, return_tensors="pt").input_ids
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=3e-3, total_steps=max(100, steps), pct_start=0.1)
    generator = torch.Generator().manual_seed(seed)
    for step in range(steps):
        chosen = torch.randint(len(pixels), (64,), generator=generator)
        asked = torch.randperm(len(texts), generator=generator)[:32]
        shown = pixels[chosen].flip(3) if step % 2 else pixels[chosen]
        logits = model(pixel_values=shown, input_ids=ids[asked]).logits_per_image  # (pictures, texts)
        right = true[chosen][:, asked]
        losses = -torch.nn.functional.logsigmoid(torch.where(right, logits, -logits))
        loss = losses[right].mean() + losses[~right].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    model.eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": PICTURE, "width": PICTURE}).save_pretrained(folder)
    return folder


def _texts() -> tuple[list[str], list[frozenset[Thing]]]:
    """Every text that is trained, with the things it is true of.

    Colours and shapes alone are trained too: they teach what the words mean much faster than whole things do.
    """
    said = {f"a {shape}": frozenset(thing for thing in THINGS if thing.shape == shape) for shape in SHAPES}
    said |= {
        f"something {colour}": frozenset(thing for thing in THINGS if thing.colour == colour) for colour in COLOURS
    }
    said |= {thing.told: frozenset([thing]) for thing in THINGS}
    said |= {f"the picture of {thing.told}": frozenset([thing]) for thing in THINGS}
    return list(said), list(said.values())


def scores(encoder: Any, texts: Sequence[str], pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Cosines (texts, pictures) by a loaded encoder."""
    made: NDArray[np.float32] = encoder.encode_text(texts) @ encoder.encode(pictures).T
    return made


@pytest.fixture(scope="session")
def tiny_world(once: Once) -> Path:
    """The folder of the trained model; trained once in a run, wherever this fixture is imported."""
    folder: Path = once("tiny world", lambda folder: train(folder / "tiny-world-siglip"))
    return folder
