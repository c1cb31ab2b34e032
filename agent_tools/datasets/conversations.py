"""Instruction data about long video: VideoMarathon's videomarathon.json, and LongVid's subsets in the LLaVA form.

Both are lists of items {video, conversations: [{from, value}, ...]}. VideoMarathon adds `data_source`. LongVid adds
start and end of a clip where there are any, and its subsets are listed by a YAML file of {json_path, data_root,
sampling_strategy, ...}. Sources: Hour-LLaVA (arXiv 2506.05332), VideoChat-Flash (arXiv 2501.00574)."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from agent_tools.datasets.file_rows import Row, read_json, rows_of
from agent_tools.errors import InvalidArgument

Format = Literal["videomarathon", "longvid"]
ASKS, ANSWERS = ("human", "user"), ("gpt", "assistant")
_MARKS = re.compile(r"<(?:video|image)>\s*")
_CLOCK = r"(?:(?:\d{1,2}:)?\d{1,2}:\d{2}(?:\.\d+)?)"
_SECONDS = r"(?:\d+(?:\.\d+)?\s*(?:s|sec|secs|seconds)\b)"
_TIME = rf"(?:{_CLOCK}|{_SECONDS}|\d+(?:\.\d+)?)"
_TO = r"(?:-|–|—|\bto\b|\band\b|\buntil\b|,)"
_TIMES = re.compile(rf"(?:\bfrom\s+|\bbetween\s+|[\[(]\s*)?({_TIME})\s*{_TO}\s*({_TIME})\s*[\])]?", re.I)


@dataclass(frozen=True)
class Turn:
    question: str
    answer: str


@dataclass(frozen=True)
class Conversation:
    """One item: the turns about one video, or about the clip [start_s, end_s) of it."""

    video: str  # a file name, as the data set writes it
    source: str  # data_source or the subset's name
    turns: tuple[Turn, ...]
    span: tuple[float, float] | None = None


@dataclass(frozen=True)
class TimedSentence:
    """A sentence with the span of the video that it is about."""

    video: str
    source: str
    text: str
    span: tuple[float, float]


@dataclass(frozen=True)
class Conversations:
    format: Format
    items: tuple[Conversation, ...]

    def timed(self) -> list[TimedSentence]:
        """Every sentence that comes with a time: in the text of a question or an answer, or as the clip of its item."""
        return [one for item in self.items for turn in item.turns for one in _timed(item, turn)]

    def counts(self) -> dict[str, Any]:
        """Items, videos, turns, sentences with times, and items by source."""
        return {
            "items": len(self.items),
            "videos": len({item.video for item in self.items}),
            "turns": sum(len(item.turns) for item in self.items),
            "timed": len(self.timed()),
            "sources": dict(Counter(item.source for item in self.items)),
        }


def read_conversations(path: Path) -> Conversations:
    """The items of videomarathon.json, of a LongVid subset, or of a YAML list of subsets.

    Raises: InvalidArgument: the file is none of these, or an item breaks a rule (file, item, key, rule): a question
        without an answer, a turn of an unknown speaker, a clip that ends before it starts, a subset that is not there.
    """
    if path.suffix.lower() in (".yaml", ".yml"):
        return Conversations("longvid", tuple(item for one in _listed(path) for item in _items(*one)))
    value = read_json(path)
    if not isinstance(value, list) or not value or not isinstance(value[0], Mapping) or "conversations" not in value[0]:
        raise InvalidArgument(
            f"{path.name} holds no conversations: a list of objects with video and conversations is needed, as in "
            "videomarathon.json, or a YAML file that lists LongVid's subsets."
        )
    form: Format = "videomarathon" if "data_source" in value[0] else "longvid"
    return Conversations(form, tuple(_items(path, value, 1.0)))


def times_in(text: str) -> list[tuple[tuple[float, float], tuple[int, int]]]:
    """Every pair of times in a text, in seconds, with the place where it stands: `0:10 to 1:05`, `12.5s - 14s`,
    `[3.0, 9.5]`, `from 1:02:03 to 1:02:09`. Two bare numbers count only in brackets or behind `from` or `between`."""
    found = []
    for match in _TIMES.finditer(text):
        first, second = match[1], match[2]
        marked = match[0][:1] in "[(" or match[0][:4].lower() in ("from", "betw")
        if not marked and _bare(first) and _bare(second):
            continue
        start_s, end_s = _seconds(first), _seconds(second)
        if start_s < end_s:
            found.append(((start_s, end_s), match.span()))
    return found


def _listed(path: Path) -> Iterator[tuple[Path, Any, float]]:
    """The subsets that a YAML file lists: (file, value, share of its items)."""
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InvalidArgument(f"{path.name} cannot be read as YAML: {str(error).splitlines()[0]}") from error
    subsets = said.get("datasets") if isinstance(said, Mapping) else said
    for row in rows_of(path, subsets):
        name = row.text("json_path")
        file = path.parent / name
        if not file.is_file():
            raise row.wrong("json_path", f"must be a file beside {path.name} or an absolute path", name)
        strategy = row.text("sampling_strategy") if row.has("sampling_strategy") else "all"
        yield file, read_json(file), _share(row, strategy)


def _share(row: Row, strategy: str) -> float:
    """`all`, or `first:20%` and its like: the share of a subset's items that is taken, from its start."""
    match = re.fullmatch(r"(?:all|(?:first|end|random):(\d+(?:\.\d+)?)%)", strategy)
    if match is None:
        raise row.wrong("sampling_strategy", "must be all, or first:N%", strategy)
    if match[1] and not strategy.startswith("first"):
        raise row.wrong("sampling_strategy", "must be all or first:N%: others give another set on each run", strategy)
    return float(match[1]) / 100 if match[1] else 1.0


