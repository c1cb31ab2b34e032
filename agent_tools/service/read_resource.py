"""Resources: what a `video://` uri holds, as JSON, text, JPEG or MP4.

The server publishes them over MCP."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from agent_tools.errors import InvalidArgument, LimitReached, NoteNotFound, SourceNotFound
from agent_tools.service import list_episodes
from agent_tools.service.export import clip_line
from agent_tools.service.frames.kept_frames import kept_jpeg
from agent_tools.service.ingest import status
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.library.looker_client import CHECK
from agent_tools.service.remember import NUMBER
from agent_tools.service.replies import coverage
from agent_tools.service.replies.fit import compact_json
from agent_tools.service.token_costs import budget
from agent_tools.service.viewer.pictures import pictures
from agent_tools.store import speakers
from agent_tools.timeline import Span, clock, note_uri, parse_uri, rounded, seconds_text, video_uri
from agent_tools.untrusted import clean

JSON, TEXT, JPEG, MP4 = "application/json", "text/plain", "image/jpeg", "video/mp4"
LONGEST_CLIP_S = 60.0
LARGEST_CLIP = 8 * 1024 * 1024
TRANSCRIPT_CHARS = 100_000
_CLIP = re.compile(r"(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)")


@dataclass(frozen=True)
class Resource:
    """Either text or data."""

    mime_type: str
    text: str | None = None
    data: bytes | None = None
    span: Span | None = None  # that the data holds, where it is not the one that was asked for


def read_resource(library: Library, uri: str, check: CHECK | None = None) -> Resource:
    """The content of a uri.

    Args:
        check: called while a picture or clip is made; raises where the call was cancelled.

    Raises: VideoNotFound, NoteNotFound, SpanOutsideVideo, InvalidArgument, EngineError.
    """
    try:
        parts = urlsplit(uri)
    except ValueError as error:
        raise InvalidArgument(f"{clean(uri, 80)!r} is no uri. Give one that a reply holds.") from error
    if parts.scheme != "video":
        raise InvalidArgument(f"{clean(uri, 80)!r} is not a video:// uri.")
    path = parts.path.strip("/")
    if parts.netloc == "library" and not path:
        return _json(list_episodes.list_episodes(library, max_tokens=20_000).compact())
    name = f"video://{parts.netloc}" + (f"#{parts.fragment}" if parts.fragment else "")
    scope = library.video_span(name)
    if not path:
        ref = parse_uri(name)
        if ref is not None and ref.start_s is not None:
            return _json(_span(library, scope))
        return _json(status.status(library, scope.video.id).compact())
    head, _, rest = path.partition("/")
    match head if not rest or head in ("frame", "clip", "note") else path:
        case "episodes":
            return _json(list_episodes.list_episodes(library, video_id=scope.video.id, max_tokens=20_000).compact())
        case "budget":
            return _json(budget(library, scope.video))
        case "transcript":
            query = parse_qs(parts.query)
            scope = library.video_span(name, _seconds(query, "start_s"), _seconds(query, "end_s"))
            return Resource(TEXT, _transcript(library, scope))
        case "frame":
            width = _seconds(parse_qs(parts.query), "width")
            return Resource(JPEG, data=_frame(library, scope, rest, width, check))
        case "clip":
            return _clip(library, scope, rest, parse_qs(parts.query).get("exact") != ["no"], check)
        case "note":
            return _json(_note(library, scope, rest))
    raise InvalidArgument(
        f"{clean(path, 40)!r} is nothing that a video holds. It holds: episodes, budget, transcript, frame/<t>, "
        "clip/<start>-<end>, note/<n>."
    )


def _json(value: dict[str, Any]) -> Resource:
    return Resource(JSON, compact_json(value))


def _span(library: Library, scope: VideoSpan) -> dict[str, Any]:
    """What is said and shown in a span, with links to a frame and, where it is short enough, to a clip."""
    entries = library.store.entries(scope.video.id, start_s=scope.span.start_s, end_s=scope.span.end_s)
    view = coverage.coverage(library, [scope], None)
    view.producers = None
    found: dict[str, Any] = {
        "video_id": scope.video.id,
        "title": scope.video.title,
        "start_s": rounded(scope.span.start_s),
        "end_s": rounded(scope.span.end_s),
        "at": clock(scope.span.start_s),
        "text": [
            {"channel": e.channel, "start_s": rounded(e.start_s), "end_s": rounded(e.end_s), "text": speakers.shown(e)}
            for e in entries
        ][:500],
        "coverage": view.compact(),
    }
    if scope.video.width:
        found["frame"] = f"{video_uri(scope.video.id)}/frame/{seconds_text(scope.span.middle_s)}"
        if scope.span.length_s <= LONGEST_CLIP_S:
            start, end = seconds_text(scope.span.start_s), seconds_text(scope.span.end_s)
            found["clip"] = f"{video_uri(scope.video.id)}/clip/{start}-{end}"
    return found


def _transcript(library: Library, scope: VideoSpan) -> str:
    """Lines `H:MM:SS [channel] text` of a span; cut with the time at which to go on."""
    span = scope.span
    lines: list[str] = []
    length = 0
    for entry in library.store.entries(scope.video.id, start_s=span.start_s, end_s=span.end_s):
        line = f"{clock(entry.start_s)} [{entry.channel}] {speakers.shown(entry)}"
        length += len(line) + 1
        if length > TRANSCRIPT_CHARS:
            lines.append(f"(cut here: go on with ?start_s={seconds_text(entry.start_s)})")
            break
        lines.append(line)
    return "\n".join(lines) or f"(no text between {clock(span.start_s)} and {clock(span.end_s)})"


def _frame(library: Library, scope: VideoSpan, rest: str, width: float | None, check: CHECK | None) -> bytes:
    try:
        time_s = float(rest)
    except ValueError as error:
        raise InvalidArgument(f"frame/{clean(rest, 20)!r}: give seconds, such as frame/90.5.") from error
    library.span(scope.video, time_s, min(time_s + 0.01, scope.video.duration_s or time_s + 0.01))
    if width is not None and (
        shown := pictures(library, scope.video.id, [time_s], int(width), exact=True, check=check)
    ):
        return shown[0].jpeg
    paths = library.sources(scope.video.id)
    if paths:
        shot = library.looker.pictures(paths[0], [time_s], long_side=1568, check=check)[0]
        if shot is not None:
            return shot.jpeg
    data = kept_jpeg(library, scope, time_s)
    if data is None:
        raise SourceNotFound(f"no picture at {time_s:g} s: the file cannot be decoded there, or is gone.")
    return data


def _clip(library: Library, scope: VideoSpan, rest: str, exact: bool, check: CHECK | None) -> Resource:
    """Args: exact: begin at the very time. Else the clip may begin at the key frame before, where that saves encoding,
    and end before or after the end of the span."""
    match = _CLIP.fullmatch(rest)
    if match is None:
        raise InvalidArgument(f"clip/{clean(rest, 30)!r}: give seconds, such as clip/90-105.5.")
    span: Span = library.span(scope.video, float(match[1]), float(match[2]))
    if span.length_s > LONGEST_CLIP_S:
        raise InvalidArgument(
            f"a clip of {span.length_s:.0f} s is over {LONGEST_CLIP_S:.0f} s. Ask for a shorter one, or have the user "
            f"write it to a file: {clip_line(library, scope.video.id, span)}"
        )
    paths = library.sources(scope.video.id)
    if not paths:
        raise SourceNotFound(f"{library.closed(scope.video.id)}, and clips are cut from it. Or look at frames instead.")
    try:
        if exact:
            data = library.looker.clip(paths[0], span.start_s, span.end_s, max_bytes=LARGEST_CLIP, check=check)
            return Resource(MP4, data=data)
        made = library.looker.playable(paths[0], span.start_s, span.end_s, max_bytes=LARGEST_CLIP, check=check)
        return Resource(made.mime_type, data=made.data, span=Span(made.start_s, made.end_s))
    except LimitReached as error:
        raise LimitReached(f"{error} Or have the user write it: {clip_line(library, scope.video.id, span)}") from error


def _note(library: Library, scope: VideoSpan, rest: str) -> dict[str, Any]:
    note = library.store.note(scope.video.id, int(rest)) if NUMBER.fullmatch(rest) else None
    if note is None:
        raise NoteNotFound(f"No note {clean(rest, 20)!r} of {scope.video.id}. Its notes: {_numbers(library, scope)}.")
    found: dict[str, Any] = {
        "note": note_uri(scope.video.id, note.number),
        "start_s": note.start_s,
        "end_s": note.end_s,
        "at": clock(note.start_s),
        "notes": note.text,
        "author": note.author,
        "created_at": note.created_at,
        "looked_at": note.looked_at,
        "uri": video_uri(scope.video.id, note.start_s, note.end_s),
    }
    if note.replaced_by is not None:
        found["replaced_by"] = note_uri(scope.video.id, note.replaced_by)
    return found


def _numbers(library: Library, scope: VideoSpan) -> str:
    return ", ".join(str(note.number) for note in library.store.notes(scope.video.id)[:20]) or "none"


def _seconds(query: dict[str, list[str]], name: str) -> float | None:
    values = query.get(name)
    if not values:
        return None
    try:
        return float(values[0])
    except ValueError as error:
        raise InvalidArgument(f"{name}={clean(values[0], 20)!r} is not a number of seconds.") from error
