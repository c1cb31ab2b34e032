"""A drawn world that is harder than a gallery: 200 things, relations, occlusion, a moving camera, look-alikes.

A scene shows one thing, or two in a relation: one left of, above or behind the other. Its sentence is drawn from the
archive's templates, or from paraphrases that people wrote (lab/train/paraphrases.json), which no training sees."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

COLOURS: dict[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {  # light, and the words for it, the usual one first
    "red": ((214, 40, 40), ("red", "crimson", "scarlet")),
    "green": ((40, 170, 60), ("green", "emerald")),
    "blue": ((45, 85, 220), ("blue", "navy")),
    "yellow": ((240, 215, 40), ("yellow", "golden")),
    "white": ((245, 245, 245), ("white", "snowy")),
    "orange": ((240, 130, 30), ("orange", "amber")),
    "purple": ((130, 50, 180), ("purple", "violet")),
    "pink": ((245, 150, 190), ("pink", "rosy")),
    "brown": ((130, 80, 35), ("brown", "chestnut")),
    "cyan": ((60, 215, 225), ("cyan", "turquoise")),
}
SHAPES: dict[str, tuple[str, ...]] = {
    "triangle": ("triangle",),
    "circle": ("circle", "disc"),
    "square": ("square", "box"),
    "cross": ("cross", "plus"),
    "star": ("star",),
    "ring": ("ring", "hoop"),
    "bar": ("bar", "stick"),
    "diamond": ("diamond", "rhombus"),
    "arrow": ("arrow", "pointer"),
    "crescent": ("crescent", "moon"),
}
TEXTURES: dict[str, tuple[str, ...]] = {"plain": (), "striped": ("striped", "banded")}
RELATIONS = ("alone", "left", "above", "behind")
PARAPHRASES = Path(__file__).with_name("paraphrases.json")
TEMPLATES = {
    "alone": ("{a}", "we see {a}", "here is {a}", "{a} is shown", "now {a}"),
    "left": ("{a} left of {b}", "{a} is left of {b}", "here {a} stands left of {b}", "{b} right of {a}"),
    "above": ("{a} above {b}", "{a} is above {b}", "here {a} stands above {b}", "{b} below {a}"),
    "behind": ("{a} behind {b}", "{a} is behind {b}", "here {a} stands behind {b}", "{b} in front of {a}"),
}


@dataclass(frozen=True, order=True)
class Thing:
    colour: str
    shape: str
    texture: str = "plain"

    def told(self, rng: random.Random, rare: float) -> str:
        """`a striped red circle`; `rare`: the chance of each word to be another than the usual one."""
        words = [TEXTURES[self.texture], COLOURS[self.colour][1], SHAPES[self.shape]]
        return "a " + " ".join(rng.choice(w) if rng.random() < rare else w[0] for w in words if w)


THINGS = tuple(Thing(*one) for one in product(COLOURS, SHAPES, TEXTURES))  # 200


@dataclass(frozen=True, order=True)
class Scene:
    relation: str
    a: Thing
    b: Thing | None = None

    def told(self, rng: random.Random, rare: float = 0.3) -> str:
        """As the archive's narrator says it."""
        return _said(rng.choice(TEMPLATES[self.relation]), self, rng, rare)

    def paraphrased(self, patterns: dict[str, list[str]], rng: random.Random, rare: float = 0.5) -> str:
        """As somebody else asks for it."""
        return _said(rng.choice(patterns[self.relation]), self, rng, rare)


def paraphrases() -> dict[str, list[str]]:
    """The patterns that people wrote, by relation."""
    found: dict[str, list[str]] = json.loads(PARAPHRASES.read_text(encoding="utf-8"))
    return found


def random_scene(rng: random.Random) -> Scene:
    relation = rng.choice(RELATIONS)
    a, b = rng.sample(THINGS, 2)
    return Scene(relation, a, None if relation == "alone" else b)


def look_alike(scene: Scene, rng: random.Random) -> Scene:
    """Another scene that shares most with this one: one attribute differs, or the relation, or who stands where."""
    kind = rng.choice(("colour", "shape", "texture", "relation", "turned") if scene.b else ("colour", "shape"))
    if kind == "turned" and scene.b is not None:
        return Scene(scene.relation, scene.b, scene.a)
    if kind == "relation":
        others = [one for one in RELATIONS if one not in ("alone", scene.relation)]
        return Scene(rng.choice(others), scene.a, scene.b)
    own = {name: getattr(scene.a, name) for name in ("colour", "shape", "texture")}
    kind = kind if kind in own else "colour"
    of = {"colour": COLOURS, "shape": SHAPES, "texture": TEXTURES}[kind]
    own[kind] = rng.choice([value for value in of if value != own[kind]])
    other = Thing(**own)
    return scene if other == scene.b else Scene(scene.relation, other, scene.b)


@dataclass(frozen=True)
class Camera:
    """Where the camera is: moved by shares of the picture, and how near."""

    x: float = 0.0
    y: float = 0.0
    zoom: float = 1.0


