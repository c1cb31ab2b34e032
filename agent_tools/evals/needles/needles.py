"""Multi-hop needles in a video haystack, found by a scripted agent through MCP: `agent-tools eval needles`.

The agent sees only the questions and the replies; the report compares its answers with the truth.

After VideoChat-Flash's multi-hop NIAH. Differences: needles are drawn cards with their caption written on them (the
original draws clues onto photographs, whose captions only a vision model knows); all chains of a length lie in one
haystack, mixed with each other, so it is ingested once; options are shuffled; and one walk along a chain answers both
questions of an item."""

from __future__ import annotations

import difflib
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import anyio
from mcp import Client

from agent_tools.evals.agents.agent import Reader, by_rank, rows
from agent_tools.evals.agents.local_server import serving
from agent_tools.evals.agents.session import Session, texts_of
from agent_tools.evals.films.needle_video import needle_card, needle_picture, places, write_haystack
from agent_tools.evals.needles.items import CHANCE, Item, Needle, constant_letters, draw_needles, options, shuffled
from agent_tools.timeline import Span, parse_uri

LENGTHS, DEPTHS, SEEDS, HOPS = (1_000, 10_000), (0.1, 0.5, 0.9), (0, 1, 2), 3
MOST_CALLS, MOST_TOKENS = 10, 25_000  # of a three-hop question at 10,000 frames (DESIGN, section 6)
ALIKE = 0.85  # likeness of letters at which a name or caption was read off a card rightly
LONGEST = 8  # cards of a chain, at most
PUBLISHED = (
    "VideoChat-Flash publishes 33 % (caption) and 27 % (question) at 1,000 frames. On its file of 100 items, whose "
    "options keep their letters, always answering B gives 33 % of the captions, always A or always D 27 % of the "
    "questions: the published figures equal two constant letters."
)

_NAME = r"([A-Z][a-z]+)\s*([A-Z][a-z]+)"
CARD = re.compile(
    rf"Card\s*{_NAME}\s*/?\s*Shows\s*:\s*(?P<caption>.+?)\s*/?\s*Number\s*:\s*(?P<number>\d+)"
    rf"(?:\s*/?\s*Next\s*:\s*card\s*{_NAME})?"
)


@dataclass(frozen=True)
class ReadCard:
    """A card as a reply shows it; `follows` is "" on a final frame."""

    name: str
    caption: str
    number: str
    follows: str
    uri: str


@dataclass(frozen=True)
class Walk:
    """The cards an agent followed, in order, and its letters; "" where it has none."""

    cards: tuple[ReadCard, ...]
    letter1: str
    letter2: str


class NeedleAgent(Reader):
    """Finds the described card by what it says, follows the names, looks at the last one, and picks the options."""

    async def walk(self, item: Item) -> Walk:
        await self.read(1)
        card = await self._card(item.described, lambda card: card.caption)
        seen: list[ReadCard] = []
        while card is not None and len(seen) < LONGEST and card.name not in {other.name for other in seen}:
            seen.append(card)
            if not card.follows:
                return await self._answered(item, seen)
            card = await self._card(f'"{card.follows}" card', lambda card: card.name, card.follows)
        return Walk(tuple(seen), "", "")

    async def _card(self, query: str, part: Callable[[ReadCard], str], wanted: str = "") -> ReadCard | None:
        """The card whose part reads as wanted (as the query, where nothing else is named), in two searches at most."""
        for limit in (5, 20):
            reply = await self.search(
                "retrieve_memory", query=query, video_ids=[self.video_id], channels=["screen_text"], limit=limit
            )
            found = [card for hit in by_rank(reply) for card in _cards(" / ".join(texts_of(hit)), hit["uri"])]
            best = max(found, key=lambda card: _likeness(part(card), wanted or query), default=None)
            if best is not None and _likeness(part(best), wanted or query) >= ALIKE:
                return best
        return None

    async def _answered(self, item: Item, seen: Sequence[ReadCard]) -> Walk:
        """The letters, by the final card as a close look shows it; none where the look does not show it."""
        last = seen[-1]
        close = await self.session.call("zoom_segment", video_id=last.uri, query=f"card {last.name}", max_frames=1)
        shown = [card for row in rows(close) for card in _cards(row["text"], last.uri)]
        final = max(shown, key=lambda card: _likeness(card.name, last.name), default=None)
        if final is None or _likeness(final.name, last.name) < ALIKE:
            return Walk(tuple(seen), "", "")
        return Walk(tuple(seen), _chosen(item.question1, final.caption), _chosen(item.question2, final.number))


@dataclass(frozen=True)
class HiddenChain:
    """A needle in a haystack: which chain at which depth, and where its cards lie."""

    needle: Needle
    item: Item  # its options in the order in which they are asked
    depth: float
    seed: int
    spans: Mapping[str, Span]  # by image name


