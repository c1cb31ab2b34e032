"""The library that `lab.agents` asks about: a copy of it for each condition, its transcript, and its titles."""

from __future__ import annotations

import shutil
from pathlib import Path

from agent_tools.budget import text_tokens
from agent_tools.store import Store
from agent_tools.timeline import clock
from lab.agents.questions import Memory

TEXTS = ("subtitles", "speech", "screen_text")


def copied(home: Path, to: Path) -> Path:
    """A copy of a memory, so that the notes of a run stay in the run."""
    if not to.exists():
        shutil.copytree(home, to, ignore=shutil.ignore_patterns("*.lock", "logs"))
    return to


def known(home: Path) -> Memory:
    """What grading has to know."""
    store = Store.open(home)
    try:
        videos = store.videos()
    finally:
        store.close()
    return Memory({video.title: video.id for video in videos})


def size(home: Path) -> dict[str, float]:
    """How many videos a memory holds, and how many hours."""
    store = Store.open(home)
    try:
        videos = store.videos()
    finally:
        store.close()
    return {"videos": len(videos), "hours": round(sum(video.duration_s or 0.0 for video in videos) / 3600, 2)}


def transcript(home: Path, most_tokens: int) -> str:
    """All texts of a memory, video by video, cut to a number of tokens."""
    lines: list[str] = []
    left = float(most_tokens)
    store = Store.open(home)
    try:
        for video in sorted(store.videos(), key=lambda one: one.title):
            lines.append(f"\n# {video.title} ({clock(video.duration_s or 0.0)})")
            entries = [entry for entry in store.entries(video.id) if entry.channel in TEXTS]
            for entry in sorted(entries, key=lambda one: one.start_s):
                lines.append(f"[{clock(entry.start_s)}] {' / '.join(entry.text.splitlines())}")
    finally:
        store.close()
    kept = []
    for line in lines:
        left -= text_tokens(line + "\n")
        if left < 0:
            break
        kept.append(line)
    return "\n".join(kept).strip()
