"""What was searched and what was not: each channel's state in a phrase, gaps, shares, and what a profile cannot know.

The `coverage` and `not_known` of every reply come from here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from agent_tools.channels import channel
from agent_tools.ingestion.model_choice import channels_of
from agent_tools.ingestion.spoken_subtitles import stand_for_speech
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.replies.alike import summed
from agent_tools.service.replies.missed_text import (
    between_pictures,
    hidden_s,
    missed_px,
    on_texture,
    too_small,
    unread_s,
)
from agent_tools.service.search.comparable import other_texts
from agent_tools.store import ChannelRow, Status, VideoRow
from agent_tools.timeline import Span, clock, covered_share, merged, rounded
from agent_tools.types import CHANNELS, TEXT_CHANNELS, ChannelWords, Coverage, GapOut, NotKnown

if TYPE_CHECKING:
    pass

ALL = "all"  # the phrase of a channel that was searched whole
MOST_GAPS = 6  # named in a reply; the rest are counted
MOST_PHRASES = 3  # about one channel of many videos


@dataclass(frozen=True)
class ChannelView:
    """One channel of one video, for a search of a span."""

    name: str
    phrase: str
    producer: str
    gaps: tuple[Span, ...]  # parts of the asked span that this channel could not or did not yet search
    searched: bool  # whether the search used it at all
    missing: bool = True  # whether there is something that it did not search; a file without sound misses no speech


@dataclass(frozen=True)
class SearchNotes:
    """What one search has to say of channels besides their state."""

    words_only: str = ""  # why it went by words alone (the encoder loads, or knows only English), "" if it did not
    by_picture: str = ""  # the producer of the vector that a search by likeness compared: frames need no text side then
    apart: Mapping[str, str] = field(default_factory=dict)  # channels it left out, although it could search, and why
    looked: Mapping[str, str] = field(default_factory=dict)  # channels that a video LLM looked into, and how


PLAIN = SearchNotes()


def view(library: Library, scope: VideoSpan, name: str, notes: SearchNotes = PLAIN) -> ChannelView:
    """State of one channel over the span, for a search with these notes."""
    if channel(name).kind == "notes":
        return ChannelView(name, ALL, name, (), True, missing=False)
    known = _known(library, scope.video)
    row = known.channels.get(name)
    if row is None or row.state in ("absent", "queued"):
        phrase = _absent(name, row, known.job.state if known.job else "done")
        return ChannelView(name, phrase, "", (scope.span,), False, missing=not _has_nothing(row))
    why_not = _pictures_not_searched(library, row, notes) if channel(name).kind == "pictures" else ""
    if why_not := why_not or notes.apart.get(name, ""):
        return ChannelView(name, why_not, row.producer, (scope.span,), False)
    gaps = unread(library, scope, row)
    phrase = _phrase(library, scope, row, gaps, notes)
    producer = f"{row.producer}, speakers by {row.detail.speakers}" if row.detail.speakers else row.producer
    return ChannelView(name, phrase, producer, gaps, True, missing=phrase != ALL)


def _has_nothing(row: ChannelRow | None) -> bool:
    """Whether the file has nothing of the channel: no sound, no subtitles, or subtitles that stand for speech."""
    return row is not None and row.state == "absent" and not row.detail.not_taken and not row.detail.no_model


def _pictures_not_searched(library: Library, row: ChannelRow, notes: SearchNotes) -> str:
    """Why a search could not compare the frames; "" if it could."""
    if row.state == "failed":  # this comes before what the profile could not do with them anyway
        return _failed(row)
    if notes.by_picture:
        if row.producer == notes.by_picture:
            return ""
        return f"made by {row.producer}, not by {notes.by_picture} as the moment asked with"
    if row.name in notes.looked:
        return ""
    if not library.models.profile_has_text_side:
        return f"no words ({library.models.profile.name})"
    if row.producer != library.models.frame_producer:
        return f"made by {row.producer}, not this server's model"
    if library.models.picture_words() is None:
        return "not by words: the image-text model is not loaded"
    return ""


def unread(library: Library, scope: VideoSpan, row: ChannelRow) -> tuple[Span, ...]:
    """The parts of the span that the channel did not read: its gaps, and what it has not reached yet."""
    known, span = _known(library, scope.video), scope.span
    holes = [Span(gap.start_s, gap.end_s) for gap in known.gaps if gap.channel in ("", row.name)]
    if row.state != "done":
        holes.append(Span(min(row.done_to_s, span.end_s), max(span.end_s, row.done_to_s)))
    return tuple(part for hole in merged(holes) if (part := hole.clipped(span.start_s, span.end_s)))


def _phrase(library: Library, scope: VideoSpan, row: ChannelRow, gaps: Sequence[Span], notes: SearchNotes) -> str:
    """What a search of this channel saw, in a phrase."""
    if row.state == "failed":
        phrase = _failed(row)
    elif row.state != "done":
        phrase = channel(row.name).unfinished.format(state=row.state, at=clock(row.done_to_s))
    else:
        missing = sum(gap.length_s for gap in gaps)
        phrase = ALL if not gaps else f"all but {len(gaps)} gap{'s' if len(gaps) > 1 else ''} of {missing:.0f} s"
        if row.detail.half_size:
            phrase += f", {row.detail.half_size} of {row.detail.pictures} pictures at half size"
    parts = [phrase]
    if row.detail.not_taken:
        parts.append("; ".join(row.detail.not_taken))
    if row.name == "screen_text" and (missed_s := unread_s(row, scope.span)):
        parts.append(between_pictures(missed_s))
    if row.name == "screen_text" and (full_s := hidden_s(row, scope.span)):
        parts.append(on_texture(full_s))
    if row.name == "screen_text" and (px := missed_px(row, scope.video)):
        parts.append(too_small(px))
    if row.detail.sent_to:
        parts.append(f"pictures of the video went to {row.detail.sent_to}")
    if row.detail.english_only:
        parts.append("its model hears English only: other speech is wrong")
    if row.detail.no_speakers:
        parts.append(row.detail.no_speakers)
    if row.detail.visual_tokens:
        parts.append("told from {} of {} visual tokens".format(*row.detail.visual_tokens))
    is_text = row.name in TEXT_CHANNELS
    if is_text and (others := notes.words_only or other_texts(row, library.models.loaded)):
        parts.append(others)
    if looked := notes.looked.get(row.name, ""):
        parts.append(looked)
    return "; ".join(parts)


def _failed(row: ChannelRow) -> str:
    return channel(row.name).failed.format(at=clock(row.done_to_s), error=row.error or "see the log")


def coverage(
    library: Library,
    scopes: Sequence[VideoSpan],
    channels: tuple[str, ...] | None,
    notes: SearchNotes = PLAIN,
    *,
    short: bool = False,
) -> Coverage:
    """Of one or several videos: the share that was searched, each channel's phrase and producer, and the gaps.

    Args:
        short: the JSON names only the channels that miss something; the value holds all.
    """
    names = channels or CHANNELS
    if notes.apart or notes.looked or scopes is not library.everything():
        return _coverage(library, scopes, names, notes, short).model_copy(deep=True)
    key = ("coverage", names, short, *_depends(library, notes))
    return library.kept.get(key, lambda: _coverage(library, scopes, names, notes, short)).model_copy(deep=True)


@dataclass(frozen=True)
class _Part:
    """What is said of one video, for a search of some channels."""

    length_s: float  # of the asked span
    searched_s: float
    words: tuple[tuple[str, str, str], ...]  # by channel: its phrase, its producer, and what is missing, "" if nothing
    gaps: tuple[GapOut, ...]


def _coverage(
    library: Library, scopes: Sequence[VideoSpan], names: tuple[str, ...], notes: SearchNotes, short: bool
) -> Coverage:
    parts = _parts(library, scopes, names, notes)
    alike = Counter(part.words for part in parts)  # of a thousand videos most say the same
    total = sum(part.length_s for part in parts)
    gaps = [gap for part in parts for gap in part.gaps]

    def joined(row: int, parts_of: Callable[[str, str], Sequence[str]] = lambda _, said: [said]) -> dict[str, str]:
        found = {}
        for i, name in enumerate(names):
            said = [(part, count) for words, count in alike.items() for part in parts_of(name, words[i][row])]
            found[name] = _joined(_count(said))
        return found

    made = Coverage(
        share=round(sum(part.searched_s for part in parts) / total, 3) if total else 0.0,
        channels=ChannelWords(**joined(0)),
        producers=ChannelWords(**{name: makers or None for name, makers in joined(1).items()}),
        gaps=longest(gaps, MOST_GAPS),
        gaps_omitted=max(0, len(gaps) - MOST_GAPS) or None,
    )
    if short:
        made.say_only(ChannelWords(**{name: phrase for name, phrase in joined(2, _missing).items() if phrase}))
    return made


def _parts(
    library: Library, scopes: Sequence[VideoSpan], names: tuple[str, ...], notes: SearchNotes
) -> Sequence[_Part]:
    """Of each video. What is said of a whole one is kept until somebody commits."""
    several = len(scopes) > 1
    if notes.apart or notes.looked:
        return [_part(library, one, names, notes, several=several) for one in scopes]
    whole = {one.video.id: one for one in scopes if one.whole and one.video.duration_s}
    key = ("coverage of a video", names, several, *_depends(library, notes))
    made = library.kept.of_each(
        key, list(whole), lambda name: _part(library, whole[name], names, notes, several=several)
    )
    known = dict(zip(whole, made, strict=True))
    return [
        known[one.video.id] if whole.get(one.video.id) is one else _part(library, one, names, notes, several=several)
        for one in scopes
    ]


def _depends(library: Library, notes: SearchNotes) -> tuple[object, ...]:
    """What a channel's phrase depends on besides the state of its video."""
    models = library.models
    return notes.words_only, notes.by_picture, models.loaded, models.picture_words() is None


