"""Scripted agents: they use the tools as an LLM would, by fixed rules, so they can be run and counted anywhere.

They know the layout of the demo's cards and never see the truth: every name and number comes from the question or from
a reply."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any, TypeVar

import anyio

from agent_tools.errors import EngineError
from agent_tools.evals.agents.session import Reply, Session, texts_of

WAIT_S = 45  # the longest that one ingest_video call may wait
PATIENT_CALLS = 4  # polls before the chain starts on what is searchable so far: four and six steps are ten calls
ALL_CALLS = 400  # polls for a file of the user's own, at most: five hours and more
LONGEST_PAUSE_S = 300.0
LOADING = "still loading"  # as coverage says it of a model
LOADING_PAUSE_S = 4.0
TRIES = 5

# Lines of a card come joined by a space or a slash; a reader may lose a space.
_PERSON = re.compile(r"^(\w+ \w+) gave something away")
ITEM_CARD = re.compile(r"Item\s*:\s*(?P<key>[^/:]+?)[\s/]*Kept\s*at\s*:\s*(?P<value>[A-Za-z]+)", re.IGNORECASE)
# What is heard may have a sentence's end before "handed", and stand in two entries.
_HANDED = re.compile(
    r"(?P<before>(?:\S+\s+){0,4}\S+?)[.,]?(?: /)? (?:handed|gave|passed|left) (?:the|that) "
    r"(?P<value>.+?)[.,]?(?: /)? to\b",
    re.IGNORECASE,
)
ALIKE = 0.6  # of letters that a name as it is heard shares with the name as it is written
ALIKE_THING = 0.75  # the same for things, whose words are no names
PLACE_CARD = re.compile(r"Place\s*:\s*(?P<key>[A-Za-z]+)[\s/]*Gate\s*code\s*:\s*(?P<value>\d+)", re.IGNORECASE)

T = TypeVar("T")


@dataclass(frozen=True)
class Clue:
    """What a reply said, and the uri of the span that says it."""

    value: str
    uri: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Finding:
    """The agent's answer, "" where it found none, with a uri for each claim."""

    answer: str
    citations: tuple[str, ...]
    explanation: str


@dataclass(frozen=True)
class Evidence:
    """One place in a video that speaks to a question."""

    at: str
    uri: str
    text: str


class Reader:
    """An agent that has one video read and remembers whether it is whole yet.

    Between two calls it comes back after half of the time that the server expects to need, for at the beginning nobody
    knows how much there is to read: `pause` waits so many seconds, without those that a call itself waits.
    """

    def __init__(self, session: Session, source: Path, pause: Callable[[float], Awaitable[None]] = anyio.sleep) -> None:
        self.session = session
        self.source = source
        self.pause = pause
        self.eta_s = 0.0
        self.video_id = ""
        self.whole = False
        self.failed = ""

    async def read(self, calls: int) -> None:
        """Ingest and wait until the video is whole, it failed, or `calls` calls were made."""
        for _ in range(calls):
            if self.whole or self.failed:
                return
            if self.eta_s / 2 > WAIT_S:
                await self.pause(min(self.eta_s / 2, LONGEST_PAUSE_S) - WAIT_S)
            reply = await self.session.call("ingest_video", source=str(self.source), wait_s=WAIT_S)
            self.eta_s = max((float(c.get("eta_s") or 0) for c in reply.data.get("channels") or ()), default=0.0)
            state = reply.data.get("state")
            self.video_id = str(reply.data.get("video_id") or self.video_id)
            self.whole = state == "done"
            if reply.error or state in ("failed", "stopped"):
                self.failed = reply.text

    async def read_whole(self) -> None:
        """Ingest and wait until the video is whole. Raises: EngineError: it failed, or never ended."""
        await self.read(ALL_CALLS)
        if not self.whole:
            raise EngineError(f"{self.source.name} was not ingested: {self.failed or 'it never ended'}")

    async def search(self, tool: str, **arguments: Any) -> Reply:
        """A search; one that finds nothing while coverage says that the models still load is asked again."""
        for _ in range(TRIES):
            reply = await self.session.call(tool, **arguments)
            if reply.error or reply.data.get("hits") or reply.data.get("spans") or LOADING not in reply.text:
                break
            await self.pause(LOADING_PAUSE_S)
        return reply


