"""Pairs out of a person's own memory: what was said, shown and noted in each video, and when.

Held out by video, without near-duplicates, with videos named in which a sentence's words do not occur. Nothing leaves
the machine."""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_tools.errors import InvalidArgument
from agent_tools.training.likeness import near_duplicates, telling_words, words_of
from agent_tools.training.pairs import Pair, Pairs, Split

if TYPE_CHECKING:
    from agent_tools.store import Store, VideoRow

CHANNELS = ("subtitles", "speech", "screen_text", "captions", "notes")


@dataclass(frozen=True)
class LibraryRules:
    """How pairs are chosen; the file of pairs says them."""

    held_out: float = 1 / 3  # share of the videos
    least_words: int = 2  # telling words of a sentence
    most_words: int = 60
    longest_s: float = 120.0  # of one span: a slide that stands for an hour says nothing about when
    common: int = 4  # a sentence of so many videos is a formula ("thank you for watching"), and tells no moment
    negatives: int = 4  # videos named per sentence in which it is not true
    shared: float = 0.75  # where one entry of a video has so much of a sentence's telling words, it may be true there
    licence: str = ""  # of what the videos say, where their files do not say one
    seed: int = 0


def library_pairs(
    store: Store,
    rules: LibraryRules | None = None,
    *,
    channels: Sequence[str] = CHANNELS,
    made: str = "",
    on_step: Callable[[str], None] = lambda _line: None,
) -> Pairs:
    """Every usable sentence of the memory, with its spans.

    Sentences of one video that say the same are one pair with several spans. A held-out sentence that says the same as
    a trained one is left out.
    Raises: InvalidArgument: fewer than two videos, an unknown channel, or no sentence at all."""
    rules = rules or LibraryRules()
    unknown = [name for name in channels if name not in CHANNELS]
    if unknown:
        raise InvalidArgument(f"channels: {unknown[0]!r} holds no sentences. Give some of {', '.join(CHANNELS)}.")
    videos = sorted(store.videos(), key=lambda row: row.id)
    left: Counter[str] = Counter()
    read = {row.id: _joined(list(_sentences(store, row, channels, rules, left)), left) for row in videos}
    read = {video: pairs for video, pairs in read.items() if pairs}
    if len(read) < 2:
        raise InvalidArgument(
            f"{len(read)} of {len(videos)} videos of this memory hold sentences with times (in "
            f"{', '.join(channels)}): at least 2 are needed, one of them to hold out. Ingest more videos."
        )
    on_step(f"{sum(map(len, read.values()))} sentences in {len(read)} videos")
    apart = held_out_videos(list(read), rules.held_out, rules.seed)
    pairs = [replace(pair, split=_split(video in apart)) for video, own in read.items() for pair in own]
    pairs = _unlike(pairs, rules, left)
    on_step(f"{len(pairs)} after near-duplicates")
    absence = Absence(store, list(read), channels, rules)
    pairs = [replace(pair, not_in=absence.videos(pair, apart)) for pair in pairs]
    said = {name: getattr(rules, name) for name in LibraryRules.__dataclass_fields__} | {"channels": list(channels)}
    return Pairs(tuple(pairs), f"this memory: {len(read)} videos", made, said, dict(left))


def held_out_videos(videos: Sequence[str], share: float, seed: int) -> frozenset[str]:
    """The same share of the same videos for one seed, at least one, never all."""
    ranked = sorted(videos, key=lambda video: hashlib.blake2b(f"{seed}/{video}".encode(), digest_size=8).digest())
    return frozenset(ranked[: max(1, min(len(videos) - 1, round(share * len(videos))))])


