"""Pairs of a sentence and the spans of a video that it is about: what every recipe trains on, and the file of them."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from agent_tools.datasets.conversations import read_conversations
from agent_tools.datasets.file_rows import Row, read_json, rows_of
from agent_tools.datasets.truth import PAIRS_FORM, read_truth
from agent_tools.errors import EngineError, InvalidArgument

Split = Literal["train", "held_out"]
SPLITS: tuple[Split, ...] = ("train", "held_out")


@dataclass(frozen=True)
class Pair:
    """A sentence and where it is true. No spans: nowhere in this video."""

    video: str  # an id, title or file name, as any tool takes it
    sentence: str
    spans: tuple[tuple[float, float], ...]  # seconds, [start, end)
    split: Split = "train"
    channel: str = ""  # of the memory, or the data set's own source
    producer: str = ""  # who wrote the sentence: a speech model, a subtitle file, an agent
    licence: str = ""  # "" = not known
    not_in: tuple[str, ...] = ()  # videos of which the words say that the sentence is not true there


@dataclass(frozen=True)
class Pairs:
    """A file of pairs, as it is written and read."""

    pairs: tuple[Pair, ...]
    source: str  # what they were made from
    made: str = ""  # date
    rules: dict[str, Any] = field(default_factory=dict)  # how they were chosen
    left_out: dict[str, int] = field(default_factory=dict)  # how many sentences were not taken, by reason

    def of(self, split: Split) -> list[Pair]:
        return [pair for pair in self.pairs if pair.split == split]

    def counts(self) -> dict[str, Any]:
        """Pairs and videos of each split, and pairs by channel and licence."""
        return {
            **{
                split: {"pairs": len(own), "videos": len({pair.video for pair in own})}
                for split, own in ((split, self.of(split)) for split in SPLITS)
            },
            "absent": sum(not pair.spans for pair in self.pairs),
            "channels": dict(Counter(pair.channel or "not said" for pair in self.pairs)),
            "licences": dict(Counter(pair.licence or "not known" for pair in self.pairs)),
            "left_out": self.left_out,
        }

    def write(self, path: Path) -> None:
        """Write the file, whole or not at all. Raises: EngineError: it cannot be written."""
        value = {
            "form": PAIRS_FORM,
            "source": self.source,
            "made": self.made,
            "rules": self.rules,
            "counts": self.counts(),
            "pairs": [asdict(pair) for pair in self.pairs],
        }
        new = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
            os.replace(new, path)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise EngineError(
                f"{path} cannot be written: {error.strerror or error}. Free space, or name another place."
            ) from error


def read_pairs(path: Path) -> Pairs:
    """The pairs of any known file: our own, the simple truth file, MAD, VidChapters, VideoMarathon, LongVid.

    Raises: InvalidArgument: the file is none of these, or a row breaks its rules (place, key, rule)."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return _of_conversations(path)
    try:
        value = read_json(path)
    except InvalidArgument:
        value = None  # one object a line, as VidChapters has it; read_truth says what is wrong where it is not
    if isinstance(value, dict) and value.get("form") == PAIRS_FORM:
        return _own(path, value)
    if isinstance(value, list) and value and isinstance(value[0], dict) and "conversations" in value[0]:
        return _of_conversations(path)
    truth = read_truth(path)
    pairs = (Pair(event.video, event.text, event.spans, channel=truth.format) for event in truth.events)
    return Pairs(tuple(pairs), f"{path.name} ({truth.format})")


def split_by_video(pairs: Iterable[Pair], held_out: Sequence[str]) -> list[Pair]:
    """The same pairs, those of the named videos held out."""
    apart = set(held_out)
    return [Pair(**{**asdict(pair), "split": "held_out" if pair.video in apart else "train"}) for pair in pairs]


def _of_conversations(path: Path) -> Pairs:
    read = read_conversations(path)
    counts = read.counts()
    pairs = (Pair(one.video, one.text, (one.span,), channel=one.source) for one in read.timed())
    left = {"turns without a time": max(0, counts["turns"] - counts["timed"])}
    return Pairs(tuple(pairs), f"{path.name} ({read.format}, {counts['items']} items)", left_out=left)


def _own(path: Path, value: dict[str, Any]) -> Pairs:
    pairs = tuple(_pair(row) for row in rows_of(path, value.get("pairs")))
    more = {name: value.get(name) or {} for name in ("rules",)}
    return Pairs(pairs, str(value.get("source") or path.name), str(value.get("made") or ""), **more)


def _pair(row: Row) -> Pair:
    split = row.data.get("split", "train")
    if split not in SPLITS:
        raise row.wrong("split", f"must be {' or '.join(SPLITS)}", split)
    spans = row.spans("spans")
    if any(end_s <= start_s for start_s, end_s in spans):
        raise row.wrong("spans", "must be a list of [start_s, end_s], each end after its start", row.data["spans"])
    named = {key: str(row.data.get(key) or "") for key in ("channel", "producer", "licence")}
    not_in = tuple(str(one) for one in row.data.get("not_in") or ())
    return Pair(row.text("video"), row.text("sentence"), spans, split, **named, not_in=not_in)
