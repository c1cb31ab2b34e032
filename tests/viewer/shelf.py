"""Videos without a file, for the page to show: twelve hours, hostile texts, text from right to left, an open ingest."""

from __future__ import annotations

import hashlib

from agent_tools.store import EntryIn, Episode, FrameRow, Store
from lab.faults.injection import PAYLOADS
from tests.server.conftest import jpeg

HALF_DAY_S = 12 * 3600.0
CUES = 20_000
LONG_TITLE = "The quarterly review of everything that was said about the harbour, the boats and their keys " * 3
ARABIC = ("المفتاح محفوظ في الذاكرة المؤقتة", "يغادر القارب عند الظهر", "الميناء يفتح في السابعة صباحا")


def id_of(title: str) -> str:
    return hashlib.blake2b(title.encode(), digest_size=6).hexdigest()


HALF_DAY, HOSTILE, RIGHT_TO_LEFT, OPEN = (id_of(name) for name in ("half day", "hostile", "right to left", "open"))


def fill(store: Store) -> None:
    _half_day(store)
    _hostile(store)
    _right_to_left(store)
    _open(store)


def _add(store: Store, video_id: str, title: str, duration_s: float, entries: list[EntryIn], channel: str) -> None:
    store.add_video(video_id, title, 1_000_000)
    store.update_video(video_id, duration_s=duration_s, width=640, height=360, fps=25.0, has_audio=True)
    store.add_entries(video_id, channel, f"{channel}/1", entries)
    store.set_channel(
        video_id, channel, state="done", producer=f"{channel}/1", done_to_s=duration_s, entries=len(entries)
    )


def _pictures(store: Store, video_id: str, duration_s: float, step: int) -> None:
    kept = range(0, int(duration_s), step)
    store.add_frames(video_id, [FrameRow(video_id, k, float(k), k, True) for k in kept], {k: jpeg(k) for k in kept})
    store.set_channel(video_id, "frames", state="done", producer="pixels/1", done_to_s=duration_s, entries=len(kept))


def _bands(store: Store, video_id: str, level: str, duration_s: float, length_s: float) -> None:
    count = int(duration_s / length_s)
    rows = [
        Episode(n, video_id, level, n * length_s, (n + 1) * length_s, f"{level} {n + 1}", "subtitles", None)
        for n in range(count)
    ]
    store.replace_episodes(video_id, level, rows)


def _half_day(store: Store) -> None:
    step = HALF_DAY_S / CUES
    entries = [EntryIn(n * step, n * step + 1.9, f"cue {n} of the long day") for n in range(CUES)]
    _add(store, HALF_DAY, LONG_TITLE, HALF_DAY_S, entries, "subtitles")
    _pictures(store, HALF_DAY, HALF_DAY_S, 60)
    _bands(store, HALF_DAY, "chapter", HALF_DAY_S, 900)
    _bands(store, HALF_DAY, "scene", HALF_DAY_S, 60)
    store.add_gap(HALF_DAY, "subtitles", 3600.0, 5400.0, "decode error")


def _hostile(store: Store) -> None:
    """The corpus as it would stand if nothing before the page had cleaned it."""
    texts = [text.replace("\x00", "") for text in PAYLOADS.values()]
    entries = [EntryIn(10.0 * n, 10.0 * n + 8, text) for n, text in enumerate(texts)]
    title = PAYLOADS["html"] + PAYLOADS["markdown"]
    _add(store, HOSTILE, title, 10.0 * len(texts), entries, "subtitles")
    rows = [
        Episode(n, HOSTILE, "chapter", 10.0 * n, 10.0 * n + 10, text, "subtitles", None) for n, text in enumerate(texts)
    ]
    store.replace_episodes(HOSTILE, "chapter", rows)
    store.add_note(HOSTILE, 1.0, 3.0, PAYLOADS["html"], PAYLOADS["html"], False, None)


def _right_to_left(store: Store) -> None:
    entries = [EntryIn(20.0 * n, 20.0 * n + 15, text) for n, text in enumerate(ARABIC)]
    _add(store, RIGHT_TO_LEFT, "أخبار الميناء", 60.0, entries, "subtitles")


def _open(store: Store) -> None:
    store.add_video(OPEN, "Being read", 1_000_000)
    store.update_video(OPEN, duration_s=600.0, width=640, height=360, has_audio=True)
    store.set_channel(OPEN, "screen_text", state="running", producer="ocr/1", done_to_s=150.0)
    job = store.enqueue(OPEN, ("screen_text",), "lite")
    assert store.claim("nobody", 0) is not None
    store.beat(job.id, "nobody", progress=0.25, eta_s=300.0, lease_s=3600.0)  # as long as any run of these tests
