"""remember: what an agent saw becomes a note that later retrieval finds; no note is ever lost.

A note gets its vector at once, if the sentence encoder is loaded."""

from __future__ import annotations

import re

from agent_tools.errors import InvalidArgument, NoteNotFound, SpanOutsideVideo
from agent_tools.ingestion.spaces import text_space
from agent_tools.service.library.library import Library
from agent_tools.service.replies.fit import trim_to_tokens
from agent_tools.timeline import Span, clock, note_uri, parse_uri, video_uri
from agent_tools.types import RememberReply
from agent_tools.untrusted import clean

LONGEST = 2000
WAIT_FOR_ENCODER_S = 0.5
LONGEST_REPLY = 1_000  # tokens; a note's reply is far shorter
NUMBER = re.compile("[0-9]{1,15}")  # of a note


def remember(
    library: Library,
    *,
    video_id: str,
    start_s: float | None = None,
    end_s: float | None = None,
    text: str,
    replaces: str = "",
    caller: str = "",
    author: str = "",
) -> RememberReply:
    """Write a note on a span. The same text on the same span by the same author is one note.

    Args:
        replaces: uri of the note that this one takes the place of; the old one stays as history.
        caller: whose looks count for "was it looked at"; author: who is recorded.

    Raises: SpanOutsideVideo: no span given. InvalidArgument: text empty or over 2,000 characters. NoteNotFound.
    """
    scope = library.video_span(video_id, start_s, end_s)
    ref = parse_uri(video_id)
    if start_s is None and end_s is None and (ref is None or ref.start_s is None):
        raise SpanOutsideVideo("a note belongs to a span: give start_s and end_s, or a uri with #t=start,end.")
    written = clean(text)
    if not 1 <= len(written) <= LONGEST:
        raise InvalidArgument(f"text has {len(written)} visible characters; it must have 1 to {LONGEST}.")
    old = _replaced(library, scope.video.id, replaces)
    span = Span(round(scope.span.start_s, 2), round(scope.span.end_s, 2))
    looked = library.attention.has_looked(caller, scope.video.id, span)
    note, same = library.store.add_note(
        scope.video.id, span.start_s, span.end_s, written, author or "client", looked, old
    )
    findable = (
        "now" if _index(library, scope.video.id) else "by words now, by meaning once the sentence encoder is loaded"
    )
    reply = RememberReply(
        note=note_uri(scope.video.id, note.number),
        at=clock(note.start_s),
        stored=True,
        same_as_before=same,
        findable=findable,
        replaces=note_uri(scope.video.id, old) if old is not None else None,
        uri=video_uri(scope.video.id, note.start_s, note.end_s),
        hints=[scope.note] if scope.note else None,
    )
    return trim_to_tokens(reply, LONGEST_REPLY, [])


def index_notes(library: Library, video_id: str, wait_s: float = 0.0) -> bool:
    """Give notes that have no vector yet theirs; False where the encoder is not there."""
    encoder = library.text_encoder(video_id, wait_s)
    if encoder is None:
        return False
    space = text_space(encoder.producer)
    while unindexed := library.store.pending_text(video_id, space, only="notes"):
        vectors = encoder.encode([entry.text for entry in unindexed])
        library.store.put_vectors(space, video_id, [entry.id for entry in unindexed], vectors)
    return True


def index_all_notes(library: Library) -> None:
    """Give the notes of every video that have no vector theirs: those written while the encoder was still loading."""
    for known in library.store.overview().values():
        if known.notes[0]:
            index_notes(library, known.video.id)


def _index(library: Library, video_id: str) -> bool:
    return index_notes(library, video_id, WAIT_FOR_ENCODER_S)


def _replaced(library: Library, video_id: str, uri: str) -> int | None:
    """The number of the note that a uri names. Raises: NoteNotFound, InvalidArgument."""
    if not uri:
        return None
    ref = parse_uri(uri)
    head, _, number = (ref.path if ref else "").rpartition("/")
    if ref is None or head != "/note" or NUMBER.fullmatch(number) is None:
        raise InvalidArgument(f"replaces is {clean(uri, 80)!r}; it must be a note's uri, such as video://<id>/note/3.")
    if ref.video_id != video_id:
        raise InvalidArgument(f"replaces names a note of {ref.video_id}, but video_id is {video_id}. Give one video.")
    note = library.store.note(video_id, int(number))
    if note is None:
        held = ", ".join(str(n.number) for n in library.store.notes(video_id)[:10]) or "none"
        raise NoteNotFound(f"No note {number} of {video_id}. Its notes: {held}.")
    if note.replaced_by is not None:
        raise NoteNotFound(f"Note {number} was replaced by {note_uri(video_id, note.replaced_by)}. Replace that one.")
    return note.number
