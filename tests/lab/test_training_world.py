"""The drawn world of lab.train: its things, its sentences, and films whose subtitles are their truth."""

from __future__ import annotations

import random
from itertools import pairwise
from pathlib import Path

import numpy as np

from lab.train.__main__ import Size
from lab.train.films import draw_film, truth_of
from lab.train.world import (
    RELATIONS,
    TEMPLATES,
    THINGS,
    Camera,
    Scene,
    Shot,
    Thing,
    look_alike,
    paraphrases,
    random_scene,
)


def test_the_world_has_two_hundred_things_and_a_hundred_paraphrases_that_no_template_says() -> None:
    assert len(set(THINGS)) == 200
    patterns = paraphrases()
    said = [pattern for found in patterns.values() for pattern in found]
    assert len(set(said)) == len(said) >= 100
    assert not set(said) & {pattern for found in TEMPLATES.values() for pattern in found}
    assert set(patterns) == set(RELATIONS)
    for relation, found in patterns.items():
        assert all("{a}" in pattern and ("{b}" in pattern) == (relation != "alone") for pattern in found)


def test_the_films_last_from_ten_minutes_to_six_hours() -> None:
    assert (min(Size().minutes), max(Size().minutes)) == (10, 360)


def test_a_look_alike_is_another_scene_that_shares_a_thing() -> None:
    rng = random.Random(0)
    for _ in range(300):
        scene = random_scene(rng)
        other = look_alike(scene, rng)
        things = {scene.a, scene.b} - {None}
        shared = things & {other.a, other.b}
        assert shared or (other.b is None and scene.b is None)
        own = (scene.a.colour, scene.a.shape, scene.a.texture)
        theirs = (other.a.colour, other.a.shape, other.a.texture)
        if other.relation == scene.relation and other.b == scene.b and other.a != scene.a:
            assert sum(x != y for x, y in zip(own, theirs, strict=True)) == 1


def test_the_nearer_thing_covers_a_part_and_the_camera_moves_the_picture() -> None:
    far, near = Thing("red", "circle"), Thing("blue", "square")
    alone, behind = (
        Shot(scene, random.Random(3)).picture(96, Camera()).astype(int)
        for scene in (Scene("left", far, near), Scene("behind", far, near))
    )
    red, blue = (picture[..., 0] - picture[..., 2] for picture in (alone, behind))
    assert (red > 100).sum() > 0
    assert (blue > 100).sum() > 0
    shot = Shot(Scene("alone", far), random.Random(3))
    columns = [np.nonzero((shot.picture(96, Camera(x=x))[..., 0] > 180).any(axis=0))[0].mean() for x in (-0.1, 0.1)]
    assert columns[1] - columns[0] > 10


def test_a_film_says_in_its_subtitles_what_it_shows(tmp_path: Path) -> None:
    events = draw_film(tmp_path / "film.mp4", 120, seed=4)
    assert truth_of(tmp_path / "film.mp4") == events
    subtitles = (tmp_path / "film.srt").read_text()
    assert all(event.said in subtitles for event in events)
    assert len({event.scene for event in events}) == len(events) >= 4
    assert all(before.end_s < after.start_s for before, after in pairwise(events))
