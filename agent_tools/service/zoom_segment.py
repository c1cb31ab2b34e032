"""zoom_segment: pictures, speech and on-screen text of a span, chosen for a query, within a number of tokens.

The looker, a process of its own, opens the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from agent_tools.budget import FrameOffer, TextOffer, pack, reply_tokens, token_cost
from agent_tools.errors import InvalidArgument
from agent_tools.ingestion.look_messages import Shot
from agent_tools.progress import OnStep, silent
from agent_tools.service.frames.frame_choice import ChosenFrames, chosen_frames
from agent_tools.service.frames.pictures import Pictures, open_pictures, within_a_result
from agent_tools.service.frames.region import check_region, region_as_shares
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.replies import coverage
from agent_tools.service.replies.fit import Cut, check_tokens, compact_json, cut_until_it_fits, drop_last, stated_tokens
from agent_tools.service.replies.sentences import short_clock
from agent_tools.service.search.elsewhere import best_elsewhere
from agent_tools.service.search.moments import Moment
from agent_tools.service.search.recall import ScoredEntry, recall
from agent_tools.service.search.strength import strength
from agent_tools.store import Entry, speakers, timed_words
from agent_tools.timeline import clock, rounded, seconds_text, video_uri
from agent_tools.types import TEXT_CHANNELS
from agent_tools.untrusted import clean

Layout = Literal["auto", "sheet", "frames", "text"]
LAYOUTS = ("auto", "sheet", "frames", "text")
SIDES = (1568, 1280, 1024, 768, 576, 448, 320)
CELL_SIDES = (480, 384, 288)  # px of a sheet's cells; nine of the first make a sheet of 1,456 x 916
SINGLE = 2  # up to this many pictures "auto" shows them one by one
LONGEST_CLIP_S = 60.0
FRAME_SCORE = 0.6  # against the relevance of texts: frames come before all but the best of them
WHOLE_COVERAGE = 700  # max_tokens from which a reply has room for each channel's phrase
LEAST_CELL = 70  # tokens of the smallest cell
FRAME_TOKENS = 82  # what a frame's row, its label and the strip under its cell cost
ROW_TOKENS = 33  # what a text's row costs without its text
SHOWN_SCORE = 0.2
NO_MATCH = "no text in it matches the query"


@dataclass(frozen=True)
class ZoomedPicture:
    """A JPEG and the line that says what it shows."""

    jpeg: bytes
    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class ZoomedLink:
    uri: str
    name: str
    mime_type: str


@dataclass(frozen=True)
class Zoomed:
    """Facts (one JSON object), pictures in time order, and links to what did not fit."""

    facts: dict[str, Any]
    pictures: list[ZoomedPicture]
    links: list[ZoomedLink]


@dataclass(frozen=True, kw_only=True)
class ZoomRequest:
    """What zoom_segment is asked."""

    video_id: str
    start_s: float | None = None
    end_s: float | None = None
    query: str = ""  # frames and texts that match it come first
    max_frames: int = 6
    layout: str = "auto"
    region: Sequence[float] | None = None  # [x, y, w, h] in 0..1
    max_tokens: int = 3000

    def check(self) -> None:
        """Raises: InvalidArgument: a bound breaks its rule."""
        if not 1 <= self.max_frames <= 16:
            raise InvalidArgument(f"max_frames is {self.max_frames}; it must be from 1 to 16.")
        if self.layout not in LAYOUTS:
            raise InvalidArgument(f"layout is {self.layout!r}; it must be one of {', '.join(LAYOUTS)}.")
        check_tokens(self.max_tokens)
        check_region(self.region)


def zoom_segment(library: Library, request: ZoomRequest, *, caller: str = "", on_step: OnStep = silent) -> Zoomed:
    """Look closely at a span.

    Args:
        caller: whose look it is: a note of theirs on the span then says that it was looked at.
    Raises: RequestError: a name, span or bound breaks its rule. EngineError: the process that opens videos died."""
    request.check()
    with library.store.snapshot():
        return _zoomed(library, request, caller, on_step)


def _zoomed(library: Library, request: ZoomRequest, caller: str, on_step: OnStep) -> Zoomed:
    scope = library.video_span(request.video_id, request.start_s, request.end_s)
    region, ignored = region_as_shares(request.region, scope.video.width, scope.video.height)
    request = replace(request, region=region)
    hints = [note for note in (scope.note, ignored) if note]
    on_step(0.0, "choosing frames")
    entries = _texts(library, scope)
    found = _relevance(library, scope, request.query)
    scores = {number: one.score for number, one in found.items()}
    best = sorted((e for e in entries if scores.get(e.id, 0.0) >= SHOWN_SCORE), key=lambda e: -scores[e.id])
    looks = request.layout != "text" and bool(scope.video.width)
    chosen = ChosenFrames((), {}, False)
    if looks:
        chosen = chosen_frames(library, scope, request.max_frames, request.query, best, entries)
    if chosen.no_more_differ:
        hints.append(_few_differ(len(chosen.times_s), request.max_frames))
    plan = _plan(library, scope, chosen, entries, found, request)
    if (
        scope.whole
        and NO_MATCH in plan.sentence
        and (found_at := best_elsewhere(library, request.query, {scope.video.id}))
    ):
        hints.append(_in_another(*found_at))
        moment, title = found_at
        other = f", but another video does: {clean(title, 60)} at {short_clock(moment.span.start_s)}."
        plan = replace(plan, sentence=plan.sentence.removesuffix(".") + other)
    on_step(0.2, f"opening {len(plan.pictures.times_s)} frames")
    opened, note = open_pictures(library, scope, plan.pictures, lambda: on_step(0.5, "decoding"))
    repeats = {time_s for shot in opened for time_s in shot.repeats_s}
    if repeats:
        hints.append(_repeated(len(repeats)))
    decoded = repeats.union(*(shot.times_s for shot in opened))
    unreadable = [] if note else [time_s for time_s in plan.pictures.times_s if time_s not in decoded]
    shots = within_a_result(opened)
    facts = _facts(scope, plan, scores, shots, note, unreadable, hints, request.max_tokens)
    shown = repeats.union(*(shot.times_s for shot in shots))
    omitted = [] if note else [time_s for time_s in chosen.times_s if time_s not in shown and time_s not in unreadable]
    if omitted:
        facts["omitted"] = len(omitted)
    facts["tokens"] = stated_tokens(facts, _tokens(shots))
    library.attention.looked(caller, scope.video.id, scope.span)
    links = [_frame_link(scope.video.id, time_s) for time_s in omitted]
    if shots and scope.span.length_s <= LONGEST_CLIP_S and library.sources(scope.video.id):
        span = f"{seconds_text(scope.span.start_s)}-{seconds_text(scope.span.end_s)}"
        links.append(ZoomedLink(f"video://{scope.video.id}/clip/{span}", f"clip {span} s", "video/mp4"))
    on_step(1.0, "done")
    return Zoomed(facts, [_picture(shot) for shot in shots], links)


@dataclass(frozen=True)
class _Plan:
    """What will be shown: frames at these times, in pictures of this size, and these texts."""

    pictures: Pictures
    stood_s: Mapping[float, float]  # how long the picture of a time stands still
    entries: tuple[Entry, ...]
    left_out: tuple[Entry, ...]
    coverage: dict[str, Any]
    sentence: str


def _plan(
    library: Library,
    scope: VideoSpan,
    chosen: ChosenFrames,
    entries: Sequence[Entry],
    found: Mapping[int, ScoredEntry],
    request: ZoomRequest,
) -> _Plan:
    """Frames and texts packed into max_tokens, at the largest size at which all frames fit, else the smallest."""
    region, times = request.region, chosen.times_s
    few = len(times) <= SINGLE or region is not None
    single = request.layout == "frames" or (request.layout == "auto" and few)
    view = coverage.coverage(library, [scope], None, short=True)
    covered = view.compact() if request.max_tokens >= WHOLE_COVERAGE else {"share": view.share}
    sentence = _sentence(scope, entries, found, request.query)
    free = request.max_tokens - _cost({"summary": sentence, **_head(scope), "coverage": covered}, 0)
    most = max(1, free // (FRAME_TOKENS + LEAST_CELL))
    if len(times) > most:
        times = tuple(times[(2 * i + 1) * len(times) // (2 * most)] for i in range(most))
    room = free - FRAME_TOKENS * len(times)
    texts = [
        TextOffer(
            entry.start_s,
            max(entry.end_s, entry.start_s),
            (found[entry.id].score if entry.id in found else 0.0) if found else 0.5 * (1 - place / (2 * len(entries))),
            ROW_TOKENS + reply_tokens(speakers.shown(entry)),
        )
        for place, entry in enumerate(entries)
    ]
    width, height = scope.video.width or 16, scope.video.height or 9
    if region is not None:
        width, height = max(1, int(width * region[2])), max(1, int(height * region[3]))
    for side in SIDES if single else CELL_SIDES:
        share = min(1.0, side / max(width, height))
        size = max(1, round(width * share)), max(1, round(height * share))
        frames = [FrameOffer(time_s, FRAME_SCORE, *size) for time_s in times]
        packed = pack(frames, texts, max(0, room), diversity=0.1)
        if len(packed.frames) == len(times):
            break
    else:  # a look shows pictures: long texts leave them half of the room
        count = len(pack(frames, (), max(0, room) // 2).frames)
        if len(packed.frames) < count:
            spread = [frames[(2 * i + 1) * len(frames) // (2 * count)] for i in range(count)]
            taken = pack(spread, (), max(0, room))
            packed = replace(pack((), texts, max(0, room - taken.tokens), diversity=0.1), frames=taken.frames)
    packed_texts = {id(offer) for offer in packed.texts}
    if texts and not packed_texts and not packed.frames:  # the best one is cut to what is left
        packed_texts = {id(max(texts, key=lambda offer: offer.score))}
    kept = tuple(entry for entry, offer in zip(entries, texts, strict=True) if id(offer) in packed_texts)
    left = tuple(entry for entry, offer in zip(entries, texts, strict=True) if id(offer) not in packed_texts)
    shown = tuple(frame.time_s for frame in packed.frames)
    return _Plan(Pictures(shown, side, single, region), chosen.stood_s, kept, left, covered, sentence)


def _texts(library: Library, scope: VideoSpan) -> list[Entry]:
    """The texts of the span; of speech with word times only the words that are said in it."""
    span = scope.span
    found = library.store.entries(scope.video.id, channels=TEXT_CHANNELS, start_s=span.start_s, end_s=span.end_s)
    inside = [timed_words.within(entry, span) for entry in found]
    return [entry for entry in inside if entry is not None]


def _relevance(library: Library, scope: VideoSpan, query: str) -> dict[int, ScoredEntry]:
    """Each entry of the span that comes near the query, by its id; empty without one."""
    if not query.strip():
        return {}
    return {r.entry.id: r for r in recall(library, [scope], query, None, wait_s=2.0, most=None).found}


def _tokens(shots: Sequence[Shot]) -> int:
    """What the pictures cost with the labels that stand before them."""
    return sum(token_cost(shot.width, shot.height, "claude") + reply_tokens(_label(shot)) for shot in shots)


def _head(scope: VideoSpan) -> dict[str, Any]:
    return {
        "video_id": scope.video.id,
        "title": scope.video.title,
        "start_s": rounded(scope.span.start_s),
        "end_s": rounded(scope.span.end_s),
        "at": clock(scope.span.start_s),
        "uri": video_uri(scope.video.id, scope.span.start_s, scope.span.end_s),
    }


def _facts(
    scope: VideoSpan,
    plan: _Plan,
    scores: dict[int, float],
    shots: list[Shot],
    note: str,
    unreadable: Sequence[float],
    hints: Sequence[str],
    max_tokens: int,
) -> dict[str, Any]:
    """The JSON object of the reply. The plan fits by estimate; what is still too much is cut, gaps first and pictures
    last, out of `shots` too."""
    facts: dict[str, Any] = {"summary": plan.sentence, **_head(scope), "frames": _frame_rows(scope, plan, shots)}
    if hints:
        facts["hints"] = list(hints)
    if note:
        facts["note"] = note
    if unreadable:
        facts["not_readable_s"] = [rounded(time_s) for time_s in unreadable]
    facts["text"] = _text_rows(plan.entries, scores)
    facts["coverage"] = plan.coverage
    cut_until_it_fits(lambda: _cost(facts, _tokens(shots)), max_tokens, _cuts(scope, plan, facts, shots))
    shown = {row["start_s"] for row in facts["text"]}
    everything = (*plan.entries, *plan.left_out)
    if len(facts["text"]) < len(everything):
        facts["text_omitted"] = len(everything) - len(facts["text"])
        missing = [entry.start_s for entry in everything if rounded(entry.start_s) not in shown]
        later = [start_s for start_s in missing if start_s > scope.span.start_s]
        if later and not scores:
            facts["next_start_s"] = rounded(min(later))
    return facts


def _sentence(scope: VideoSpan, entries: Sequence[Entry], found: Mapping[int, ScoredEntry], query: str) -> str:
    """The span, and where in it a text matches the query best."""
    start, end = short_clock(scope.span.start_s), short_clock(scope.span.end_s)
    shown = f"{clean(scope.video.title, 60)} from {start} to {end}"
    if not query.strip():
        return f"{shown}."
    best = max((found[one.id] for one in entries if one.id in found), key=lambda one: one.score, default=None)
    if best is None or best.score < SHOWN_SCORE or strength(best.score, best.cosine, best.words) == "weak":
        return f"{shown}; {NO_MATCH}."
    at = short_clock(max(best.entry.start_s, scope.span.start_s))
    return f"{shown}; best match of the query: {best.entry.channel} at {at}."


def _cuts(scope: VideoSpan, plan: _Plan, facts: dict[str, Any], shots: list[Shot]) -> list[Cut]:
    texts: list[dict[str, Any]] = facts["text"]

    def drop_gap() -> bool:
        if not facts["coverage"].get("gaps"):
            return False
        facts["coverage"]["gaps"].pop()
        facts["coverage"]["gaps_omitted"] = facts["coverage"].get("gaps_omitted", 0) + 1
        return True

    def keep_the_share_alone() -> bool:
        if facts["coverage"].keys() == {"share"}:
            return False
        facts["coverage"] = {"share": facts["coverage"]["share"]}
        return True

    def halve_text() -> bool:
        if not texts or len(texts[0]["text"]) <= 40:
            return False
        texts[0]["text"] = texts[0]["text"][: len(texts[0]["text"]) // 2].rstrip() + "…"
        return True

    def drop_the_sentence() -> bool:
        had, facts["summary"] = bool(facts["summary"]), ""
        return had

    def drop_picture() -> bool:
        if not shots:
            return False
        shots.pop()
        facts["frames"] = _frame_rows(scope, plan, shots)
        return True

    return [drop_gap, drop_last(texts, 1), keep_the_share_alone, halve_text, drop_the_sentence, drop_picture]


def _frame_rows(scope: VideoSpan, plan: _Plan, shots: Sequence[Shot]) -> list[dict[str, Any]]:
    rows = []
    for time_s in (time_s for shot in shots for time_s in shot.times_s):
        row: dict[str, Any] = {"at_s": rounded(time_s), "at": clock(time_s), "uri": _moment(scope, time_s)}
        if time_s in plan.stood_s:
            row["stood_s"] = rounded(plan.stood_s[time_s])
        rows.append(row)
    return rows


def _few_differ(count: int, most: int) -> str:
    pictures = "1 different picture" if count == 1 else f"{count} different pictures"
    return f"This span has only {pictures}; up to {most} could be shown."


def _in_another(moment: Moment, title: str) -> str:
    text = clean(max(moment.found, key=lambda one: one.score).entry.text, 160)
    return f"The query matches in another video: {clean(title, 60)} at {clock(moment.span.start_s)}: {text}"


def _repeated(count: int) -> str:
    left_out = "1 picture is left out; it looks" if count == 1 else f"{count} pictures are left out; they look"
    return f"{left_out} like one that is shown."


def _text_rows(entries: Sequence[Entry], scores: dict[int, float]) -> list[dict[str, Any]]:
    rows = []
    for entry in entries:
        row: dict[str, Any] = {
            "channel": entry.channel,
            "start_s": rounded(entry.start_s),
            "end_s": rounded(entry.end_s),
            "text": speakers.shown(entry),
        }
        if scores.get(entry.id, 0.0) >= SHOWN_SCORE:
            row["score"] = round(scores[entry.id], 2)
        rows.append(row)
    return rows


def _cost(facts: dict[str, Any], images: int) -> int:
    """The most that it can cost once everything is in it that is set later."""
    waiting = {"omitted": 16, "text_omitted": 8_888, "next_start_s": 88_888.88, "tokens": 88_888}
    return reply_tokens(facts.get("summary", "") + compact_json({**facts, **waiting}), images)


def _moment(scope: VideoSpan, time_s: float) -> str:
    end_s = min(time_s + 1.0, scope.video.duration_s or time_s + 1.0)
    return video_uri(scope.video.id, min(time_s, end_s), end_s)


def _picture(shot: Shot) -> ZoomedPicture:
    return ZoomedPicture(shot.jpeg, _label(shot), shot.times_s[0], shot.times_s[-1])


def _label(shot: Shot) -> str:
    if len(shot.times_s) == 1:
        return f"{clock(shot.times_s[0])} ({seconds_text(shot.times_s[0])} s)"
    return f"sheet of {len(shot.times_s)} frames, row by row: {', '.join(clock(t) for t in shot.times_s)}"


def _frame_link(video_id: str, time_s: float) -> ZoomedLink:
    return ZoomedLink(f"video://{video_id}/frame/{seconds_text(time_s)}", f"frame at {clock(time_s)}", "image/jpeg")
