"""The story of the demo video: who gave what away, where it is kept, and everything said and shown around it.

A seed decides every name, place, text and time.

The question takes three hops. Somebody says which object a person handed over (speech), an inventory card says where
that object is kept, and a gazetteer card says the gate code of that place. Every clue has look-alikes of the same form
with other names, and the clues do not come in the order in which they are needed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from agent_tools.evals.films.demo_words import BULLETS, ITEMS, OPENINGS, PEOPLE, PLACES, SENTENCES, TOPICS, Topic

Kind = Literal["slide", "item", "place", "motion"]
GRID_S = 0.25  # scenes begin and end on this grid, so that every one is a whole number of pictures
CHAPTER_S = 450.0
SLIDE_S = 80.0
MIN_DURATION_S = 60.0
MOTIONS = ("gradient", "shapes", "texture", "hills", "rings", "bars")


@dataclass(frozen=True)
class Scene:
    """What is on screen in [start_s, end_s): a slide or card with its lines, or a moving picture of some style."""

    start_s: float
    end_s: float
    kind: Kind
    lines: tuple[str, ...]  # heading first; empty for a moving picture
    style: str  # background of a slide, or the name of the moving picture
    seed: int


@dataclass(frozen=True)
class Cue:
    """One subtitle in [start_s, end_s)."""

    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Hop:
    """One clue: the channel that holds it, its span, and what it says."""

    channel: str
    start_s: float
    end_s: float
    text: str


@dataclass(frozen=True)
class Story:
    """All of the video, before a picture is drawn. `hops` stand in the order in which the question needs them."""

    seed: int
    duration_s: float
    question: str
    answer: str
    hops: tuple[Hop, Hop, Hop]
    scenes: tuple[Scene, ...]
    cues: tuple[Cue, ...]


@dataclass(frozen=True)
class _Cast:
    """The true chain is at index 0 of each; the others are look-alikes."""

    people: list[str]
    items: list[str]
    places: list[str]
    codes: list[str]


def tell(seed: int, duration_s: float = 3600.0) -> Story:
    """The story of a seed.

    Args:
        duration_s: at least 60 s; rounded to the grid of 0.25 s. A shorter video has fewer chapters and look-alikes.
    Raises: ValueError: too short for the clues to be read.
    """
    if duration_s < MIN_DURATION_S:
        raise ValueError(f"{duration_s} s is too short for the story; give at least {MIN_DURATION_S:g} s")
    duration_s = round(duration_s / GRID_S) * GRID_S
    rng = random.Random(seed)
    chapters = max(3, round(duration_s / CHAPTER_S))
    cast = _cast(rng, chapters)
    spoken, item_home, place_home = rng.sample(range(chapters), 3)
    topics = rng.sample(TOPICS, min(chapters, len(TOPICS)))
    scenes: list[Scene] = []
    cues: list[Cue] = []
    item_order = _placed(rng, chapters, item_home)
    place_order = _placed(rng, chapters, place_home)
    handover_order = _placed(rng, chapters, spoken)
    edges = [round(duration_s * i / chapters / GRID_S) * GRID_S for i in range(chapters + 1)]
    for chapter, (start_s, end_s) in enumerate(pairwise(edges)):
        topic = topics[chapter % len(topics)]
        item, place = item_order[chapter], place_order[chapter]
        cards = [
            _item_card(cast.items[item], cast.places[item]),
            _place_card(cast.places[place], cast.codes[place]),
        ]
        scenes += _chapter_scenes(rng, topic, cards, start_s, end_s)
        giver = handover_order[chapter]
        cues += _chapter_cues(rng, topic, cast, handover(cast.people[giver], cast.items[giver]), start_s, end_s)
    hops = (
        _spoken_hop(cues, cast),
        _shown_hop(scenes, "item", cast.items[0]),
        _shown_hop(scenes, "place", cast.places[0]),
    )
    question = (
        f"{cast.people[0]} gave something away before leaving. "
        "Where is that thing kept today, and what is the gate code of that place?"
    )
    return Story(seed, duration_s, question, cast.codes[0], hops, tuple(scenes), tuple(cues))


def chapter_length_s(duration_s: float) -> float:
    """How long a chapter of the story is."""
    return duration_s / max(3, round(duration_s / CHAPTER_S))


def handover(person: str, item: str) -> str:
    """The sentence that links a person with an object."""
    return f"Before the last boat left, {person} handed the {item} to the night porter."


def srt(cues: tuple[Cue, ...]) -> str:
    """The cues as a SubRip file."""

    def stamp(seconds: float) -> str:
        ms = round(seconds * 1000)
        return f"{ms // 3_600_000:02d}:{ms // 60_000 % 60:02d}:{ms // 1000 % 60:02d},{ms % 1000:03d}"

    return "\n".join(f"{n}\n{stamp(c.start_s)} --> {stamp(c.end_s)}\n{c.text}\n" for n, c in enumerate(cues, 1))


def _cast(rng: random.Random, size: int) -> _Cast:
    size = min(size, len(PEOPLE), len(ITEMS), len(PLACES))
    codes = [str(code) for code in rng.sample(range(1000, 10000), size)]
    return _Cast(rng.sample(PEOPLE, size), rng.sample(ITEMS, size), rng.sample(PLACES, size), codes)


def _placed(rng: random.Random, chapters: int, home: int) -> list[int]:
    """Which of the cast appears in which chapter: the true one (0) in `home`, look-alikes in the others."""
    others = [1 + i % (min(chapters, len(PEOPLE)) - 1) for i in range(chapters - 1)]
    rng.shuffle(others)
    others.insert(home, 0)
    return others


def _item_card(item: str, place: str) -> tuple[Kind, tuple[str, ...]]:
    return "item", ("Inventory card", f"Item: {item}", f"Kept at: {place}")


def _place_card(place: str, code: str) -> tuple[Kind, tuple[str, ...]]:
    return "place", ("Gazetteer card", f"Place: {place}", f"Gate code: {code}")


def _chapter_scenes(
    rng: random.Random, topic: Topic, cards: list[tuple[Kind, tuple[str, ...]]], start_s: float, end_s: float
) -> Iterator[Scene]:
    """Slides, two cards and two moving pictures that fill the chapter, the chapter's first slide first."""
    length_s = end_s - start_s
    card_s, motion_s = min(15.0, length_s * 0.2), min(10.0, length_s * 0.1)
    slides = max(2, round((length_s - 2 * card_s - 2 * motion_s) / SLIDE_S))
    slide_s = (length_s - 2 * card_s - 2 * motion_s) / slides
    beats: list[tuple[Kind, tuple[str, ...], float]] = [
        ("slide", (f"{topic.name}: {noun}", *_bullets(rng, topic)), slide_s)
        for noun in rng.choices(topic.things, k=slides - 1)
    ]
    beats += [(kind, lines, card_s) for kind, lines in cards] + [("motion", (), motion_s)] * 2
    rng.shuffle(beats)
    beats.insert(0, ("slide", (topic.name, *_bullets(rng, topic)), slide_s))
    time_s = start_s
    for number, (kind, lines, beat_s) in enumerate(beats, 1):
        begin, time_s = time_s, time_s + beat_s
        until = end_s if number == len(beats) else round(time_s / GRID_S) * GRID_S
        style = rng.choice(MOTIONS) if kind == "motion" else rng.choice(("light", "dark", "warm"))
        yield Scene(round(begin / GRID_S) * GRID_S, until, kind, lines, style, rng.randrange(1 << 30))


