"""Entries for the page: where something stands on each lane at a glance, and the texts of a span page by page."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from agent_tools.errors import InvalidArgument
from agent_tools.service.library.library import Library, checked_channels
from agent_tools.service.replies.fit import cursor, offset_of
from agent_tools.store import Entry, speakers
from agent_tools.timeline import rounded
from agent_tools.types import Number, Reply
from agent_tools.untrusted import clean

PAGE = 400  # entries of one reply
PAGE_CHARACTERS = 60_000
MOST_BINS = 2000
LONGEST_NAME = 60

Run = tuple[float, float, int]  # start_s, end_s, entries in it


class Lanes(Reply):
    """By channel the stretches in which something stands, in time order; those nearer than a bin are one."""

    video_id: str
    start_s: Number
    end_s: Number
    lanes: dict[str, list[Run]]


class ShownEntry(Reply):
    """One entry as the page shows it."""

    id: int
    channel: str
    start_s: Number
    end_s: Number
    text: str
    speaker: str | None = None


class ShownEntries(Reply):
    """One page of the entries of a span, in time order."""

    video_id: str
    entries: list[ShownEntry]
    cursor: str = ""


def lanes(library: Library, name: str, start_s: float | None, end_s: float | None, bins: int) -> Lanes:
    """Where something stands on each lane of a span, so coarse that a lane has at most `bins` stretches.

    Raises: InvalidArgument: bins is not from 1 to 2,000; and what `Library.video_span` raises."""
    if not 1 <= bins <= MOST_BINS:
        raise InvalidArgument(f"bins is {bins}; it must be from 1 to {MOST_BINS}.")
    scope = library.video_span(name, start_s, end_s)
    bin_s = scope.span.length_s / bins
    by_channel: dict[str, list[Entry]] = {}
    for entry in library.store.entries(scope.video.id, start_s=scope.span.start_s, end_s=scope.span.end_s):
        by_channel.setdefault(entry.channel, []).append(entry)
    return Lanes(
        video_id=scope.video.id,
        start_s=rounded(scope.span.start_s),
        end_s=rounded(scope.span.end_s),
        lanes={channel: _runs(entries, bin_s) for channel, entries in by_channel.items()},
    )


def _runs(entries: Iterable[Entry], bin_s: float) -> list[Run]:
    """Entries in time order as stretches with at least a bin between two of them."""
    runs: list[Run] = []
    for entry in entries:
        if runs and entry.start_s - runs[-1][1] < bin_s:
            start_s, end_s, count = runs[-1]
            runs[-1] = (start_s, max(end_s, rounded(entry.end_s)), count + 1)
        else:
            runs.append((rounded(entry.start_s), rounded(entry.end_s), 1))
    return runs


def shown_entries(
    library: Library,
    name: str,
    start_s: float | None,
    end_s: float | None,
    channels: Sequence[str] | None,
    cursor_text: str = "",
) -> ShownEntries:
    """A page of the entries that overlap a span. Raises: RequestError: a name, span, channel or cursor is wrong."""
    named = checked_channels(channels)
    scope = library.video_span(name, start_s, end_s)
    question = ("viewer", scope.video.id, scope.span.start_s, scope.span.end_s, named)
    offset = offset_of(cursor_text, *question)
    found = library.store.entries(scope.video.id, channels=named, start_s=scope.span.start_s, end_s=scope.span.end_s)
    page: list[ShownEntry] = []
    characters = 0
    for entry in found[offset : offset + PAGE]:
        characters += len(entry.text)
        if page and characters > PAGE_CHARACTERS:
            break
        page.append(_shown(entry))
    more = offset + len(page) < len(found)
    return ShownEntries(
        video_id=scope.video.id,
        entries=page,
        cursor=cursor(offset + len(page), *question) if more else "",
    )


def _shown(entry: Entry) -> ShownEntry:
    return ShownEntry(
        id=entry.id,
        channel=entry.channel,
        start_s=rounded(entry.start_s),
        end_s=rounded(entry.end_s),
        text=clean(speakers.said(entry)),
        speaker=clean(speakers.name_of(entry), LONGEST_NAME) or None,
    )
