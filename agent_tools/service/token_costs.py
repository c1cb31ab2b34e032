"""What a video costs in tokens: every frame as it is, and after each step of compression; what fits which context.

This file counts frames and entries; agent_tools.budget does the arithmetic."""

from __future__ import annotations

from typing import Any

from agent_tools.budget import fits, naive_tokens, savings_table, text_tokens
from agent_tools.service.library.library import Library
from agent_tools.store import ChannelDetail, VideoRow
from agent_tools.timeline import rounded

ASSUMED = ("spatial", "merged")  # steps that are arithmetic with published shares: nothing here measured them


def budget(library: Library, video: VideoRow) -> dict[str, Any]:
    """Naive tokens, tokens after each step, and which steps fit 25k, 200k and 1M contexts; the text beside them.

    `judged_by` is the model that pruned the frames; None where an older version did, which did not tell."""
    rows = library.store.frames(video.id)
    kept = sum(row.kept for row in rows)
    duration_s = video.duration_s or 0.0
    channel = library.store.channel(video.id, "frames")
    by = channel.detail if channel is not None else ChannelDetail()
    fps = by.fps or max(1, len(rows)) / max(duration_s, 1.0)  # older versions did not tell theirs
    looked_at_s = max(duration_s, len(rows) / fps)  # a file may be longer than its header says
    steps = savings_table(looked_at_s, kept, fps=fps) if rows else []
    text = sum(text_tokens(entry.text) for entry in library.store.entries(video.id))
    return {
        "video_id": video.id,
        "duration_s": rounded(duration_s),
        "naive_tokens": naive_tokens(looked_at_s, fps) if rows else 0,
        "pictures_looked_at": len(rows),
        "frames_kept": kept,
        "steps": steps,
        "assumed": list(ASSUMED),
        "fits": fits(steps) if steps else [],
        "text_tokens": round(text),
        "judged_by": by.judge if rows else None,
    }