def _items(path: Path, value: Any, share: float = 1.0) -> Iterator[Conversation]:
    rows = list(rows_of(path, value))
    for row in rows[: math.ceil(share * len(rows))]:
        span = None
        if row.has("start", "end"):
            start_s, end_s = row.seconds("start"), row.seconds("end")
            if not 0 <= start_s < end_s:
                raise row.wrong("end", f"must be greater than start, which is {start_s:g}", row.data.get("end"))
            span = start_s, end_s
        source = row.text("data_source") if row.has("data_source") else path.stem
        yield Conversation(row.text("video"), source, _turns(path, row), span)


def _turns(path: Path, row: Row) -> tuple[Turn, ...]:
    said = row.data.get("conversations")
    if not isinstance(said, list) or not said or len(said) % 2:
        count = len(said) if isinstance(said, list) else said
        raise row.wrong("conversations", "must hold an even number of turns, a question and an answer each", count)
    turns = []
    for place in range(0, len(said), 2):
        texts = []
        for offset, speakers in enumerate((ASKS, ANSWERS)):
            turn = said[place + offset]
            if (
                not isinstance(turn, Mapping)
                or turn.get("from") not in speakers
                or not isinstance(turn.get("value"), str)
            ):
                rule = f"must say from {' or '.join(speakers)} and a text as value in turn {place + offset}"
                raise row.wrong("conversations", rule, turn)
            texts.append(_MARKS.sub("", turn["value"]).strip())
        turns.append(Turn(*texts))
    return tuple(turns)


def _timed(item: Conversation, turn: Turn) -> Iterator[TimedSentence]:
    """Where the question asks about a time, the answer tells what is there; where the answer is a time, the question
    names the event; an answer of several lines with a time each is a list of events."""
    shift = item.span[0] if item.span else 0.0
    asked, answered = times_in(turn.question), times_in(turn.answer)
    if len(asked) == 1 and not answered:
        yield from _told(item, turn.answer, asked[0][0], shift)
    elif len(answered) == 1 and not asked and len(_without(turn.answer, answered).split()) < 6:
        yield from _told(item, turn.question, answered[0][0], shift)
    elif answered:
        for line in re.split(r"\n+|(?<=[.;])\s+(?=(?:from\s+|\[)?\d)", turn.answer, flags=re.I):
            times = times_in(line)
            if len(times) == 1:
                yield from _told(item, _without(line, times), times[0][0], shift)
    elif item.span is not None and not asked:
        yield from _told(item, turn.answer, item.span, 0.0)


def _told(item: Conversation, text: str, span: tuple[float, float], shift: float) -> Iterator[TimedSentence]:
    text = text.strip(" ,:;-\n")
    if len(text.split()) > 1:
        yield TimedSentence(item.video, item.source, text, (span[0] + shift, span[1] + shift))


def _without(text: str, times: list[tuple[tuple[float, float], tuple[int, int]]]) -> str:
    for _, (first, last) in reversed(times):
        text = text[:first] + text[last:]
    return text


def _bare(time: str) -> bool:
    return re.fullmatch(r"\d+(?:\.\d+)?", time) is not None


def _seconds(time: str) -> float:
    if ":" in time:
        total = 0.0
        for part in time.split(":"):
            total = 60 * total + float(part)
        return total
    return float(re.match(r"\d+(?:\.\d+)?", time)[0])  # type: ignore[index]  # _TIMES has matched it