def run_needles(
    lengths: Sequence[int] = LENGTHS,
    depths: Sequence[float] = DEPTHS,
    seeds: Sequence[int] = SEEDS,
    hops: int = HOPS,
    home: Path | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Draw, ingest and ask: one haystack per length, one chain per depth and seed in it.

    Args:
        lengths: frames at 1 fps, each at least 60.
        depths: of the final frame, 0..1.
        hops: steps from the first clue frame to the final one.
        home: folder for videos and memory, kept afterwards; None: a temporary one.
        on_line: receives the progress, line by line.
    Returns: {hops, lengths: [{frames, ingest_s, chains: [...], constant: {...}}]}; see markdown.
    Raises: EngineError: a haystack could not be ingested. InvalidArgument: the needles do not fit.
    """
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="agent-tools-needles-", ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary).resolve() if home is None else home.expanduser().absolute()
        folder.mkdir(parents=True, exist_ok=True)
        found = [anyio.run(_length, frames, depths, seeds, hops, folder, on_line) for frames in lengths]
    return {"hops": hops, "depths": list(depths), "seeds": list(seeds), "lengths": found}


def prepare(path: Path, frames: int, depths: Sequence[float], seeds: Sequence[int], hops: int) -> list[HiddenChain]:
    """Write the haystack of a length with its needles, and say what is asked of it."""
    needles: list[Needle] = []
    for seed in seeds:
        needles += draw_needles(len(depths), hops, random.Random(f"needles {seed}"), before=needles)
    where = [(depth, seed) for seed in seeds for depth in depths]
    chains = [[*_others(needle), needle.chain[-1].image] for needle in needles]
    placed = places(chains, [depth for depth, _ in where], frames, random.Random(f"places {list(seeds)}"))
    pictures = {card.image: needle_card(card.lines) for needle in needles for card in needle.cards}
    write_haystack(path, frames, pictures, placed, seed=seeds[0])
    spans = {one.image: one.span for one in placed}
    return [
        HiddenChain(needle, shuffled(needle.item, random.Random(f"options {seed} {depth}")), depth, seed, spans)
        for needle, (depth, seed) in zip(needles, where, strict=True)
    ]


async def ask(client: Client, source: Path, hidden: HiddenChain) -> dict[str, Any]:
    """One chain walked: what was found of it, and what it cost."""
    session = Session(client)
    begun = time.perf_counter()
    walk = await NeedleAgent(session, source).walk(hidden.item)
    took = time.perf_counter() - begun
    return {
        "depth": hidden.depth,
        "seed": hidden.seed,
        "hops": _hops_right(walk, hidden),
        "cap": walk.letter1 == hidden.item.answer1,
        "qa": walk.letter2 == hidden.item.answer2,
        "calls": len(session.calls),
        "tokens": session.tokens,
        "seconds": took,
    }


async def _length(
    frames: int,
    depths: Sequence[float],
    seeds: Sequence[int],
    hops: int,
    folder: Path,
    on_line: Callable[[str], None],
) -> dict[str, Any]:
    path = folder / f"haystack-{frames}.mp4"
    hidden = prepare(path, frames, depths, seeds, hops)
    on_line(f"drew {path.name}: {frames} frames, {len(hidden)} chains, {path.stat().st_size / 1e6:.1f} MB")
    async with serving(folder / "memory", folder) as client:
        begun = time.perf_counter()
        reader = Reader(Session(client), path)
        await reader.read_whole()
        ingest_s = time.perf_counter() - begun
        on_line(f"ingested it in {ingest_s:.0f} s")
        chains = []
        for one in hidden:
            chains.append(await ask(client, path, one))
            on_line(f"depth {one.depth}, seed {one.seed}: {chains[-1]}")
    return {
        "frames": frames,
        "ingest_s": ingest_s,
        "needles": len(hidden[0].spans),
        "chains": chains,
        "constant": constant_letters([one.item for one in hidden]),
    }


def markdown(report: dict[str, Any]) -> str:
    """The report as a Markdown table, a row per length and depth, with the score of guessing."""
    lines = [
        f"{report['hops']} hops; each chain among all the others, one haystack a length; both questions of an item "
        "from one walk.",
        "",
        "| frames | depth of the final frame | chains | hops right | caption | question | both | calls, most "
        "| reply tokens, most | seconds, median |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for length in report["lengths"]:
        for depth in [*report["depths"], None]:
            rows_ = [row for row in length["chains"] if depth is None or row["depth"] == depth]
            lines.append(_row(f"{length['frames']:,}", "all" if depth is None else f"{depth:g}", rows_))
        guessed = length["constant"]
        lines.append(
            f"| {length['frames']:,} | best constant letters | {len(length['chains'])} | - | {guessed['cap']:.0%} "
            f"| {guessed['qa']:.0%} | {guessed['both']:.0%} | 0 | 0 | - |"
        )
    ingested = ", ".join(f"{one['frames']:,} frames in {one['ingest_s']:.0f} s" for one in report["lengths"])
    lines += [
        "",
        f"With shuffled options a constant letter is right {CHANCE:.0%} of the time, a pair {CHANCE**2:.1%}; on few "
        f"chains the best one is luckier, as the rows say. {PUBLISHED} Ingested: {ingested}.",
    ]
    return "\n".join(lines)


def guessing(items: Sequence[Item], seeds: Sequence[int]) -> str:
    """What constant letters get on a file of items: as it stands, and with its options shuffled once per seed."""
    hops = Counter(item.hops for item in items)
    by_hops = ", ".join(f"{number} with {count} hops" for count, number in sorted(hops.items()))
    lines = [f"{len(items)} items: {by_hops}.", "", "| options | caption | question | both |", "|---|---|---|---|"]
    lines.append(f"| as in the file | {_guessed(items)} |")
    for seed in seeds:
        mixed = random.Random(f"options {seed}")
        lines.append(f"| shuffled, seed {seed} | {_guessed([shuffled(item, mixed) for item in items])} |")
    return "\n".join([*lines, "", PUBLISHED])


def splice(
    items: Sequence[Item], images: Path, path: Path, frames: int, seed: int = 0, haystack: Path | None = None
) -> dict[str, Any]:
    """Put a file's own pictures into a haystack, for whoever has them and a model that sees.

    Args:
        images: folder below which the items' image names lie.
        path: video to write; frames at 1 fps.
        haystack: a video of the user's own; None: a drawn one.
    Returns: {needles: [{image, start_s, end_s}]}, in time order.
    Raises: InvalidArgument: a picture is missing, or they do not fit.
    """
    mixed = random.Random(f"places {seed}")
    names = [list(dict.fromkeys(item.images)) for item in items]
    chains = [
        [*(name for name in each if name != item.chain[-1]), item.chain[-1]]
        for each, item in zip(names, items, strict=True)
    ]
    placed = places(chains, [mixed.random() for _ in items], frames, mixed)
    pictures = {one.image: needle_picture(images / one.image) for one in placed}
    write_haystack(path, frames, pictures, placed, seed, haystack)
    rows_ = [{"image": one.image, "start_s": one.span.start_s, "end_s": one.span.end_s} for one in placed]
    return {"needles": rows_}


def _guessed(items: Sequence[Item]) -> str:
    guessed = constant_letters(items)
    return " | ".join(f"{guessed[name]:.0%}" for name in ("cap", "qa", "both"))


def _row(frames: str, depth: str, chains: Sequence[Mapping[str, Any]]) -> str:
    number = len(chains)

    def share(name: str) -> str:
        return f"{sum(row[name] for row in chains) / number:.0%}"

    both = sum(row["cap"] and row["qa"] for row in chains) / number
    return (
        f"| {frames} | {depth} | {number} | {share('hops')} | {share('cap')} | {share('qa')} | {both:.0%} "
        f"| {max(row['calls'] for row in chains)} | {max(row['tokens'] for row in chains):,} "
        f"| {median(row['seconds'] for row in chains):.1f} |"
    )


def _others(needle: Needle) -> list[str]:
    return [card.image for card in needle.cards if card is not needle.chain[-1]]


def _hops_right(walk: Walk, hidden: HiddenChain) -> float:
    """Share of the chain's cards that the walk names in their places, each at a time when it is on screen."""
    chain = hidden.needle.chain
    right = 0
    for card, read in zip(chain, walk.cards, strict=False):
        reference = parse_uri(read.uri)
        if reference is None or reference.start_s is None or reference.end_s is None:
            break
        cited = Span(reference.start_s, reference.end_s)
        if _letters(read.name) != _letters(card.name) or cited.overlap_s(hidden.spans[card.image]) <= 0:
            break
        right += 1
    return right / len(chain)


def _cards(text: str, uri: str) -> list[ReadCard]:
    return [
        ReadCard(
            f"{match[1]} {match[2]}",
            match["caption"],
            match["number"],
            f"{match[5]} {match[6]}" if match[5] else "",
            uri,
        )
        for match in CARD.finditer(text)
    ]


def _chosen(question: str, wanted: str) -> str:
    """The letter of the option that reads most like what was found."""
    held = options(question)
    return max(held, key=lambda letter: _likeness(held[letter], wanted), default="")


def _likeness(one: str, other: str) -> float:
    return difflib.SequenceMatcher(None, _letters(one), _letters(other), autojunk=False).ratio()


def _letters(text: str) -> str:
    """What remains where a reader may lose spaces and commas."""
    return "".join(sign for sign in text.casefold() if sign.isalnum())
