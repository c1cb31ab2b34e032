"""A drawn video through the real thing: a server process over stdio, its worker, and a client of each era."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import anyio
import pytest
from mcp import Client, StdioServerParameters

from tests.drawing import draw, even_times
from tests.server.conftest import ERAS, text_of

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
SRT = """1
00:00:02,000 --> 00:00:05,000
The water boils at ninety degrees up here

2
00:00:06,000 --> 00:00:09,000
so the tea takes a minute longer
"""


@pytest.mark.parametrize("era", ERAS)
async def test_a_file_is_ingested_found_seen_and_noted(tmp_path: Path, era: str) -> None:
    folder = tmp_path / "a folder of films"
    folder.mkdir()
    draw(folder / "tea on a mountain.mp4", even_times(100, 10))
    (folder / "tea on a mountain.en.srt").write_text(SRT)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AGENT_TOOLS_")}
    parameters = StdioServerParameters(
        command=sys.executable,
        args=["-m", "agent_tools", "serve", "--home", str(tmp_path / "home"), "--allow", str(folder)],
        env=environment,
    )
    async with Client(parameters, mode=era) as client:
        with anyio.fail_after(120):
            while True:
                reply = await client.call_tool(
                    "ingest_video", {"source": "tea on a mountain.mp4", "channels": ["subtitles"], "wait_s": 20}
                )
                assert not reply.is_error, text_of(reply)
                assert reply.structured_content["state"] in ("queued", "running", "done")
                if reply.structured_content["state"] == "done":
                    break
        video_id = reply.structured_content["video_id"]
        found = await client.call_tool("retrieve_memory", {"query": "tea takes a minute longer"})
        assert found.structured_content["hits"], found.structured_content
        hit = min(found.structured_content["hits"], key=lambda one: one["rank"])
        assert hit["video_id"] == video_id
        assert hit["start_s"] < 9
        assert hit["end_s"] > 6
        seen = await client.call_tool("zoom_segment", {"video_id": hit["uri"]})
        assert any(block.type == "image" for block in seen.content)
        noted = await client.call_tool("remember", {"video_id": hit["uri"], "text": "Altitude changes brewing"})
        assert noted.structured_content["stored"] is True
        again = await client.call_tool("retrieve_memory", {"query": "altitude", "channels": ["notes"]})
        assert again.structured_content["hits"][0]["notes"] == "Altitude changes brewing"
