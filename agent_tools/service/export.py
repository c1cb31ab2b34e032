"""What leaves the memory as files: a transcript, the episodes, the notes, a clip.

The command line chooses where a file goes."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from agent_tools.channels import made_text_names
from agent_tools.errors import InvalidArgument, SourceNotFound
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.replies import coverage
from agent_tools.settings import default_home
from agent_tools.store import Entry, VideoRow, speakers, timed_words
from agent_tools.timeline import Span, clock, rounded, seconds_text, video_uri
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    from agent_tools.media import Cue, Cut

LEVELS: tuple[Literal["chapter", "scene", "chunk"], ...] = ("chapter", "scene", "chunk")
CUED = made_text_names()  # channels that can be written as cues


def transcript(
    library: Library, video: VideoRow, form: str, channel: str = "", language: str = "", *, by_word: bool = False
) -> str:
    """A channel's texts as SRT or VTT.

    Args:
        channel: default what is said: subtitles where there are any, else speech.
        language: of several subtitle tracks; default the fullest one.
        by_word: with the time of each word that is known: a time stamp before it in VTT, a cue of its own in SRT.
    Raises: InvalidArgument: no such form, channel or language, or nothing is there to write; the message says why.
    """
    from agent_tools.media import subtitle_text

    if form not in ("srt", "vtt"):
        raise InvalidArgument(f"transcript is {clean(form, 20)!r}; it must be srt or vtt.")
    if channel and channel not in CUED:
        raise InvalidArgument(f"channel is {clean(channel, 40)!r}; it must be one of {', '.join(CUED)}.")
    entries: list[Entry] = []
    for name in (channel,) if channel else ("subtitles", "speech"):
        entries = entries or library.store.entries(video.id, channels=(name,))
    if not entries:
        raise InvalidArgument(_nothing(library, video, channel))
    entries = _one_track(entries, language)
    if by_word and not any(timed_words.timed_words(entry) for entry in entries):
        raise InvalidArgument(f"no word of {video.id}'s transcript has a time of its own. Leave --words out.")
    cues = [cue for entry in entries for cue in _cues(entry, form, by_word=by_word)]
    return subtitle_text(cues, form)  # type: ignore[arg-type]  # checked above


def _cues(entry: Entry, form: str, *, by_word: bool) -> list[Cue]:
    """An entry as one cue, or by its words where they have times."""
    from agent_tools.media import Cue

    words = timed_words.timed_words(entry) if by_word else []
    if not words or form == "vtt":
        text = speakers.said(entry)
        begin = len(entry.text) - len(text)
        places = tuple((word.start_s, word.begin - begin) for word in words)
        return [Cue(entry.start_s, entry.end_s, text, speakers.name_of(entry), places)]
    ends = [word.begin for word in words[1:]] + [len(entry.text)]
    return [
        Cue(word.start_s, max(word.start_s, word.end_s), entry.text[word.begin : end].strip())
        for word, end in zip(words, ends, strict=True)
    ]


def unfinished(library: Library, video: VideoRow, channel: str = "") -> str:
    """What a transcript of the channel lacks now, as a phrase; "" where it is whole."""
    for name in (channel,) if channel else ("subtitles", "speech"):
        row = library.store.channel(video.id, name)
        if row is not None and row.entries:
            view = coverage.view(library, VideoSpan(video, Span(0.0, video.duration_s or 0.0)), name)
            return f"{name}: {view.phrase}" if view.gaps else ""
    return ""


def episodes(library: Library, video: VideoRow) -> str:
    """Chapters, scenes and chunks as JSON."""
    levels: dict[str, list[dict[str, object]]] = {
        level: [
            {
                "start_s": rounded(one.start_s),
                "end_s": rounded(one.end_s),
                "at": clock(one.start_s),
                "title": one.title,
                "from": one.title_from,
                "keyframe_s": None if one.keyframe_s is None else rounded(one.keyframe_s),
                "uri": video_uri(video.id, one.start_s, one.end_s),
            }
            for one in library.store.episodes(video.id, level)
        ]
        for level in LEVELS
    }
    if not any(levels.values()):
        raise InvalidArgument(f"{video.id} has no episodes yet: its state is {library.state(video.id)}. Ingest it.")
    body = {"video_id": video.id, "title": video.title, "duration_s": video.duration_s, **levels}
    return json.dumps(body, ensure_ascii=False, indent=1)


def notes(library: Library, video: VideoRow) -> str:
    """Every note, replaced ones too, as JSON."""
    found = library.store.notes(video.id, current_only=False)
    return json.dumps([asdict(note) for note in found], ensure_ascii=False, indent=1)


def clip(
    library: Library, video: VideoRow, span: Span, out: Path, on_share: Callable[[float], None] | None = None
) -> Cut:
    """Write a span as a video of its own; in this process, so for commands only.

    Raises: SourceNotFound: the file is gone. DecodeError: nothing in the span can be read."""
    from agent_tools.media import cut, probe

    paths = library.sources(video.id)
    if not paths:
        raise SourceNotFound(f"the file of {video.id} is gone, and clips are cut from it. Put it back where it was.")
    return cut(probe(paths[0]), span.start_s, span.end_s, out, on_share)


def clip_line(library: Library, video_id: str, span: Span) -> str:
    """The command that writes the span to a file, of any length: as this memory's user can type it."""
    line = f"agent-tools export {video_id} --clip {seconds_text(span.start_s)}-{seconds_text(span.end_s)}"
    home = library.settings.home
    return line if home == default_home() else f"{line} --home {shlex.quote(str(home))}"


def _one_track(entries: list[Entry], language: str) -> list[Entry]:
    """Of several tracks that of the language, or the one with the most text."""
    tracks: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        tracks.setdefault((str(entry.extra.get("track", "")), str(entry.extra.get("language") or "")), []).append(entry)
    if len({track for track, _ in tracks}) == 1 and not language:
        return entries  # speech: each segment says which language was heard
    found = [of for (_, spoken), of in tracks.items() if not language or spoken == language]
    if not found:
        there = ", ".join(sorted({spoken or "unknown" for _, spoken in tracks}))
        raise InvalidArgument(f"nothing there in language {clean(language, 20)!r}. There is: {there}.")
    return max(found, key=lambda of: sum(len(entry.text) for entry in of))


def _nothing(library: Library, video: VideoRow, channel: str) -> str:
    whole = VideoSpan(video, Span(0.0, video.duration_s or 0.0))
    names = (channel,) if channel else ("subtitles", "speech")
    why = "; ".join(f"{name}: {coverage.view(library, whole, name).phrase}" for name in names)
    known = [name for name in CUED if library.store.entries(video.id, channels=(name,))]
    there = f"There is: {', '.join(known)}." if known else "No channel of it holds any text."
    return f"{video.id} has nothing to write as a transcript ({why}). {there}"
