"""Text tracks of a video, inside the file and in files next to it: one per language, clean and without repeats."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import av

from agent_tools.errors import SourceNotFound
from agent_tools.media.cue_cleaning import drop_repeats, is_telemetry, letters_joined, sounds_apart, with_speakers
from agent_tools.media.cue_formats import NotSubtitles, language_in, packet_text, parse, plain, with_ends
from agent_tools.media.cues import Cue
from agent_tools.media.encodings import decode_text
from agent_tools.media.fence import name_of, open_media
from agent_tools.media.languages import HINDI, in_devanagari, language_of
from agent_tools.media.picture_captions import picture_captions
from agent_tools.media.plain_file import open_plain
from agent_tools.media.sidecars import Sidecar, beside
from agent_tools.media.streams import Probe, only
from agent_tools.timeline import clock
from agent_tools.untrusted import clean

_SIDECAR_BYTES = 16 << 20  # a day of dense captions is about 4 MB
_SAME_SHARE = 0.9  # of the smaller track's cues in the other one: the same track twice
_SAME_TIME_S = 1.0
_CUES_PER_S, _LEAST_CUES = 10, 5_000  # limit of one track: more cues are not text for reading, and take hours
_HOUR_S = 3600.0
_TAPE_S = 600.0  # after a tape's start somebody speaks within this
_OUTSIDE_SHARE = 0.2  # of a track's cues behind the film's end: it may be another version's, so a problem says so

_PICTURE_CODECS = frozenset({"hdmv_pgs_subtitle", "pgssub", "dvd_subtitle", "dvdsub", "dvb_subtitle", "dvbsub", "xsub"})


@dataclass(frozen=True)
class Track:
    language: str | None
    source: str  # "stream 2", "captions in the pictures (CEA-608)", or the sidecar's file name
    kind: str  # "embedded" or "sidecar"
    cues: list[Cue]
    read_to_s: float | None = None  # set if there are too many cues: no cue after this time was read


def read_subtitles(
    probe: Probe, on_problem: Callable[[str], None] | None = None, duration_s: float | None = None
) -> list[Track]:
    """The text tracks in and beside the file, at most one per known language, the fullest first.

    Sidecars are the files that `sidecars.beside` finds; their times count from the first picture. A track that repeats
    90 % of another one's cues is dropped, and so is one that holds a camera's readings. Times of the day are moved so
    that the first cue lies in the film. A sidecar that is a link to another folder is not read.
    Args:
        on_problem: called with one sentence for each track that is not taken, or not as its file says, and why.
        duration_s: the film's length, where it is known better than from the header.
    """
    report = on_problem or _ignore
    length_s = probe.duration_s if duration_s is None else duration_s
    found = [*_embedded(probe, report), *_sidecars(probe, report)]
    limit = max(_LEAST_CUES, round(_CUES_PER_S * (length_s or 0.0)))
    tracks = []
    for track, second in found:
        if is_telemetry(track.cues):
            report(f"{track.source} holds a camera's readings (such as shutter and position), no speech: not taken")
            continue
        track = replace(track, cues=sounds_apart(with_speakers(drop_repeats(letters_joined(track.cues)))))
        if track.kind == "sidecar":
            track = replace(track, cues=_placed(track, length_s, report))
        if track.cues:
            tracks.append((_bounded(track, limit), second))
    return _one_per_language(tracks, report)


def _bounded(track: Track, limit: int) -> Track:
    """The track with its first `limit` cues."""
    if len(track.cues) <= limit:
        return track
    return replace(track, cues=track.cues[:limit], read_to_s=track.cues[limit].start_s)


def _placed(track: Track, duration_s: float | None, report: Callable[[str], None]) -> list[Cue]:
    """The cues of a sidecar on the film's clock. Where all lie behind its end, they count from another start.

    A broadcast's tape starts at 1:00:00 or 10:00:00: then whole hours are taken away. Times of the day are moved so
    that the first cue stands at 0, if the cues are not longer than the film."""
    cues = track.cues
    if duration_s is None or not cues:
        return cues
    outside = sum(cue.start_s >= duration_s for cue in cues)
    if outside < len(cues):
        if outside > _OUTSIDE_SHARE * len(cues):
            report(f"{track.source}: {outside} of its {len(cues)} cues lie behind the film's end and were not taken")
        return cues
    first_s, last_s = cues[0].start_s, cues[-1].start_s
    hours_s = first_s // _HOUR_S * _HOUR_S
    tape = hours_s > 0 and first_s - hours_s < _TAPE_S and last_s - hours_s < duration_s
    shift_s = hours_s if tape else first_s
    if last_s - shift_s >= duration_s:
        report(f"{track.source} has {len(cues)} cues, none inside the film: the first is at {clock(first_s)}")
        return []
    moved = "as from a tape that starts then" if tape else "so that the first one stands at 0"
    report(f"{track.source}: its cues begin at {clock(first_s)}, so they were moved by {clock(shift_s)}, {moved}")
    return [replace(cue, start_s=cue.start_s - shift_s, end_s=cue.end_s - shift_s) for cue in cues]


def _embedded(probe: Probe, report: Callable[[str], None]) -> Iterator[tuple[Track, bool]]:
    wanted = [stream for stream in probe.subtitles if stream.text]
    raw: dict[int, list[Cue]] = {stream.index: [] for stream in wanted}
    forced: set[int] = set()
    if wanted:
        with open_media(probe.path) as container:
            streams = [container.streams[index] for index in raw]
            only(container, *streams)
            forced = {s.index for s in streams if s.disposition & av.stream.Disposition.forced}
            try:
                for packet in container.demux(streams):
                    if packet.pts is None or not packet.size:
                        continue
                    start_s = float(packet.pts * packet.time_base) - probe.origin_s
                    length_s = float((packet.duration or 0) * packet.time_base)
                    for text, speaker in _packet_texts(packet):
                        raw[packet.stream_index].append(Cue(start_s, start_s + length_s, text, speaker))
            except av.FFmpegError:
                report(f"{name_of(probe.path)}: only a part of its subtitle tracks could be read")
    for stream in wanted:
        cues = with_ends(raw[stream.index])
        yield Track(stream.language, f"stream {stream.index}", "embedded", cues), stream.index in forced
    for codec in sorted({stream.codec for stream in probe.subtitles if not stream.text}):
        what = "pictures of text" if codec in _PICTURE_CODECS else "subtitles of a kind that no library here knows"
        report(f"a track in the file holds {what} ({codec}), which are not read")
    yield from _in_pictures(probe, report)


def _in_pictures(probe: Probe, report: Callable[[str], None]) -> Iterator[tuple[Track, bool]]:
    try:
        found = picture_captions(probe)
    except av.FFmpegError:
        report("captions in the pictures (CEA-608) could not be read")
        return
    for name, cues in found.cues.items():
        yield Track(None, f"captions in the pictures ({name})", "embedded", with_ends(cues)), False
    if found.unread:
        report(f"captions in the pictures are of a kind ({found.unread}) that is not read")


def _packet_texts(packet: Any) -> Iterator[tuple[str, str]]:
    """(text, speaker) of each text in a packet."""
    context = packet.stream.codec_context
    if context is None:
        yield plain(bytes(packet).decode("utf-8", "replace")), ""
        return
    for rect in packet.decode():
        said = packet_text(rect.ass.decode("utf-8", "replace"), styled=context.name in ("ass", "ssa", "cc_dec"))
        if said is not None:
            yield said


def _sidecars(probe: Probe, report: Callable[[str], None]) -> Iterator[tuple[Track, bool]]:
    folder = probe.path.parent.resolve()
    for sidecar in beside(probe.path):
        name = clean(sidecar.label, 160)
        real = sidecar.path.resolve()
        if real != folder / Path(sidecar.path.relative_to(probe.path.parent)):
            report(f"{name} is a link to another folder and was not read")
        elif sidecar.unread:
            report(f"{name} was not read: {sidecar.unread}")
        else:
            try:
                yield _track(sidecar, real, name, probe), sidecar.second
            except (SourceNotFound, NotSubtitles) as error:
                why = str(error) if isinstance(error, NotSubtitles) else "the file cannot be opened"
                report(f"{name} was not read: {why}")


def _track(sidecar: Sidecar, real: Path, name: str, probe: Probe) -> Track:
    """Raises: SourceNotFound: the file cannot be opened. NotSubtitles: it is too large, or no subtitles."""
    with open_plain(real) as file:
        data = file.whole(_SIDECAR_BYTES)
    if data is None:
        raise NotSubtitles(f"it is larger than {_SIDECAR_BYTES >> 20} MiB")
    text = decode_text(data, sidecar.language)
    fps = probe.video.fps if probe.video is not None else None
    origin_s = probe.origin_s if probe.container == "mpegts" else None
    cues = parse(text, sidecar.path.suffix.lower(), fps, origin_s)
    named = sidecar.language
    if named == HINDI and not in_devanagari(text):  # "film.hi.srt" may say "for the hard of hearing" instead
        named = None
    return Track(named or language_of(language_in(text)), name, "sidecar", cues)


def _one_per_language(tracks: list[tuple[Track, bool]], report: Callable[[str], None]) -> list[Track]:
    def rank(item: tuple[Track, bool]) -> tuple[bool, bool, int]:
        track, second = item
        return (track.language is None, second, -sum(len(cue.text) for cue in track.cues))

    kept: list[Track] = []
    for track, _ in sorted(tracks, key=rank):
        if any(_same(track.cues, other.cues) for other in kept if _may_be_same(track, other)):
            continue
        fuller = next(
            (other for other in kept if track.language is not None and track.language == other.language), None
        )
        if fuller is None:
            kept.append(track)
        else:
            report(
                f"{track.source} was not taken: {fuller.source} is in the same language ({track.language}) and fuller"
            )
    return sorted(kept, key=lambda track: -len(track.cues))


def _may_be_same(track: Track, other: Track) -> bool:
    """Whether two tracks may be one, by their languages: "en" and "en-us" may, "en" and "de" may not."""
    if track.language is None or other.language is None:
        return True
    return track.language.split("-")[0] == other.language.split("-")[0]


def _same(cues: Sequence[Cue], others: Sequence[Cue]) -> bool:
    small, large = sorted((cues, others), key=len)
    starts: dict[str, list[float]] = defaultdict(list)
    for cue in large:
        starts[cue.text.casefold()].append(cue.start_s)
    equal = sum(_near(starts.get(cue.text.casefold(), []), cue.start_s) for cue in small)
    return equal >= _SAME_SHARE * len(small)


def _near(starts: Sequence[float], time_s: float) -> bool:
    """Whether one of the increasing starts lies within _SAME_TIME_S."""
    place = bisect_left(starts, time_s - _SAME_TIME_S)
    return place < len(starts) and starts[place] <= time_s + _SAME_TIME_S


def _ignore(problem: str) -> None:
    """The caller gave no on_problem."""
