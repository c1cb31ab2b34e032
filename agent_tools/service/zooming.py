"""zoom_segment: pictures, speech and on-screen text of a span, chosen for a query, within a number of tokens.

Knows which moments to show and what fits. The looker opens the file."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from agent_tools.budget.cost import token_cost
from agent_tools.budget.reply import reply_tokens
from agent_tools.errors import EngineError, InvalidArgument
from agent_tools.service import coverage
from agent_tools.service.fit import check_tokens, compact_json
from agent_tools.service.frame_choice import chosen_times
from agent_tools.service.library import Asked, Library
from agent_tools.service.looking import Shot
from agent_tools.service.recall import recall
from agent_tools.store import Entry
from agent_tools.timeline import clock, rounded, seconds_text, video_uri
from agent_tools.types import TEXT_CHANNELS

OnStep = Callable[[float, str], None]
Layout = Literal["auto", "sheet", "frames", "text"]
LAYOUTS = ("auto", "sheet", "frames", "text")
LONG_SIDE = 1568  # px: larger pictures are scaled down by the hosts themselves
SIDES = (1568, 1280, 1024, 768, 576, 448)
MOST_BASE64 = 600_000  # bytes: hosts cut tool results near 1 MB
SINGLE = 2  # up to this many pictures "auto" shows them one by one
CELLS = 9
TEXT_SHARE = 0.45  # of max_tokens, kept for text where there are pictures
KEPT_NOTE = "the file is gone: kept frames are shown"


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


def zoom(
    library: Library,
    *,
    video_id: str,
    start_s: float | None = None,
    end_s: float | None = None,
    query: str = "",
    max_frames: int = 6,
    layout: str = "auto",
    region: Sequence[float] | None = None,
    max_tokens: int = 3000,
    caller: str = "",
    on_step: OnStep | None = None,
) -> Zoomed:
    """Look closely at a span. Raises: RequestError for names, spans and bounds; EngineError: the looker died."""
    _check(max_frames, layout, region, max_tokens)
    asked = library.asked(video_id, start_s, end_s)
    step = on_step or (lambda _progress, _message: None)
    step(0.0, "choosing frames")
    entries = library.store.entries(asked.video.id, start_s=asked.span.start_s, end_s=asked.span.end_s)
    scores = _relevance(library, asked, query)
    times = [] if layout == "text" or not asked.video.width else chosen_times(library, asked, max_frames, query)
    step(0.2, f"opening {len(times)} frames")
    shots, note = _shots(library, asked, times, layout, region, max_tokens, lambda: step(0.5, "decoding"))
    facts = _facts(library, asked, entries, scores, shots, note, max_tokens)
    shown = {time_s for shot in shots for time_s in shot.times_s}
    omitted = [] if note else [time_s for time_s in times if time_s not in shown]
    if omitted:
        facts["omitted"] = len(omitted)
    library.attention.looked(caller, asked.video.id, asked.span)
    pictures = [_picture(asked, shot) for shot in shots]
    links = [_frame_link(asked.video.id, time_s) for time_s in omitted]
    if shots and asked.span.length_s <= 60 and library.sources(asked.video.id):
        span = f"{seconds_text(asked.span.start_s)}-{seconds_text(asked.span.end_s)}"
        links.append(ZoomedLink(f"video://{asked.video.id}/clip/{span}", f"clip {span} s", "video/mp4"))
    step(1.0, "done")
    return Zoomed(facts, pictures, links)


def _check(max_frames: int, layout: str, region: Sequence[float] | None, max_tokens: int) -> None:
    if not 1 <= max_frames <= 16:
        raise InvalidArgument(f"max_frames is {max_frames}; it must be from 1 to 16.")
    if layout not in LAYOUTS:
        raise InvalidArgument(f"layout is {layout!r}; it must be one of {', '.join(LAYOUTS)}.")
    check_tokens(max_tokens)
    if region is not None:
        good = len(region) == 4 and all(0 <= v <= 1 for v in region) and region[2] > 0 and region[3] > 0
        if not good or region[0] + region[2] > 1 + 1e-9 or region[1] + region[3] > 1 + 1e-9:
            raise InvalidArgument(
                f"region is {list(region)}; it must be [x, y, w, h] in 0..1, such as [0.5, 0, 0.5, 0.5]."
            )


def _relevance(library: Library, asked: Asked, query: str) -> dict[int, float]:
    """Score of each entry of the span for the query; empty without one."""
    if not query.strip():
        return {}
    return {r.entry.id: r.score for r in recall(library, [asked], query, None, wait_s=2.0).found}


def _shots(
    library: Library,
    asked: Asked,
    times: Sequence[float],
    layout: str,
    region: Sequence[float] | None,
    max_tokens: int,
    check: Callable[[], None],
) -> tuple[list[Shot], str]:
    """Pictures or sheets that fit, and a note where they come from kept frames."""
    if not times:
        return [], ""
    room = int(max_tokens * (1 - TEXT_SHARE)) if layout != "frames" else int(max_tokens * 0.75)
    single = layout == "frames" or (layout == "auto" and (len(times) <= SINGLE or region is not None))
    paths = library.sources(asked.video.id)
    if not paths:
        return _from_kept(library, asked, times, single, room, check), KEPT_NOTE
    try:
        if single:
            side = _side(asked, len(times), room, region)
            shots = [
                s for s in library.looker.pictures(paths[0], times, long_side=side, region=region, check=check) if s
            ]
            return _within(shots, room), ""
        shots = library.looker.sheets(paths[0], times, long_side=LONG_SIDE, check=check)
        for smaller in (1024, 768, 512):
            if _tokens(shots) <= room:
                break
            shots = library.looker.sheets(paths[0], times, long_side=smaller, check=check)
        return _within(shots, room), ""
    except EngineError as error:
        kept = _from_kept(library, asked, times, single, room, check)
        if not kept:
            raise
        return kept, f"{error.described} Kept frames are shown."


def _from_kept(
    library: Library, asked: Asked, times: Sequence[float], single: bool, room: int, check: Callable[[], None]
) -> list[Shot]:
    jpegs: dict[float, bytes] = {}
    for time_s in times:
        row = library.store.nearest_kept(asked.video.id, time_s)
        data = library.store.frame_jpeg(asked.video.id, row.k) if row is not None else None
        if row is not None and data is not None:
            jpegs[row.time_s] = data
    if not single:
        return _within(library.looker.sheets_of(sorted(jpegs.items()), long_side=LONG_SIDE, check=check), room)
    shots = []
    for time_s, data in sorted(jpegs.items()):
        width, height = _jpeg_size(data)
        shots.append(Shot(data, width, height, (time_s,)))
    return _within(shots, room)


def _side(asked: Asked, count: int, room: int, region: Sequence[float] | None) -> int:
    """The largest side at which `count` pictures fit into `room` tokens."""
    width, height = asked.video.width or 16, asked.video.height or 9
    if region is not None:
        width, height = max(1, int(width * region[2])), max(1, int(height * region[3]))
    for side in SIDES:
        share = min(1.0, side / max(width, height))
        if count * token_cost(max(1, round(width * share)), max(1, round(height * share)), "claude") <= room:
            return side
    return SIDES[-1]


def _tokens(shots: Sequence[Shot]) -> int:
    return sum(token_cost(shot.width, shot.height, "claude") for shot in shots)


def _within(shots: list[Shot], room: int) -> list[Shot]:
    """As many of the pictures, in time order, as fit tokens and bytes; the first always, if it fits the bytes."""
    kept: list[Shot] = []
    tokens = size = 0
    for shot in shots:
        tokens += token_cost(shot.width, shot.height, "claude")
        size += len(base64.b64encode(shot.jpeg))
        if (kept and tokens > room) or size > MOST_BASE64:
            break
        kept.append(shot)
    return kept


def _facts(
    library: Library,
    asked: Asked,
    entries: Sequence[Entry],
    scores: dict[int, float],
    shots: Sequence[Shot],
    note: str,
    max_tokens: int,
) -> dict[str, Any]:
    """The JSON object of the reply, cut until it fits beside the pictures."""
    shown = [time_s for shot in shots for time_s in shot.times_s]
    view = coverage.coverage(library, [asked], None)
    view.producers = None
    facts: dict[str, Any] = {
        "video_id": asked.video.id,
        "title": asked.video.title,
        "start_s": rounded(asked.span.start_s),
        "end_s": rounded(asked.span.end_s),
        "at": clock(asked.span.start_s),
        "frames": [{"at_s": rounded(t), "at": clock(t), "uri": _moment(asked, t)} for t in shown],
    }
    if note:
        facts["note"] = note
    facts["text"] = _text_rows(entries, scores)
    facts["coverage"] = view.compact()
    facts["uri"] = video_uri(asked.video.id, asked.span.start_s, asked.span.end_s)
    images = _tokens(shots)
    order = _cut_order(entries, scores)
    while _cost(facts, images) > max_tokens and facts["coverage"].get("gaps"):
        facts["coverage"]["gaps"].pop()
        facts["coverage"]["gaps_omitted"] = facts["coverage"].get("gaps_omitted", 0) + 1
    dropped: list[float] = []
    while _cost(facts, images) > max_tokens and len(facts["text"]) > 1:
        rank = {row["id"]: order[row["id"]] for row in facts["text"]}
        worst = max(rank, key=lambda i: rank[i])
        dropped.append(next(row["start_s"] for row in facts["text"] if row["id"] == worst))
        facts["text"] = [row for row in facts["text"] if row["id"] != worst]
    while _cost(facts, images) > max_tokens and facts["text"] and len(facts["text"][0]["text"]) > 60:
        facts["text"][0]["text"] = facts["text"][0]["text"][: len(facts["text"][0]["text"]) // 2].rstrip() + "…"
    if _cost(facts, images) > max_tokens:
        facts.pop("coverage")
    for row in facts["text"]:
        del row["id"]
    if dropped:
        facts["text_omitted"] = len(dropped)
        if not scores:
            facts["next_start_s"] = rounded(min(dropped))
    facts["tokens"] = _cost(facts, images)
    return facts


def _text_rows(entries: Sequence[Entry], scores: dict[int, float]) -> list[dict[str, Any]]:
    rows = []
    for entry in entries:
        if entry.channel not in TEXT_CHANNELS:
            continue
        row: dict[str, Any] = {
            "id": entry.id,
            "channel": entry.channel,
            "start_s": rounded(entry.start_s),
            "end_s": rounded(entry.end_s),
            "text": entry.text,
        }
        if scores.get(entry.id, 0.0) >= 0.2:
            row["score"] = round(scores[entry.id], 2)
        rows.append(row)
    return rows


def _cut_order(entries: Sequence[Entry], scores: dict[int, float]) -> dict[int, float]:
    """What goes first when text must be cut: with a query the least relevant, without one the latest."""
    if scores:
        return {entry.id: -scores.get(entry.id, 0.0) for entry in entries}
    return {entry.id: entry.start_s for entry in entries}


def _cost(facts: dict[str, Any], images: int) -> int:
    return reply_tokens(compact_json({**facts, "omitted": 16, "tokens": 88_888}), images)


def _moment(asked: Asked, time_s: float) -> str:
    end_s = min(time_s + 1.0, asked.video.duration_s or time_s + 1.0)
    return video_uri(asked.video.id, min(time_s, end_s), end_s)


def _picture(asked: Asked, shot: Shot) -> ZoomedPicture:
    first, last = shot.times_s[0], shot.times_s[-1]
    if len(shot.times_s) == 1:
        label = f"{clock(first)} ({seconds_text(first)} s)"
    else:
        label = f"sheet of {len(shot.times_s)} frames, row by row: {', '.join(clock(t) for t in shot.times_s)}"
    return ZoomedPicture(shot.jpeg, label, first, last)


def _frame_link(video_id: str, time_s: float) -> ZoomedLink:
    return ZoomedLink(f"video://{video_id}/frame/{seconds_text(time_s)}", f"frame at {clock(time_s)}", "image/jpeg")


def _jpeg_size(data: bytes) -> tuple[int, int]:
    import io

    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return image.size
