"""What helps after a refused call: the other faults of its arguments, and a whole call that works in this library."""

from __future__ import annotations

import difflib
import itertools
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agent_tools.errors import AgentToolsError, AmbiguousVideo, RequestError, SpanOutsideVideo
from agent_tools.excerpts import excerpt
from agent_tools.server.arguments import LEAN, SIZES
from agent_tools.types import TEXT_CHANNELS
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    from agent_tools.service.library.library import Library
    from agent_tools.store import VideoRow
    from agent_tools.types import Hit

SEARCHING = ("retrieve_memory", "zoom_segment", "ground_event")  # tools that a whole video can be asked with words
SEEKING = ("list_episodes", "zoom_segment")  # tools whose made-up video tells what is looked for
MOST_WORDS = 200  # characters of a query in an example
MOST_HITS, MOST_TEXT = 2, 160  # hits of a search that stands for a refused call, and characters of a text in them
EXAMPLE_S = 30.0  # length of the span in an example
TITLE_LENGTH = 80
MOST_FILES = 500  # of an allowed folder, whose names are looked at
MOST_LOOKED_AT = 10  # videos, for words that a search could ask for


def faults_of_names(library: Library, values: Mapping[str, Any]) -> list[str]:
    """What is wrong with the video and the span that a call names, which its schema cannot see."""
    found: list[str] = []
    for name in _names(values):
        try:
            library.video_span(name, _seconds(values.get("start_s")), _seconds(values.get("end_s")))
        except RequestError as error:
            found.append(error.described)
    return found


def example(library: Library, tool: str, values: Mapping[str, Any], required: tuple[str, ...]) -> str:
    """A complete call of the tool with real values of the library, near the one that was refused.

    Args:
        values: the arguments of the refused call as they were read.
        required: the arguments that the tool needs.
    """
    videos = library.store.videos()
    call: dict[str, Any] = {}
    words = values.get("query") or values.get("event") or (_words_of(values.get("video")) if tool in SEEKING else "")
    if isinstance(words, str) and words.strip() and _is_unknown(library, values.get("video"), videos):
        return _search_instead(library, clean(words, MOST_WORDS))
    if (
        tool in SEARCHING
        and isinstance(words, str)
        and words.strip()
        and (outside := _with_span_outside(library, values))
    ):
        return _without_span(library, tool, values, outside)
    if tool == "ingest_video":
        path = _file_near(library, str(values.get("source") or ""))
        return f"Example of a call that works: {tool + ' ' + _json({'source': path}) if path else 'list_episodes {}'}."
    row = _meant(library, values.get("video"), videos)
    for name in LEAN[tool]:
        if name == "video" and row is not None and ("video" in values or "video" in required):
            call["video"] = _name(row, videos)
        elif name in required and name != "video":
            call[name] = _text(library, name, values.get(name), row)
    if "video" in required and row is None:
        return "Example of a call that works: list_episodes {}."
    if row is not None and (("start_s" in values or "end_s" in values) or tool == "remember"):
        call |= _span(library, row, values)
    return f"Example of a call that works: {tool} {_json(call)}."


def _search_instead(library: Library, words: str) -> str:
    """What a search of all videos finds for the words of a call that made up its video: the first hits, and that
    search as a call. A small model that made up a name makes it up again; with the hits it can answer."""
    from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory

    call = f"retrieve_memory {_json({'query': words})}"
    found = retrieve_memory(library, SearchRequest(query=words))
    if not found.hits or found.hits[0].strength == "weak":
        return f"Example of a call that works: {call}, which says in which video it is, and when."
    hits = [hit for hit in found.hits[:MOST_HITS] if hit.strength != "weak"]
    best = [{"title": hit.title, "at": hit.at, **_texts(hit, words)} for hit in hits]
    return f"A search of all videos for these words finds: {found.summary} {_json({'hits': best})} More: {call}."


def _texts(hit: Hit, words: str) -> dict[str, str]:
    """The texts of a hit, cut around the words that were looked for."""
    return {name: excerpt(text, words, MOST_TEXT) for name, text in hit.texts().items()}


def _with_span_outside(library: Library, values: Mapping[str, Any]) -> list[VideoRow]:
    """The videos of a call whose span lies outside one of them; [] if it lies in all, or one is not known."""
    rows, outside = [], False
    for name in _names(values):
        try:
            rows.append(library.video(name))
            library.video_span(name, _seconds(values.get("start_s")), _seconds(values.get("end_s")))
        except SpanOutsideVideo:
            outside = True
        except RequestError:
            return []
    return rows if outside else []


def _without_span(library: Library, tool: str, values: Mapping[str, Any], rows: list[VideoRow]) -> str:
    """The refused call without its span, which works; and of a query in one video what that finds. A small model makes
    up spans of videos whose length it does not know, and its answer is often the words of the error."""
    videos = library.store.videos()
    titles = [_name(row, videos) for row in rows]
    given = {name: clean(str(values[name]), MOST_WORDS) for name in ("query", "event") if values.get(name)}
    sizes = {name: values[name] for name in SIZES if name in LEAN[tool] and name in values}
    every: dict[str, Any] = {"video": titles[0] if len(titles) == 1 else titles, **given, **sizes}
    call = {name: every[name] for name in LEAN[tool] if name in every}
    found = _where_it_matches(library, rows[0], given["query"]) if "query" in given and len(rows) == 1 else ""
    return f"{found}Leave out start_s and end_s. Example of a call that works: {tool} {_json(call)}."