class ChainAgent(Reader):
    """Answers the demo's question: from a person to an object to a place to a code."""

    async def answer(self, question: str) -> Finding:
        """Follow the three clues; a clue not found is looked for again while the video is still being read."""
        await self.read(PATIENT_CALLS)
        person = _PERSON.match(question)
        if person is None or not self.video_id:
            return Finding("", (), self.failed or "the question names no person who gave something away")
        item = await self._insist(lambda: self._said(person[1], question))
        if item is None:
            return Finding("", (), f"no words tell what {person[1]} gave away")
        place = await self._insist(lambda: self._kept_at(item.value))
        if place is None:
            return Finding("", (item.uri,), f"no card tells where the {item.value} is kept")
        code = await self._insist(lambda: self._gate_code(place.value))
        if code is None:
            return Finding("", (item.uri, place.uri), f"no card tells the gate code of {place.value}")
        explanation = (
            f"{person[1]} gave away the {item.value}; it is kept at {place.value}; the gate code there is {code.value}"
        )
        await self.session.call(
            "remember", video_id=self.video_id, start_s=code.start_s, end_s=code.end_s, text=explanation
        )
        return Finding(code.value, (item.uri, place.uri, code.uri), explanation)

    async def _insist(self, look: Callable[[], Awaitable[T | None]]) -> T | None:
        while True:
            found = await look()
            if found is not None or self.whole or self.failed:
                return found
            await self.read(1)

    async def _said(self, person: str, question: str) -> Clue | None:
        """Hop 1, by meaning and by the name: the sentence in which the person gives something away.

        A name that was heard is spelled by its sound; of all sentences the one with the likest name counts."""
        statement = question.partition(".")[0]
        reply = await self.search("retrieve_memory", query=statement, video_ids=[self.video_id], limit=10)
        found = [
            (alike_at_end(person, match["before"]), match["value"].casefold(), hit)
            for hit in by_rank(reply)
            for text in texts_of(hit)
            for match in _HANDED.finditer(text)
        ]
        likeness, value, hit = max(found, key=lambda one: one[0], default=(0.0, "", {}))
        return _clue(value, hit) if likeness >= ALIKE else None

    async def _kept_at(self, item: str) -> Clue | None:
        """Hop 2, by grounding what a card would show, then reading each span whose evidence names the object."""
        reply = await self.search(
            "ground_event", event=f"'Item: {item}' on a card", video_id=self.video_id, channels=["screen_text"]
        )
        for span in reply.data.get("spans") or ():
            if not any(alike(item, match["key"]) >= ALIKE_THING for match in ITEM_CARD.finditer(span["evidence"])):
                continue
            close = await self.session.call(
                "zoom_segment", video_id=span["uri"], query=f"{item} kept at", layout="text"
            )
            for row in rows(close):
                if value := card_value(ITEM_CARD, row["text"], item, ALIKE_THING):
                    return _clue(value, span)
        # Words that were heard wrongly stand on no card: the card with the likest ones is looked for.
        reply = await self.search(
            "retrieve_memory",
            query=f"inventory card, item: {item}",
            video_ids=[self.video_id],
            channels=["screen_text"],
            limit=10,
        )
        for hit in by_rank(reply):
            for text in texts_of(hit):
                if value := card_value(ITEM_CARD, text, item, ALIKE_THING):
                    return _clue(value, hit)
        return None

    async def _gate_code(self, place: str) -> Clue | None:
        """Hop 3, by searching what is on screen, then looking at the picture itself."""
        reply = await self.search(
            "retrieve_memory",
            query=f'"{place}" place, gate code',
            video_ids=[self.video_id],
            channels=["screen_text"],
            limit=5,
        )
        for hit in by_rank(reply):
            for text in texts_of(hit):
                if value := card_value(PLACE_CARD, text, place):
                    close = await self.session.call(
                        "zoom_segment", video_id=hit["uri"], query=f"{place} gate code", max_frames=1
                    )
                    seen = {card_value(PLACE_CARD, row["text"], place) for row in rows(close)}
                    return _clue(value, hit) if value in seen else None
        return None


class EvidenceAgent(Reader):
    """Shows what one video holds on a question: the best passages, the best spans, and the best of them close up."""

    async def evidence(self, question: str) -> list[Evidence]:
        """Places in time order as the tools ranked them; empty where the video says nothing."""
        await self.read(ALL_CALLS)
        if not self.video_id:
            return []
        reply = await self.search("retrieve_memory", query=question, video_ids=[self.video_id], limit=5)
        found = [Evidence(hit["at"], hit["uri"], " / ".join(texts_of(hit))) for hit in by_rank(reply)]
        grounded = await self.search("ground_event", event=question, video_id=self.video_id)
        spans = grounded.data.get("spans") or ()
        found += [Evidence(span["at"], span["uri"], span["evidence"]) for span in spans]
        best = next(iter(spans), None) or next(by_rank(reply), None)
        if best is not None:
            close = await self.session.call("zoom_segment", video_id=best["uri"], query=question, max_frames=4)
            words = " / ".join(f"{row['channel']}: {row['text']}" for row in rows(close))
            found.append(Evidence(best["at"], best["uri"], f"close up, {close.images} pictures; {words}"))
        return found


def by_rank(reply: Reply) -> Iterator[Mapping[str, Any]]:
    """The hits of a reply, best first."""
    yield from sorted(reply.data.get("hits") or (), key=lambda hit: int(hit["rank"]))


def rows(reply: Reply) -> Iterator[Mapping[str, Any]]:
    """The texts of a zoom, one per entry."""
    yield from reply.data.get("text") or ()


def card_value(card: re.Pattern[str], text: str, key: str, least: float = 1.0) -> str:
    """The value on the card whose key is `key`, "" where the text holds no such card. Spaces and case do not count.

    Args: least: how alike the keys must be, 0..1."""
    for match in card.finditer(text):
        if alike(match["key"], key) >= least:
            return match["value"]
    return ""


def alike(one: str, other: str) -> float:
    """Share of letters that two texts have in common in the same order, 0..1; spaces and case do not count."""
    return SequenceMatcher(None, _letters(one), _letters(other), autojunk=False).ratio()


def alike_at_end(name: str, text: str) -> float:
    """How much the end of a text is like a name, 0..1."""
    wanted, held = _letters(name), _letters(text)
    sizes = range(max(1, len(wanted) - 3), min(len(held), len(wanted) + 3) + 1)
    return max((alike(wanted, held[-size:]) for size in sizes), default=0.0)


def _letters(text: str) -> str:
    return "".join(text.split()).casefold()


def _clue(value: str, part: Mapping[str, Any]) -> Clue:
    return Clue(value, part["uri"], part["start_s"], part["end_s"])