def _part(library: Library, one: VideoSpan, names: tuple[str, ...], notes: SearchNotes, *, several: bool) -> _Part:
    views = [view(library, one, name, notes) for name in names]
    took_part = [v for v in views if v.searched and v.name != "notes"]
    holes = merged(gap for v in took_part for gap in v.gaps)
    return _Part(
        one.span.length_s,
        one.span.length_s * (covered_share(one.span, holes) if took_part else 0.0),
        tuple((v.phrase, v.producer, v.phrase if v.missing else "") for v in views),
        tuple(_gaps(library, one, names, several=several)),
    )


def _missing(name: str, phrase: str) -> list[str]:
    """The parts of a phrase that say what is missing, without the words that only repeat that the channel was not
    searched."""
    parts = phrase.removeprefix(f"{channel(name).not_made}: ").split("; ")
    return [part for part in parts if part != ALL] or parts


def longest(gaps: Sequence[GapOut], most: int) -> list[GapOut]:
    """At most that many gaps, the longest, in the order they were given: an hour in motion has a hundred of them."""
    kept = sorted(range(len(gaps)), key=lambda i: gaps[i].start_s - gaps[i].end_s)[:most]
    return [gaps[i] for i in sorted(kept)]


def not_known(library: Library, video: VideoRow) -> list[NotKnown]:
    """What this profile will not know of this file, and what would change that."""
    missing: list[NotKnown] = []
    profile = library.models.profile
    rows = _known(library, video).channels
    spoken = rows.get("speech")
    subtitles = rows.get("subtitles")
    whole = VideoSpan(video, Span(0.0, video.duration_s or 0.0))
    said = (subtitles is not None and subtitles.state == "running") or subtitles_stand_for_speech(library, whole)
    making = _is_making(library, video, "speech")
    if video.has_audio and (spoken is None or spoken.state == "absent") and not said and not making:
        missing.append(_unheard(library, video, spoken))
    if subtitles is not None and subtitles.detail.not_taken:
        missing.append(
            NotKnown(
                channel="subtitles",
                why="; ".join(subtitles.detail.not_taken),
                remedy="save what is missing as .srt or .vtt under the video's name, then call ingest_video again",
            )
        )
    if video.width and not library.models.profile_has_text_side:
        missing.append(
            NotKnown(
                channel="frames",
                why=f"what pictures show cannot be searched by words: profile {profile.name} has no image-text model",
                remedy="look with zoom_segment, or search with like=<uri> for similar pictures; or agent-tools models "
                f"pull standard ({_size('standard')}), then agent-tools reindex {video.id} --channel frames --profile "
                "standard",
            )
        )
    return missing


