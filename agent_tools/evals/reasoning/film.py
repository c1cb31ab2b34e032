"""The hour that questions about time are about: arrivals of ships, half of them shown on a card, half of them said.

Between the arrivals lies the demo's story: slides, moving pictures, and somebody who talks all the time."""

from __future__ import annotations

import random
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from agent_tools.errors import InvalidArgument
from agent_tools.evals.films.demo_story import Cue, srt, tell
from agent_tools.evals.films.needle_video import Placed, needle_card, write_haystack
from agent_tools.evals.needles.items import ADJECTIVES, NOUNS
from agent_tools.evals.reasoning.questions import COUNTED, GAPS_S, Happening
from agent_tools.timeline import Span

SLOT_S = 15  # at most one arrival in each
CARD_S = 5
SAID_S = 3.5
GROUPS = 4  # ships that arrive COUNTED times, for each gap
RUNS, RUN = 4, 5  # stretches in which every slot has an arrival, and their slots: what lies between near things
FILLED = 0.45  # of the slots, all in all: most of the hour is something else
ABSENT = 6


@dataclass(frozen=True)
class Arrivals:
    """What happens in a film and when, and names of ships that never arrive."""

    happenings: tuple[Happening, ...]
    shown: frozenset[int]  # indices of those on a card; the others are said
    absent: tuple[str, ...]


def plan(seed: int, duration_s: int, gaps_s: tuple[float, ...] = GAPS_S) -> Arrivals:
    """Who arrives when. A ship that never arrives shares a word of its name with one that does.

    Raises: InvalidArgument: the film is too short for a gap."""
    slots = duration_s // SLOT_S
    if duration_s < max(gaps_s) + 8 * SLOT_S:
        raise InvalidArgument(f"{duration_s} s hold no gap of {max(gaps_s):g} s; give at least two minutes more.")
    rng = random.Random(f"arrivals {seed}")
    names = rng.sample([f"{one} {other}" for one, other in product(ADJECTIVES, NOUNS)], len(ADJECTIVES) * len(NOUNS))
    taken: dict[int, str] = {}
    for gap_s in gaps_s:
        for number in range(GROUPS):
            name = names.pop()
            for slot in _group(round(gap_s / SLOT_S), number, slots, taken, rng):
                taken[slot] = name
            lone = _beside(taken, name, number, slots, rng)
            taken[lone] = names.pop()
    for _ in range(RUNS):
        starts = [s for s in range(1, slots - RUN - 1) if not any(s + n in taken for n in range(RUN))]
        start = rng.choice(starts or [0])
        taken |= {start + n: names.pop() for n in range(RUN) if starts}
    free = [slot for slot in range(1, slots - 1) if slot not in taken]
    for slot in rng.sample(free, max(0, min(len(free), round(FILLED * slots) - len(taken)))):
        taken[slot] = names.pop()
    happenings = tuple(Happening(taken[slot], slot * SLOT_S + float(rng.randrange(4))) for slot in sorted(taken))
    return Arrivals(
        happenings,
        frozenset(rng.sample(range(len(happenings)), len(happenings) // 2)),
        tuple(name for name in names if any(set(name.split()) & set(one.name.split()) for one in happenings))[:ABSENT],
    )


def _group(reach: int, number: int, slots: int, taken: dict[int, str], rng: random.Random) -> list[int]:
    """Slots of one ship's arrivals, the last `reach` after the first, with a free one beside each."""
    steps = [round(n * reach / (COUNTED - 1)) for n in range(COUNTED)]
    starts = [
        start
        for start in range(2, slots - reach - 3)
        if not any(start + step + near in taken for step in steps for near in (-1, 0, 1))
    ]
    if not starts:
        raise InvalidArgument(f"no room for ship {number} that arrives {COUNTED} times over {reach * SLOT_S} s.")
    start = rng.choice(starts)
    return [start + step for step in steps]


def _beside(taken: dict[int, str], name: str, after: int, slots: int, rng: random.Random) -> int:
    """A free slot after which the ship arrives `after` times more (0..COUNTED), as near its arrivals as can be."""
    at = sorted(slot for slot, other in taken.items() if other == name)
    free = [
        slot for slot in range(1, slots - 1) if slot not in taken and sum(s > slot for s in at) == after % (COUNTED + 1)
    ]
    rng.shuffle(free)
    return min(free, key=lambda slot: min(abs(slot - s) for s in at))


def write_film(path: Path, arrivals: Arrivals, seed: int, duration_s: int) -> None:
    """The film (1 fps, H.264 640x360) and beside it its subtitles."""
    cards, placed, said = {}, [], []
    for number, one in enumerate(arrivals.happenings):
        if number in arrivals.shown:
            image = f"arrival {number}"
            cards[image] = needle_card(("Harbour log", "Arrival of the ship", one.name))
            placed.append(Placed(image, Span(one.start_s, one.start_s + CARD_S)))
        else:
            said.append(Cue(one.start_s, one.start_s + SAID_S, f"Look there, the {one.name} comes in."))
    write_haystack(path, duration_s, cards, placed, seed)
    talk = [cue for cue in tell(seed, float(duration_s)).cues if not any(_meet(cue, other) for other in said)]
    path.with_suffix(".srt").write_text(srt(tuple(sorted([*talk, *said], key=lambda cue: cue.start_s))), "utf-8")


def _meet(one: Cue, other: Cue) -> bool:
    return one.start_s < other.end_s and other.start_s < one.end_s