def _where_it_matches(library: Library, row: VideoRow, words: str) -> str:
    """Where in a video words match best, with the texts there, or in which other video they do; "" where none does."""
    from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory

    found = retrieve_memory(library, SearchRequest(query=words, video_ids=[row.id]))
    if found.elsewhere is not None:
        other = found.elsewhere
        return f"The query matches in another video: {other.title} at {other.at}: {clean(other.text, MOST_TEXT)} "
    if not found.hits or found.hits[0].strength == "weak":
        return ""
    best = found.hits[0]
    return f"In that video the query matches best at {best.at}: {_json(_texts(best, words))}. "


def _file_near(library: Library, source: str) -> str:
    """The path of a file in the allowed folders whose name is nearest to a source, else of the first; "" for none."""
    paths = [
        str(path.relative_to(folder))
        for folder in library.fence.folders
        for path in itertools.islice(library.fence.files(folder) if folder.is_dir() else (), MOST_FILES)
    ]
    shown = [path for path in paths if clean(path, TITLE_LENGTH) == path]
    wanted = source.replace("\\", "/").rpartition("/")[2].casefold()
    near = difflib.get_close_matches(wanted, [path.casefold() for path in shown], n=1, cutoff=0.3)
    return next((path for path in shown if path.casefold() == near[0]), "") if near else next(iter(shown), "")


def _words_of(named: Any) -> str:
    """What a made-up name is about: "starship_dashboard" is a good query. "" for an address or an id."""
    text = "" if not isinstance(named, str) or "://" in named else " ".join(re.findall(r"[^\W\d_]{3,}", named))
    return text if len(text) <= TITLE_LENGTH else ""


def _names(values: Mapping[str, Any]) -> list[str]:
    """What a call names as videos."""
    named = values.get("video")
    return [name for name in (named if isinstance(named, list) else [named]) if isinstance(name, str) and name.strip()]


def _is_unknown(library: Library, named: Any, videos: list[VideoRow]) -> bool:
    """Whether a call names a video that is not in memory and resembles no title: the caller made it up."""
    named = named[0] if isinstance(named, list) and len(named) == 1 else named
    if not isinstance(named, str) or not named.strip():
        return False
    try:
        library.video(named)
    except AmbiguousVideo:
        return False
    except AgentToolsError:
        return not difflib.get_close_matches(named.casefold(), [row.title.casefold() for row in videos], n=1)
    return False


def _meant(library: Library, named: Any, videos: list[VideoRow]) -> VideoRow | None:
    """The video that a name means, else the one with the nearest title, else the first."""
    name = named[0] if isinstance(named, list) and named else named
    if isinstance(name, str) and name.strip():
        try:
            return library.video(name)
        except AgentToolsError:
            titles = {row.title.casefold(): row for row in reversed(videos)}
            near = difflib.get_close_matches(name.casefold(), titles, n=1, cutoff=0.3)
            if near:
                return titles[near[0]]
    return videos[0] if videos else None


def _name(row: VideoRow, videos: list[VideoRow]) -> str:
    """The title where it is short and names one video, else the id."""
    same = sum(other.title.casefold() == row.title.casefold() for other in videos)
    return row.title if same == 1 and len(row.title) <= TITLE_LENGTH and clean(row.title) == row.title else row.id


def _text(library: Library, name: str, value: Any, row: VideoRow | None) -> str:
    """The text that was given, if it is one; else words out of the library that fit the argument."""
    if isinstance(value, str) and value.strip():
        return clean(value, 200)
    if name == "text":  # words out of another video would be noted as they stand
        return "what is seen or said there, in one sentence"
    for video in [row, *library.store.videos()[:MOST_LOOKED_AT]] if row is not None else ():
        for episode in library.store.episodes(video.id, "chapter")[:1]:
            if episode.title_from in TEXT_CHANNELS:
                return clean(episode.title, 60)
    return "a person speaks"


def _span(library: Library, row: VideoRow, values: Mapping[str, Any]) -> dict[str, float]:
    start_s, end_s = _seconds(values.get("start_s")), _seconds(values.get("end_s"))
    try:
        span = library.span(row, start_s, end_s)
    except RequestError:
        span = library.span(row, 0.0, min(EXAMPLE_S, row.duration_s or EXAMPLE_S))
    return {"start_s": round(span.start_s, 2), "end_s": round(min(span.end_s, span.start_s + EXAMPLE_S), 2)}


def _json(call: Mapping[str, Any]) -> str:
    return json.dumps(call, ensure_ascii=False)


def _seconds(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and value >= 0
    return float(value) if good else None