def _is_making(library: Library, video: VideoRow, name: str) -> bool:
    """Whether an ingest that is queued or running makes the channel."""
    job = _known(library, video).job
    return job is not None and job.state in ("queued", "running") and name in job.channels


def _unheard(library: Library, video: VideoRow, spoken: ChannelRow | None) -> NotKnown:
    """Why speech is not known although there is sound, and what changes that."""
    profile = library.models.profile
    beside = "put a .srt or .vtt of the same name beside the file and call ingest_video again"
    if "speech" in channels_of(profile):
        why = spoken.detail.why if spoken is not None else "speech was left out"
        remedy = f"agent-tools reindex {video.id} --channel speech; or {beside}"
    elif profile.model("speech") is not None:
        why = spoken.detail.why if spoken is not None else "no speech model"
        remedy = f"agent-tools doctor names what is missing; or {beside}"
    else:
        why = f"profile {profile.name} has no speech model"
        remedy = f"agent-tools reindex {video.id} --channel speech --models speech=whisper-base; or {beside}"
    why = why.removeprefix("not transcribed: ")
    return NotKnown(
        channel="speech",
        why=f"{video.audio_s or video.duration_s or 0:.0f} s of audio not transcribed: {why}",
        remedy=remedy,
    )


def subtitles_stand_for_speech(library: Library, scope: VideoSpan) -> bool:
    """Whether subtitles in the language of the audio cover the span, so that what is said is in them."""
    key = "subtitles stand for speech", scope.span
    return library.of_video.get(scope.video.id, key, lambda: stand_for_speech(library.store, scope.video, scope.span))


