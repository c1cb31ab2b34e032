"""A test double of the server: the six tools over a story's cues and cards, with replies of the documented shapes.

Searches by shared words only. Counts how often it was asked to ingest and says "running" the first times."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import Annotated, Any

from mcp.server import MCPServer
from mcp.types import CallToolResult, ImageContent, TextContent

from agent_tools.evals.films.demo_story import Story
from agent_tools.timeline import clock, parse_uri, video_uri

VIDEO_ID = "0123456789ab"
Answer = Annotated[CallToolResult, dict[str, Any]]
ONE_PIXEL = base64.b64encode(b"\xff\xd8\xff\xd9").decode()


@dataclass
class FakeLibrary:
    """What the fake holds. `polls` ingest calls are answered "running", each with more of the video searchable."""

    story: Story
    polls: int = 2
    state: str = "done"
    eta_s: float | None = None
    asked: int = 0
    cold: int = 0  # searches that find nothing because a model still loads
    warmth: str = "all"
    notes: list[str] = field(default_factory=list)

    @property
    def reached_s(self) -> float:
        return self.story.duration_s * min(1.0, self.asked / (self.polls + 1))

    def entries(self) -> list[tuple[str, float, float, str]]:
        said = [("subtitles", cue.start_s, cue.end_s, cue.text) for cue in self.story.cues]
        shown = [("screen_text", s.start_s, s.end_s, " / ".join(s.lines)) for s in self.story.scenes if s.lines]
        return [entry for entry in said + shown if entry[2] <= self.reached_s]

    def search(self, query: str, channels: list[str] | None, limit: int) -> list[tuple[str, float, float, str]]:
        """Best first: the entries that share most letters of words with the query."""
        self.warmth = "words only: the sentence encoder is still loading" if self.cold else "all"
        if self.cold:
            self.cold -= 1
            return []
        wanted = words(query)
        held = [entry for entry in self.entries() if not channels or entry[0] in channels]
        scored = [(sum(map(len, wanted & words(entry[3]))), entry) for entry in held]
        best = sorted((pair for pair in scored if pair[0]), key=lambda pair: (-pair[0], pair[1][1]))
        return [entry for _, entry in best[:limit]]


def words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def structured(data: dict[str, Any]) -> CallToolResult:
    data["tokens"] = len(json.dumps(data)) // 4
    return CallToolResult(content=[TextContent(text=json.dumps(data))], structured_content=data)


def build(library: FakeLibrary) -> MCPServer:
    """The six tools over `library`."""
    server = MCPServer("fake")

    @server.tool()
    def ingest_video(source: str, wait_s: int = 20) -> Answer:
        library.asked += 1
        state = library.state if library.asked > library.polls else "running"
        channels = [{"name": "frames", "state": state, "eta_s": library.eta_s if state == "running" else None}]
        return structured(
            {"video_id": VIDEO_ID, "state": state, "searchable_to_s": library.reached_s, "channels": channels}
        )

    @server.tool()
    def retrieve_memory(
        query: str, video_ids: list[str] | None = None, channels: list[str] | None = None, limit: int = 8
    ) -> Answer:
        found = enumerate(library.search(query, channels, limit), 1)
        hits = [
            {
                "video_id": VIDEO_ID,
                "start_s": start_s,
                "end_s": end_s,
                "at": clock(start_s),
                "rank": rank,
                "score": 1 / rank,
                "matched": [f"{channel}:words"],
                channel: f"… {text} …",
                "uri": video_uri(VIDEO_ID, start_s, end_s),
            }
            for rank, (channel, start_s, end_s, text) in found
        ]
        in_time = sorted(hits, key=lambda hit: float(str(hit["start_s"])))
        return structured({"hits": in_time, "more": 0, "coverage": {"channels": {"subtitles": library.warmth}}})

    @server.tool()
    def ground_event(event: str, video_id: str = "", channels: list[str] | None = None, max_spans: int = 3) -> Answer:
        channels = channels or (["screen_text"] if "on screen" in event else None)
        spans = [
            {
                "start_s": start_s,
                "end_s": end_s,
                "at": clock(start_s),
                "confidence": 0.5,
                "evidence": f"{channel} '{text[:60]}' {start_s:.0f}-{end_s:.0f}",
                "uri": video_uri(VIDEO_ID, start_s, end_s),
            }
            for channel, start_s, end_s, text in library.search(event, channels, max_spans)
        ]
        return structured({"verdict": "uncertain", "spans": spans, "confidence_kind": "raw"})

    @server.tool(structured_output=False)
    def zoom_segment(
        video: str = "", video_id: str = "", query: str = "", max_frames: int = 6, layout: str = "auto"
    ) -> list[Any]:
        reference = parse_uri(video or video_id)
        assert reference is not None
        assert reference.start_s is not None
        assert reference.end_s is not None
        inside = [
            {"channel": channel, "start_s": start_s, "end_s": end_s, "text": text}
            for channel, start_s, end_s, text in library.entries()
            if start_s < reference.end_s and end_s > reference.start_s
        ]
        blocks: list[Any] = [TextContent(text=json.dumps({"text": inside, "tokens": 300}))]
        if layout != "text":
            blocks.append(ImageContent(data=ONE_PIXEL, mime_type="image/jpeg"))
        return blocks

    @server.tool()
    def remember(
        text: str, video: str = "", video_id: str = "", start_s: float | None = None, end_s: float | None = None
    ) -> Answer:
        if start_s is None:
            reference = parse_uri(video or video_id)
            assert reference is not None
            start_s = reference.start_s or 0.0
        library.notes.append(text)
        note = f"video://{VIDEO_ID}/note/{len(library.notes)}"
        return structured({"note": note, "at": clock(start_s), "stored": True, "findable": "now"})

    @server.tool()
    def list_episodes(video_id: str = "") -> Answer:
        return structured({"videos": [{"video_id": VIDEO_ID}]})

    return server
