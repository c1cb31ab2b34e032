"""What a model can reach while it answers one question: one video, and for a prediction only the part before its end.

Every call is rewritten to the one video, and to a span that ends where the question's view ends. A reply to a question
with such an end is built again from fields that are known to be safe, so a field that is added later stays hidden.
Whatever touches the end is left out, because the server cuts a span there but not its words. ingest_video and remember
are not offered, because a note would reach the next question. Before an end `like` is not offered, because the nearest
kept picture may lie after it; nor is ground_event, which looks around a span to check it. Hints are shown where
there is no such end: they say how a call was read and what was not searched."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp.types import CallToolResult, ImageContent, TextContent, Tool

from agent_tools.errors import InvalidArgument
from agent_tools.evals.agents.session import Session
from agent_tools.server import read_arguments
from agent_tools.timeline import VideoRef, parse_uri, seconds_text
from agent_tools.types import TEXT_CHANNELS
from agent_tools.untrusted import clean

OFFERED = ("list_episodes", "retrieve_memory", "zoom_segment", "ground_event")
BEFORE_AN_END = OFFERED[:3]
LEAST_PREFIX = 4  # characters of an id that name it
_SPAN = ("start_s", "end_s", "at", "uri")


@dataclass(frozen=True)
class Picture:
    label: str
    mime_type: str
    data: str  # base64


@dataclass(frozen=True)
class Shown:
    """What a model is shown of a reply."""

    text: str
    pictures: tuple[Picture, ...] = ()
    error: bool = False
    spans: tuple[tuple[float, float], ...] = ()  # (start_s, end_s) of the video that it holds words or pictures of


@dataclass(frozen=True)
class Reach:
    """One video, and the second up to which it may be seen; None = to its end."""

    video_id: str
    names: frozenset[str]  # other names that mean it: title, file name
    until_s: float | None = None
    words_until_s: float = math.inf  # where the first entry begins that goes on behind until_s

    def __post_init__(self) -> None:
        if self.until_s is not None:  # replies round to hundredths
            object.__setattr__(self, "until_s", math.floor(self.until_s * 100) / 100)

    def offered(self, tools: Iterable[Tool]) -> list[dict[str, Any]]:
        """The tools as functions of the chat protocol."""
        return [
            {
                "type": "function",
                "function": {
                    "name": tool.name,
                    "description": tool.description or "",
                    "parameters": self._parameters(tool.input_schema),
                },
            }
            for tool in tools
            if tool.name in self.names_offered
        ]

    @property
    def names_offered(self) -> tuple[str, ...]:
        return OFFERED if self.until_s is None else BEFORE_AN_END

    def _parameters(self, schema: Mapping[str, Any]) -> dict[str, Any]:
        if self.until_s is None:
            return dict(schema)
        properties = {name: value for name, value in schema.get("properties", {}).items() if name != "like"}
        return {**schema, "properties": properties}

    def arguments(self, tool: str, requested: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments that are sent in place of the model's.

        Raises: InvalidArgument, written for the model: no such tool, another video, a time it may not see."""
        if tool not in self.names_offered:
            raise InvalidArgument(f"There is no tool {clean(tool, 60)!r}. There are {', '.join(self.names_offered)}.")
        given = read_arguments(tool, requested)
        if given.faults:
            raise InvalidArgument(" ".join(given.faults))
        sent = given.values
        named = sent.pop("video", None)
        refs = [self._ref(name) for name in (named if isinstance(named, list) else [named])]
        if sent.get("like"):
            self._like(sent["like"])
        first = refs[0] if refs else VideoRef(self.video_id)
        start_s = _seconds("start_s", sent.pop("start_s", None), first.start_s)
        end_s = _seconds("end_s", sent.pop("end_s", None), first.end_s)
        if self.until_s is not None:
            if start_s is not None and start_s >= self.until_s:
                raise InvalidArgument(
                    f"{start_s:g} s is later than this question may see: 0 to {seconds_text(self.until_s)} s."
                )
            end_s = self.until_s if end_s is None else min(end_s, self.until_s)
        sent |= {name: value for name, value in (("start_s", start_s), ("end_s", end_s)) if value is not None}
        return {**sent, "video": self.video_id}

    def _ref(self, name: Any) -> VideoRef:
        """The video and span that a name means. Raises: InvalidArgument: another video, or not a name."""
        text = "" if name is None else name
        if not isinstance(text, str):
            raise InvalidArgument(f"A video is named by a text, not by {clean(repr(text), 60)}.")
        ref = parse_uri(text)
        if ref is not None and ref.video_id == self.video_id:
            return ref
        plain = text.strip().casefold()
        prefix = len(plain) >= LEAST_PREFIX and self.video_id.startswith(plain)
        if not plain or prefix or plain in {one.casefold() for one in self.names}:
            return VideoRef(self.video_id)
        raise InvalidArgument(
            f"{clean(text, 80)!r} is not to be seen. This question is about video {self.video_id} alone."
        )

    def _like(self, uri: Any) -> None:
        if self.until_s is not None:
            raise InvalidArgument("like is not there for this question. Search by query.")
        ref = parse_uri(uri) if isinstance(uri, str) else None
        if ref is None or ref.video_id != self.video_id:
            raise InvalidArgument(f"like must be a uri such as video://{self.video_id}#t=10,12.")

    def shown(self, tool: str, result: CallToolResult) -> Shown:
        """What the model gets of a reply."""
        texts = [block.text for block in result.content if isinstance(block, TextContent)]
        if result.is_error:
            return Shown(self._error("\n".join(texts)), error=True)
        facts = result.structured_content if result.structured_content is not None else _object(texts)
        pictures = _pictures(result)
        if self.until_s is None:
            text = "\n".join(filter(None, [facts.get("summary"), _compact(facts)]))
            return Shown(text, pictures, spans=_spans(facts))
        made = {"list_episodes": self._episodes, "retrieve_memory": self._hits, "zoom_segment": self._looked}
        seen = made[tool](facts)
        frames = facts.get("frames") or ()
        near = not facts.get("note") and all(_before(frame.get("at_s"), self.until_s) for frame in frames)
        kept = pictures if near and len(frames) >= len(pictures) else ()
        return Shown(_compact(seen), kept, spans=_spans(seen))

    def _error(self, text: str) -> str:
        if self.until_s is not None and text.startswith("SpanOutsideVideo"):
            return f"SpanOutsideVideo: give a span of 0 to {seconds_text(self.until_s)} s whose end_s is after start_s."
        return text

    def _seen(self, part: Any) -> bool:
        """Whether something with a span lies before the end; what touches it does not."""
        return isinstance(part, dict) and _before(part.get("end_s"), self.until_s)

    def _episodes(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        episodes = []
        for part in filter(self._seen, facts.get("episodes") or ()):
            words = ("title", "from") if part["end_s"] <= self.words_until_s else ()
            episodes.append(_only(part, (*_SPAN, *words)))
        return {**_only(facts, ("video_id", "level", "more", "cursor", "tokens")), "episodes": episodes}

    def _hits(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        hits = []
        for part in filter(self._seen, facts.get("hits") or ()):
            matched = {how.partition(":")[0] for how in part.get("matched") or ()}
            words = tuple(name for name in TEXT_CHANNELS if name in matched)  # others merely stand beside
            hits.append(_only(part, ("video_id", *_SPAN, "rank", "score", "matched", *words)))
        return {**_only(facts, ("more", "cursor", "tokens")), "hits": hits}

    def _looked(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        seen = _only(facts, ("video_id", *_SPAN, "omitted", "text_omitted", "tokens"))
        if _before(facts.get("next_start_s"), self.until_s):
            seen["next_start_s"] = facts["next_start_s"]
        seen["frames"] = [
            _only(frame, ("at_s", "at")) for frame in facts.get("frames") or () if _before(frame["at_s"], self.until_s)
        ]
        rows = filter(self._seen, facts.get("text") or ())
        seen["text"] = [_only(row, ("channel", "start_s", "end_s", "text", "score")) for row in rows]
        return seen


async def words_until(session: Session, video_id: str, until_s: float) -> float:
    """Where the first entry begins that goes on behind `until_s`: what ends before it holds no word from behind.

    An episode's title may come from an entry that outlasts it."""
    reply = await session.call(
        "zoom_segment",
        video_id=video_id,
        start_s=max(0.0, until_s - 0.01),
        end_s=until_s,
        layout="text",
        max_tokens=20_000,
    )
    if reply.error or reply.data.get("text_omitted"):
        return 0.0
    rows: Sequence[Mapping[str, Any]] = reply.data.get("text") or ()
    return min((float(row["start_s"]) for row in rows if float(row["end_s"]) > until_s), default=math.inf)


def _seconds(name: str, value: Any, otherwise: float | None) -> float | None:
    if value is None:
        return otherwise
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise InvalidArgument(f"{name} is {clean(repr(value), 40)}; it must be a number of seconds, 0 or more.")
    return number


def _before(value: Any, until_s: float | None) -> bool:
    return isinstance(value, int | float) and until_s is not None and value < until_s


def _only(part: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: part[name] for name in names if name in part}


def _spans(facts: Mapping[str, Any]) -> tuple[tuple[float, float], ...]:
    """The spans whose words or pictures a reply holds: hits, texts, verdicts; a frame shows a moment."""
    rows = [row for key in ("hits", "text", "spans") for row in facts.get(key) or ()]
    frames = [float(row["at_s"]) for row in facts.get("frames") or ()]
    return (*((float(row["start_s"]), float(row["end_s"])) for row in rows), *((at_s, at_s) for at_s in frames))


def _object(texts: Sequence[str]) -> dict[str, Any]:
    for text in texts:
        try:
            value = json.loads(text)
        except ValueError:
            continue
        if isinstance(value, dict):
            return value
    return {}


def _pictures(result: CallToolResult) -> tuple[Picture, ...]:
    """The pictures of a reply, each with the line that stands before it."""
    label, found = "", []
    for block in result.content:
        if isinstance(block, TextContent):
            label = block.text
        elif isinstance(block, ImageContent):
            found.append(Picture(label, block.mime_type, block.data))
    return tuple(found)


def _compact(facts: Mapping[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False, separators=(",", ":"))