def _known(library: Library, video: VideoRow) -> Status:
    """What the store holds of the video now; nothing if it was just deleted."""
    return library.store.overview().get(video.id) or Status(video)


def _size(profile: str) -> str:
    from agent_tools.models.hub.catalogue import PROFILES, megabytes

    return megabytes(PROFILES[profile].size_bytes)


def _gaps(library: Library, one: VideoSpan, names: Sequence[str], *, several: bool) -> list[GapOut]:
    found = []
    for gap in _known(library, one.video).gaps:
        part = Span(gap.start_s, gap.end_s).clipped(one.span.start_s, one.span.end_s)
        if part is not None and (gap.channel == "" or gap.channel in names):
            found.append(
                GapOut(
                    video_id=one.video.id if several else None,
                    channel=gap.channel or None,
                    start_s=rounded(part.start_s),
                    end_s=rounded(part.end_s),
                    why=gap.why,
                )
            )
    return found


def _absent(name: str, row: ChannelRow | None, state: str) -> str:
    """The phrase for a channel that holds nothing, by its row and the state of the video's newest job."""
    if row is not None and row.state == "absent":
        if row.detail.not_taken:
            return f"none was taken: {'; '.join(row.detail.not_taken)}"
        return row.detail.why or channel(name).nothing
    return "not yet" if state in ("queued", "running") else channel(name).not_made


def _count(said: Iterable[tuple[str, int]]) -> dict[str, int]:
    """How often each phrase was said, without those that say nothing."""
    counts: Counter[str] = Counter()
    for phrase, count in said:
        if phrase:
            counts[phrase] += count
    return counts


def _joined(counts: Mapping[str, int]) -> str:
    said = summed(counts)
    if len(said) == 1:
        return said[0][0]
    return "; ".join(f"{phrase} ({count} video{'s' if count > 1 else ''})" for phrase, count in said[:MOST_PHRASES])
