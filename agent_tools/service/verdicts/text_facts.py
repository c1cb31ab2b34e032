"""What of a video's texts matters to every event: which are doubtful, which the encoder does not understand, which are
there twice. They are read once, and again when something of the video changes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.ingestion.screen_text.trust import worth
from agent_tools.ingestion.spaces import text_space
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.search.comparable import limit, sound_strange, understands
from agent_tools.service.verdicts.scored_entries import doubtful, key_of
from agent_tools.store import Entry
from agent_tools.timeline import Span, merged

if TYPE_CHECKING:
    from agent_tools.models.profiles import TextEncoder

SOME_OTHER = "mul"  # a language that is not known, but not English
READ_SHARE = (
    0.9  # of the time (on screen: of the words) of a channel's texts, for those in a known language to judge it
)


@dataclass(frozen=True)
class TextFacts:
    """Of one video's texts, for one encoder. Texts are named by the ids of their entries."""

    count: int  # those without a vector among them
    without_vector: Mapping[str, int]  # how many of a channel
    doubtful: frozenset[int]  # the model that heard them is in doubt
    repeated: tuple[frozenset[int], ...]  # the same words of one channel at the same time
    unread: frozenset[int]  # in a language that the encoder does not understand


def text_facts(library: Library, encoder: TextEncoder, video_id: str) -> TextFacts:
    key = "text facts", encoder.producer
    return library.of_video.get(video_id, key, lambda: _made(library, encoder, video_id))


def with_vector(library: Library, encoder: TextEncoder, video_id: str) -> frozenset[int]:
    """The ids of a video's texts that the encoder can compare with an event."""
    view = library.store.flat_view(text_space(encoder.producer), [video_id])
    return frozenset() if view is None else frozenset(view.ids_of(video_id).tolist())


def _made(library: Library, encoder: TextEncoder, video_id: str) -> TextFacts:
    entries, there = library.store.entries(video_id), with_vector(library, encoder, video_id)
    known = encoder.languages
    places: dict[object, list[int]] = defaultdict(list)
    for entry in entries:
        places[key_of(entry)].append(entry.id)
    return TextFacts(
        len(entries),
        Counter(entry.channel for entry in entries if entry.id not in there),
        frozenset(entry.id for entry in entries if doubtful(entry)),
        tuple(frozenset(ids) for ids in places.values() if len(ids) > 1),
        _not_understood(library, video_id, entries, there, known) if limit(known) else frozenset(),
    )


def _not_understood(
    library: Library, video_id: str, entries: Sequence[Entry], compared: Collection[int], known: str
) -> frozenset[int]:
    """By what is known of the language, else by what the texts hold.

    Args:
        known: the languages that the encoder understands."""
    languages = {row.name: row.language for row in library.store.channels(video_id)}
    texts: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry.id in compared:
            texts[entry.channel].append(entry.text)
    for name, said in texts.items():
        if not languages.get(name) and sound_strange(known, said):
            languages[name] = SOME_OTHER
    return frozenset(
        entry.id
        for entry in entries
        if not understands(known, str(entry.extra.get("language") or languages.get(entry.channel) or ""), entry.text)
    )


def read_enough(library: Library, scope: VideoSpan, name: str, facts: TextFacts) -> bool:
    """Whether a channel's other texts cover nearly all that its texts cover: of two whole tracks one suffices.

    On screen words count instead, weighted by how sure the OCR is of them: a sign may stand for long."""
    key = "read enough", name, scope.span, facts.unread
    return library.of_video.get(scope.video.id, key, lambda: _is_enough(library, scope, name, facts.unread))


def _is_enough(library: Library, scope: VideoSpan, name: str, unread: Collection[int]) -> bool:
    def covered_s(entries: Sequence[Entry]) -> float:
        return sum(one.length_s for one in merged(Span(e.start_s, max(e.end_s, e.start_s + 0.1)) for e in entries))

    span = scope.span
    entries = library.store.entries(scope.video.id, channels=(name,), start_s=span.start_s, end_s=span.end_s)
    if name == "screen_text":
        weights = {entry.id: worth(entry.text) * float(entry.extra.get("confidence", 1.0)) for entry in entries}
        return sum(weights[one] for one in weights if one not in unread) >= READ_SHARE * sum(weights.values())
    return covered_s([entry for entry in entries if entry.id not in unread]) >= READ_SHARE * covered_s(entries)
