"""Writes the chunks, scenes and chapters of one video to the store, from what its channels hold by now.

The rules for borders and titles are in episodes.py and titles.py."""

from __future__ import annotations

from collections.abc import Callable

from agent_tools.ingestion import episodes, text_index
from agent_tools.ingestion.picture_vectors import PictureRows
from agent_tools.ingestion.titles import NO_TEXT, titles
from agent_tools.media import Probe
from agent_tools.store import Episode, Store
from agent_tools.timeline import Span
from agent_tools.untrusted import clean


def divide(store: Store, video_id: str, opened: Probe, duration_s: float, encoder: str, *, final: bool) -> None:
    """Write the three levels; they replace those that are there.

    Args:
        encoder: the producer of the text vectors that tell topics apart.
        final: also write the memory tokens of scenes and chapters, because nothing will change them any more.
    """
    pieces = text_index.pieces(store, video_id, encoder)
    row = store.channel(video_id, "frames")
    vectors = PictureRows(store, video_id, row.producer) if row is not None and row.producer else None
    times_s = vectors.times_s if vectors is not None else []
    spans = {"chunk": episodes.chunks(duration_s)}
    if vectors is not None and times_s:
        spans["scene"] = episodes.scenes(times_s, vectors, duration_s, pieces)
    else:
        spans["scene"] = episodes.spans_between(episodes.silence_ends(pieces), duration_s, episodes.MIN_SCENE_S)
    named = [(Span(c.start_s, c.end_s), c.title) for c in opened.chapters if c.end_s > c.start_s]
    spans["chapter"] = [span for span, _ in named] or episodes.chapters(duration_s, pieces, spans["scene"])
    without = _wordless(store, video_id, opened)
    for level, level_spans in spans.items():
        found = titles(level_spans, pieces, without)
        if level == "chapter" and named:
            found = [
                (clean(name, 80), "container") if name else own for (_, name), own in zip(named, found, strict=True)
            ]
        keys: list[float | None] = [None] * len(level_spans)
        if vectors is not None and times_s:
            keys = [*episodes.keyframes(level_spans, times_s, vectors)]
        rows = [
            Episode(
                0,
                video_id,
                level,
                span.start_s,
                span.end_s,
                title,
                source,
                key,
            )
            for span, (title, source), key in zip(level_spans, found, keys, strict=True)
        ]
        store.replace_episodes(video_id, level, rows)
        if final and level != "chunk":
            store.memories.delete(video_id, kind=level)
            text_index.write_level(store, video_id, level, encoder, level_spans)


def _wordless(store: Store, video_id: str, opened: Probe) -> Callable[[Span], str]:
    """What to call a span without text: what it has instead."""
    speech = store.channel(video_id, "speech")
    heard = speech is not None and speech.state == "done"
    dropped = [Span(gap.start_s, gap.end_s) for gap in store.gaps(video_id) if gap.channel == "speech"]

    def named(span: Span) -> str:
        if not opened.audio:
            return "silent pictures"
        if any(gap.clipped(span.start_s, span.end_s) for gap in dropped):
            return f"speech, {NO_TEXT}"
        return f"pictures, {NO_TEXT}" if heard else f"sound, {NO_TEXT}"

    return named
