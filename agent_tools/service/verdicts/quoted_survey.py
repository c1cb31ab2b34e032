"""What is known of quoted words and of many videos before each is judged: which texts may hold them at all.

A library has a hundred thousand texts, and quoted words may stand in a few. So all texts are read at once, and
their letters are searched as bytes; only texts in which something like the words may stand are cut into words.
Every test here errs towards "may stand there", so a verdict is the same as without it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import compress

from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.search.recall import TOP_WORDS
from agent_tools.service.verdicts.other_writings import skeleton
from agent_tools.service.verdicts.quoted_words import Occurrence, compact_ascii
from agent_tools.store import spelling
from agent_tools.types import TEXT_CHANNELS

AT_ONCE = 32  # videos whose texts are read together: some megabytes
MARK, MARK_BYTE = "\x1e", b"\x1e"  # between two texts


@dataclass(frozen=True)
class TrackTexts:
    """All texts of one track of one channel of one video, in time order."""

    channel: str
    ids: Sequence[int]
    joined: str  # with MARK between two texts

    @classmethod
    def of(cls, channel: str, ids: Sequence[int], texts: Iterable[str]) -> TrackTexts:
        return cls(channel, ids, MARK.join(text.replace(MARK, " ") for text in texts))

    @cached_property
    def letters(self) -> bytes | None:
        """Their letters and digits as `spelling.words` has them; None where some are not those of ASCII."""
        return compact_ascii(self.joined if self.joined.isascii() else spelling.fold(self.joined), MARK_BYTE)

    def holding(self, words: Collection[bytes], bones: Collection[bytes] = ()) -> list[tuple[int, str]]:
        """Id and text of those that may hold any of some letters, or of some skeletons; all where that is not known."""
        letters, texts = self.letters, zip(self.ids, self.joined.split(MARK), strict=True)
        if letters is None:
            return list(texts)
        found = _hits(letters, words)
        if bones:
            found = [one or other for one, other in zip(found, _hits(skeleton(letters), bones), strict=True)]
        return list(compress(texts, found))

    def stretches(self, sought: Sequence[Occurrence], ids: Collection[int]) -> list[list[int]]:
        """The ids of the texts that may hold any of the quotations, those given among them, and of those over which a
        quotation may run on; texts that follow each other stand together."""
        if self.letters is None:
            return [list(self.ids)]
        found = _hits(self.letters, frozenset[bytes]().union(*(one.letters for one in sought)))
        pieces, texts = self.letters.split(MARK_BYTE), self.joined.split(MARK)
        for one in sought:
            ends = [place for place, text in enumerate(pieces) if text.endswith(one.beginnings)]
            for first in [place for place in ends if one.begins_at_end_of(texts[place])]:
                left = len(one.tokens)
                for place in range(first, len(pieces)):
                    found[place] = True
                    left -= bool(pieces[place])
                    if not left:
                        break
        if ids:
            found = [one or id_ in ids for one, id_ in zip(found, self.ids, strict=True)]
        made: list[list[int]] = []
        before = False
        for id_, here in zip(self.ids, found, strict=True):
            if here:
                made = [*made, []] if not before else made
                made[-1].append(id_)
            before = here
        return made

    def may_hold(self, words: Collection[bytes]) -> bool:
        return self.letters is None or any(one in self.letters for one in words)


def _hits(letters: bytes, wanted: Collection[bytes]) -> list[bool]:
    there = [one for one in wanted if one in letters]
    if not there:
        return [False] * (letters.count(MARK_BYTE) + 1)
    return [any(one in text for one in there) for text in letters.split(MARK_BYTE)]


@dataclass(frozen=True)
class QuotedSurvey:
    """Of some quotations and whole videos.

    Attributes:
        channels: whose texts were read.
        texts: by video.
        shares: by quotation, video and entry, of the quotation's words; see Store.word_shares.
        phrases: by quotation the videos with a text that holds it as the word index has it."""

    channels: tuple[str, ...]
    texts: Mapping[str, Sequence[TrackTexts]]
    shares: Mapping[str, Mapping[str, Mapping[int, float]]]
    phrases: Mapping[str, Collection[str]]
    sought: Mapping[str, Occurrence]

    def knows(self, scope: VideoSpan, channels: Sequence[str]) -> bool:
        """Whether the survey is of this span of the video and of these channels."""
        return scope.whole and scope.video.id in self.texts and set(channels) <= set(self.channels)

    def may_stand(self, words: str, video_id: str, channels: Sequence[str]) -> bool:
        """Whether the video may hold the words, or something that `Occurrence.score` takes for them."""
        if video_id in self.phrases[words] or self.shares[words].get(video_id):
            return True
        letters = self.sought[words].letters
        return any(one.may_hold(letters) for one in self.texts[video_id] if one.channel in channels)

    def stretches(
        self, quotations: Sequence[str], video_id: str, channels: Sequence[str], ids: Collection[int]
    ) -> list[list[int]]:
        """See TrackTexts.stretches. Args: ids: of texts that hold a quotation as the word index has it."""
        shared = {id_ for words in quotations for id_ in self.shares[words].get(video_id, {})}
        sought = [self.sought[words] for words in quotations]
        tracks = [one for one in self.texts[video_id] if one.channel in channels]
        return [stretch for one in tracks for stretch in one.stretches(sought, shared | set(ids))]


def quoted_survey(
    library: Library, scopes: Sequence[VideoSpan], quotations: Sequence[str], channels: Sequence[str]
) -> QuotedSurvey | None:
    """None where each video has to be asked by itself."""
    names = tuple(name for name in TEXT_CHANNELS if name in channels)
    spans = {one.video.id: (one.span.start_s, one.span.end_s) for one in scopes if one.whole}
    shares = {words: library.store.word_shares(words, spans, names, TOP_WORDS) for words in quotations}
    known = {words: found for words, found in shares.items() if found is not None}
    if len(known) < len(shares) or not names:
        return None
    phrases = {words: library.store.videos_with(f'"{words}"') for words in quotations}
    texts: dict[str, list[TrackTexts]] = {name: [] for name in spans}
    asked = list(spans)
    for first in range(0, len(asked), AT_ONCE):
        rows: dict[tuple[str, str, str], tuple[list[int], list[str]]] = defaultdict(lambda: ([], []))
        for video_id, channel, track, number, text in library.store.all_texts(asked[first : first + AT_ONCE], names):
            ids, held = rows[video_id, channel, track]
            ids.append(number)
            held.append(text)
        for (video_id, channel, _), (ids, held) in rows.items():
            texts[video_id].append(TrackTexts.of(channel, ids, held))
    return QuotedSurvey(names, texts, known, phrases, {words: Occurrence(words) for words in quotations})