class Absence:
    """Which videos do not show what a sentence says, by the words of everything that is said and shown there.

    A video is named only if no entry of it holds `shared` of the sentence's telling words. That is no proof: what
    nobody said may still be seen. So it is one sign among the negatives, and the other is a moment elsewhere in the
    same video."""

    def __init__(self, store: Store, videos: Sequence[str], channels: Sequence[str], rules: LibraryRules) -> None:
        self._videos, self._rules = list(videos), rules
        self._entries: dict[str, dict[str, set[int]]] = {}
        for video in videos:
            index: dict[str, set[int]] = defaultdict(set)
            for number, entry in enumerate(store.entries(video, channels=tuple(channels))):
                for word in set(words_of(entry.text)):
                    index[word].add(number)
            self._entries[video] = dict(index)

    def holds(self, video: str, sentence: str) -> bool:
        """Whether one entry of the video has so many of the words that the sentence may be true there."""
        words = telling_words(sentence)
        index = self._entries[video]
        found = Counter(number for word in words for number in index.get(word, ()))
        return max(found.values(), default=0) >= self._rules.shared * len(words)

    def videos(self, pair: Pair, apart: frozenset[str]) -> tuple[str, ...]:
        """Up to `negatives` videos of the pair's own split, drawn by the seed, the pair's own never among them."""
        rng = random.Random(f"{self._rules.seed}/{pair.video}/{pair.sentence}")
        own = pair.video in apart
        others = [video for video in self._videos if video != pair.video and (video in apart) == own]
        rng.shuffle(others)
        found: list[str] = []
        for video in others:
            if len(found) == self._rules.negatives:
                break
            if not self.holds(video, pair.sentence):
                found.append(video)
        return tuple(sorted(found))


def _sentences(
    store: Store, row: VideoRow, channels: Sequence[str], rules: LibraryRules, left: Counter[str]
) -> Iterator[Pair]:
    licence = next((str(row.metadata[key]) for key in ("license", "licence", "copyright") if row.metadata.get(key)), "")
    for entry in store.entries(row.id, channels=tuple(channels)):
        lines = entry.text.splitlines() if entry.channel == "screen_text" else [" ".join(entry.text.split())]
        for line in (line.strip() for line in lines):
            words = words_of(line)
            if len(telling_words(line)) < rules.least_words:
                left["too few words"] += 1
            elif len(words) > rules.most_words:
                left["too many words"] += 1
            elif not 0 < entry.end_s - entry.start_s <= rules.longest_s:
                left[f"stands for more than {rules.longest_s:g} s, or for no time"] += 1
            else:
                span = ((entry.start_s, entry.end_s),)
                yield Pair(row.id, line, span, "train", entry.channel, entry.producer, licence or rules.licence)


def _joined(pairs: Sequence[Pair], left: Counter[str]) -> list[Pair]:
    """Sentences of one video that say the same, as one pair with all their spans."""
    spans: dict[int, list[tuple[float, float]]] = defaultdict(list)
    for place, first in enumerate(near_duplicates([pair.sentence for pair in pairs])):
        spans[first] += pairs[place].spans
        left["said again in the same video: one pair with several spans"] += first != place
    return [replace(pairs[first], spans=tuple(sorted(set(own)))) for first, own in spans.items()]


def _unlike(pairs: Sequence[Pair], rules: LibraryRules, left: Counter[str]) -> list[Pair]:
    """Without formulas of many videos, and without held-out sentences that training knows."""
    ordered = sorted(pairs, key=lambda pair: pair.split != "train")  # so a group has a trained one first
    first = near_duplicates([pair.sentence for pair in ordered])
    videos: dict[int, set[str]] = defaultdict(set)
    for place, head in enumerate(first):
        videos[head].add(ordered[place].video)
    kept = []
    for place, head in enumerate(first):
        pair = ordered[place]
        if len(videos[head]) >= rules.common:
            left[f"said in {rules.common} videos or more"] += 1
        elif pair.split == "held_out" and ordered[head].split == "train":
            left["held out, but training knows it"] += 1
        else:
            kept.append(pair)
    return kept


def _split(apart: bool) -> Split:
    return "held_out" if apart else "train"