def _bullets(rng: random.Random, topic: Topic) -> list[str]:
    templates = rng.sample(BULLETS, 3)
    return [_filled(rng, template, topic, ()) for template in templates]


def _chapter_cues(
    rng: random.Random, topic: Topic, cast: _Cast, clue: str, start_s: float, end_s: float
) -> Iterator[Cue]:
    """About one sentence every six seconds; the clue is said somewhere in the middle half of the chapter."""
    # The sentence before it may take 9 s, and the clue itself needs 5: it is said in the shortest chapter too.
    clue_after = min(start_s + (end_s - start_s) * rng.uniform(0.25, 0.7), end_s - 14)
    time_s, said = start_s + rng.uniform(0.3, 1.0), False
    while time_s + 3.5 < end_s:
        if not said and time_s >= clue_after:
            text, said = clue, True
        elif time_s < start_s + 2:
            text = rng.choice(OPENINGS).format(topic=topic.name.lower())
        else:
            text = _filled(rng, rng.choice(SENTENCES), topic, cast.places)
        until = min(end_s, time_s + max(3.4, len(text.split()) * rng.uniform(0.36, 0.44)))
        yield Cue(round(time_s, 2), round(until, 2), text)
        time_s = until + rng.uniform(0.2, 1.6)


def _filled(rng: random.Random, template: str, topic: Topic, places: list[str] | tuple[()]) -> str:
    one, two = rng.sample(topic.things, 2)
    text = template.format(
        one=one,
        two=two,
        does=rng.choice(topic.does),
        kind=rng.choice(topic.kinds),
        number=rng.randrange(2, 90),
        place=rng.choice(places) if places else "",
    )
    return text[0].upper() + text[1:]


def _spoken_hop(cues: list[Cue], cast: _Cast) -> Hop:
    cue = next(cue for cue in cues if cue.text == handover(cast.people[0], cast.items[0]))
    return Hop("subtitles", cue.start_s, cue.end_s, cue.text)


def _shown_hop(scenes: list[Scene], kind: Kind, name: str) -> Hop:
    scene = next(scene for scene in scenes if scene.kind == kind and scene.lines[1].endswith(f": {name}"))
    return Hop("screen_text", scene.start_s, scene.end_s, " ".join(scene.lines))