class Shot:
    """One scene on one ground, drawn as often as wanted with another camera."""

    def __init__(self, scene: Scene | None, rng: random.Random, clutter: Sequence[Thing] = ()) -> None:
        self._scene = scene
        self._ground = tuple(rng.randint(15, 90) for _ in range(3))
        self._blocks = [
            (rng.random(), rng.random(), rng.random(), rng.random(), [rng.randint(-25, 25) for _ in range(3)])
            for _ in range(rng.randint(0, 3))
        ]
        self._turns = [rng.uniform(-0.3, 0.3) for _ in range(2)]
        self._size = [rng.uniform(0.85, 1.15) for _ in range(2)]
        self._small = [(thing, rng.uniform(0.1, 0.9), rng.uniform(0.1, 0.9), rng.uniform(-1, 1)) for thing in clutter]
        self._noise = np.random.default_rng(rng.getrandbits(32))

    def picture(self, side: int, camera: Camera) -> NDArray[np.uint8]:
        """(side, side, 3)."""
        large = 2 * side
        image = Image.new("RGB", (large, large), self._ground)
        pen = ImageDraw.Draw(image)
        for x, y, w, h, shift in self._blocks:
            light = tuple(max(0, min(110, level + by)) for level, by in zip(self._ground, shift, strict=True))
            pen.rectangle((x * large, y * large, (x + w) * large, (y + h) * large), fill=light)
        for thing, x, y, turn in self._small:
            self._thing(pen, image, thing, x, y, 0.07, turn, large, camera)
        for place, (thing, x, y, radius) in enumerate(self._placed()):
            self._thing(pen, image, thing, x, y, radius * self._size[place], self._turns[place], large, camera)
        pixels = np.asarray(image.resize((side, side), Image.Resampling.BOX)).astype(np.int16)
        noise = self._noise.integers(-5, 6, pixels.shape, dtype=np.int16)
        made: NDArray[np.uint8] = np.clip(pixels + noise, 0, 255).astype(np.uint8)
        return made

    def _placed(self) -> list[tuple[Thing, float, float, float]]:
        """(thing, x, y, radius) in shares of the picture, the nearest last."""
        scene = self._scene
        if scene is None:
            return []
        if scene.b is None:
            return [(scene.a, 0.5, 0.5, 0.32)]
        if scene.relation == "left":
            return [(scene.a, 0.27, 0.5, 0.2), (scene.b, 0.73, 0.5, 0.2)]
        if scene.relation == "above":
            return [(scene.a, 0.5, 0.27, 0.2), (scene.b, 0.5, 0.73, 0.2)]
        return [(scene.a, 0.42, 0.42, 0.28), (scene.b, 0.62, 0.62, 0.2)]  # b covers a part of a

    def _thing(
        self,
        pen: Any,
        image: Image.Image,
        thing: Thing,
        x: float,
        y: float,
        radius: float,
        turn: float,
        large: int,
        camera: Camera,
    ) -> None:
        x, y = (0.5 + (x - 0.5 + camera.x) * camera.zoom) * large, (0.5 + (y - 0.5 + camera.y) * camera.zoom) * large
        radius *= large * camera.zoom
        mask = Image.new("L", image.size, 0)
        _outline(ImageDraw.Draw(mask), thing.shape, x, y, radius, turn)
        light = COLOURS[thing.colour][0]
        fill = Image.new("RGB", image.size, light)
        if thing.texture == "striped":
            stripes, step = ImageDraw.Draw(fill), max(4, int(radius / 2.2))
            dark = tuple(level // 4 for level in light)
            for at in range(-large, 2 * large, step):
                stripes.line((at, 0, at + large // 3, large), fill=dark, width=step // 2)
        image.paste(fill, mask=mask)


def _outline(pen: Any, shape: str, x: float, y: float, radius: float, turn: float) -> None:
    if shape in ("circle", "ring", "crescent"):
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
        inner, off = (0.55, 0.0) if shape == "ring" else (0.85, 0.5)
        if shape != "circle":
            r, x = radius * inner, x + off * radius
            pen.ellipse((x - r, y - r, x + r, y + r), fill=0)
        return
    pen.polygon(
        [(x + radius * r * math.cos(a), y + radius * r * math.sin(a)) for a, r in _corners(shape, turn)], fill=255
    )


def _corners(shape: str, turn: float) -> list[tuple[float, float]]:
    """(angle, share of the radius)."""
    quarter, tau = math.pi / 2, 2 * math.pi
    if shape == "triangle":
        return [(turn - quarter + i * tau / 3, 1.0) for i in range(3)]
    if shape == "square":
        return [(turn + quarter / 2 + i * quarter, 1.0) for i in range(4)]
    if shape == "diamond":
        return [(turn + i * quarter, 1.0 if i % 2 else 0.6) for i in range(4)]
    if shape == "star":
        return [(turn - quarter + i * tau / 10, 0.4 if i % 2 else 1.0) for i in range(10)]
    if shape == "bar":
        return [(turn + a, 1.0) for a in (-0.2, 0.2, math.pi - 0.2, math.pi + 0.2)]
    if shape == "arrow":
        back = [(math.pi - 0.35, 0.45), (math.pi, 0.9), (math.pi + 0.35, 0.45)]
        return [(turn + a, r) for a, r in ((0.0, 1.0), (1.4, 0.8), *back, (-1.4, 0.8))]
    arm, inner = math.atan2(0.28, 1.0), math.hypot(0.28, 0.28)
    found: list[tuple[float, float]] = []
    for i in range(4):
        middle = turn + i * quarter
        found += [(middle - arm, 1.0), (middle + arm, 1.0), (middle + quarter / 2, inner)]
    return found


def _said(pattern: str, scene: Scene, rng: random.Random, rare: float) -> str:
    return pattern.format(a=scene.a.told(rng, rare), b=scene.b.told(rng, rare) if scene.b else "")
