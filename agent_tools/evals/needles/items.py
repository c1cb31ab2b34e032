"""Multi-hop needle questions in the format of niah-coco-multihop-100.json: read, drawn, shuffled, and guessed.

An item's images are a chain of clue frames, a final frame, and frames of a wrong path. Names hold their place: clues
are niah_<item>_1, _2, ..., the name without a place is the final frame, the three with the highest places lead astray.
Both questions describe the first clue frame, send the reader along the instructions on the frames, and ask about the
final frame: for its caption (question1), and for something on it (question2)."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path

from agent_tools.datasets.file_rows import read_json, rows_of
from agent_tools.errors import InvalidArgument

LETTERS = "ABCD"
WRONG = 3  # frames of the wrong path
CHANCE = 1 / len(LETTERS)
_PLACE = re.compile(r"niah_\d+_(\d+)(?=[_.])")
_OPTIONS = re.compile(r"\(([A-D])\)\s*(.*?)\s*(?=\n\s*\([A-D]\)|\nOnly give|$)", re.DOTALL)
_DESCRIBED = re.compile(r"Find the frame of (.+?)\.? Locate the final frame", re.DOTALL)
_TAIL = "\nOnly give the best option. Best option: ("

COLOURS = "red blue green yellow white black brown grey orange purple silver golden".split()
THINGS = (
    "tram boat kettle ladder bicycle piano lantern tent kite clock anchor basket umbrella telescope suitcase bench "
    "accordion windmill barrel sledge harp wardrobe fountain"
).split()
SCENES = (
    "in the snow, under a bridge, on a flat roof, beside a canal, behind a fence, in a meadow, at the station, "
    "on a hill, in a cellar, near the lighthouse, on the stairs, in an orchard"
).split(", ")
ADJECTIVES = (
    "Amber Copper Velvet Silent Hidden Frozen Crooked Distant Gentle Hollow Ivory Jagged Lonely Marble Narrow Painted "
    "Quiet Rusty Scarlet Tangled"
).split()
NOUNS = (
    "Heron Compass Orchid Falcon Thimble Beacon Pebble Saddle Walnut Badger Cobweb Pigeon Ribbon Turnip Violin Magnet "
    "Lizard Bonnet Hammer Poppy"
).split()


@dataclass(frozen=True)
class Item:
    """One object of the file, under its own key names."""

    images: tuple[str, ...]
    question1: str
    answer1: str
    question2: str
    answer2: str

    @property
    def chain(self) -> tuple[str, ...]:
        """The names from the first clue frame to the final frame."""
        placed, final = _placed(self.images)
        return (*(name for place, name in placed if place < _gap(placed)), final)

    @property
    def hops(self) -> int:
        """Steps from the first clue frame to the final one."""
        return len(self.chain) - 1

    @property
    def described(self) -> str:
        """What the question says of the first clue frame."""
        match = _DESCRIBED.search(self.question1)
        return match[1].strip() if match else ""


@dataclass(frozen=True)
class Card:
    """A needle as it is drawn: its image name, and the lines on it."""

    image: str
    name: str
    caption: str
    number: str
    follows: str  # the name of the card it sends to; "" on a final one

    @property
    def lines(self) -> tuple[str, ...]:
        last = f"Next: card {self.follows}" if self.follows else "This is the final frame"
        return f"Card {self.name}", f"Shows: {self.caption}", f"Number: {self.number}", last


@dataclass(frozen=True)
class Needle:
    """A drawn item with its cards: the chain first, then the wrong path."""

    item: Item
    cards: tuple[Card, ...]

    @property
    def chain(self) -> tuple[Card, ...]:
        return self.cards[: len(self.item.chain)]


def read_items(path: Path) -> list[Item]:
    """The items of a file in the original form, as they are.

    Raises: InvalidArgument: not a list of such objects, an answer is not a letter A to D, or the chain is unclear."""
    items = [
        Item(row.texts("images"), *(row.text(key) for key in ("question1", "answer1", "question2", "answer2")))
        for row in rows_of(path, read_json(path))
    ]
    for number, item in enumerate(items):
        for answer, question in ((item.answer1, item.question1), (item.answer2, item.question2)):
            if answer not in options(question):
                raise InvalidArgument(f"{path}, item {number}: the answer {answer!r} is not one of its options.")
        if not item.hops:
            raise InvalidArgument(f"{path}, item {number}: no clue frame niah_<item>_1 before the final one.")
    return items


def write_items(path: Path, items: Sequence[Item]) -> None:
    """A file in the original form."""
    rows = [asdict(item) | {"images": list(item.images)} for item in items]
    path.write_text(json.dumps(rows, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")


def options(question: str) -> dict[str, str]:
    """The options of a question by their letters."""
    return {match[1]: match[2] for match in _OPTIONS.finditer(question)}


def shuffled(item: Item, rng: random.Random) -> Item:
    """The same item with the options of both questions in another order, and the letters of the answers moved along."""
    question1, answer1 = _shuffled(item.question1, item.answer1, rng)
    question2, answer2 = _shuffled(item.question2, item.answer2, rng)
    return Item(item.images, question1, answer1, question2, answer2)


def constant_letters(items: Sequence[Item]) -> dict[str, float]:
    """What the best constant letter gets: shares of cap, of qa, and of both with the best pair."""
    if not items:
        return {"cap": 0.0, "qa": 0.0, "both": 0.0}
    cap, qa = Counter(item.answer1 for item in items), Counter(item.answer2 for item in items)
    pairs = Counter((item.answer1, item.answer2) for item in items)
    number = len(items)
    return {
        "cap": max(cap[letter] for letter in LETTERS) / number,
        "qa": max(qa[letter] for letter in LETTERS) / number,
        "both": max(pairs[pair] for pair in product(LETTERS, LETTERS)) / number,
    }


def draw_needles(count: int, hops: int, rng: random.Random, before: Sequence[Needle] = ()) -> list[Needle]:
    """Items that share no card with each other or with those `before`, each with a wrong path of three cards.

    A wrong path looks like a chain and ends in a final frame of its own; its captions and numbers are the options.
    Raises: InvalidArgument: hops is not 1 to 6, or there are more cards than names.
    """
    held = [card for needle in before for card in needle.cards]
    size = hops + 1 + WRONG
    names = sorted({f"{one} {other}" for one, other in product(ADJECTIVES, NOUNS)} - {card.name for card in held})
    pictures = sorted(
        {f"{_article(colour)} {colour} {thing}" for colour, thing in product(COLOURS, THINGS)}
        - {card.caption.partition(",")[0] for card in held}
    )
    room = min(len(names), len(pictures))
    if not 1 <= hops <= 6 or count * size > room:
        raise InvalidArgument(f"{count} chains of {hops} hops: hops are 1 to 6, and words are left for {room} cards.")
    name, picture = rng.sample(names, count * size), rng.sample(pictures, count * size)
    number = rng.sample(range(100, 1000), count * size)
    needles = []
    for which in range(count):
        item = len(before) + which
        cards = []
        for place in range(1, size + 1):
            index = which * size + place - 1
            image = f"multi/drawn_{item}.png" if place == hops + 1 else f"multi/niah_{item}_{place}_drawn.png"
            follows = "" if place in (hops + 1, size) else name[index + 1]
            caption = f"{picture[index]}, {rng.choice(SCENES)}"
            cards.append(Card(image, name[index], caption, str(number[index]), follows))
        needles.append(Needle(_item(cards, hops, rng), tuple(cards)))
    return needles


def _article(word: str) -> str:
    return "an" if word[0] in "aeiou" else "a"


def _item(cards: Sequence[Card], hops: int, rng: random.Random) -> Item:
    first, final, wrong = cards[0], cards[hops], cards[hops + 1 :]
    head = f"Find the frame of {first.caption}. Locate the final frame based on the instructions in the image, and "
    question1, answer1 = _posed(
        head + "choose the captions that best describe the frame: ",
        final.caption,
        [card.caption for card in wrong],
        rng,
    )
    question2, answer2 = _posed(
        head + "answer the following question based on the final frame: which number stands on it",
        final.number,
        [card.number for card in wrong],
        rng,
    )
    images = [card.image for card in cards]
    rng.shuffle(images)
    return Item(tuple(images), question1, answer1, question2, answer2)


def _posed(head: str, right: str, wrong: Iterable[str], rng: random.Random) -> tuple[str, str]:
    choices = [right, *wrong]
    rng.shuffle(choices)
    return _written(head, dict(zip(LETTERS, choices, strict=True))), LETTERS[choices.index(right)]


def _shuffled(question: str, answer: str, rng: random.Random) -> tuple[str, str]:
    held = options(question)
    letters = sorted(held)
    order = letters[:]
    rng.shuffle(order)
    moved = dict(zip(letters, (held[letter] for letter in order), strict=True))
    return _written(question.partition("\nOptions:")[0], moved), letters[order.index(answer)]


def _written(head: str, choices: Mapping[str, str]) -> str:
    listed = "\n".join(f"({letter}) {choice}" for letter, choice in choices.items())
    return f"{head}\nOptions: {listed}{_TAIL}"


def _placed(images: Sequence[str]) -> tuple[list[tuple[int, str]], str]:
    """The names with a place, in its order, and the one without."""
    placed, final = [], ""
    for name in images:
        match = _PLACE.search(name)
        if match:
            placed.append((int(match[1]), name))
        else:
            final = name
    return sorted(placed), final


def _gap(placed: Sequence[tuple[int, str]]) -> int:
    """The place that the final frame took: the first one that is missing."""
    held = {place for place, _ in placed}
    return next(place for place in range(1, len(held) + 2) if place not in held)
