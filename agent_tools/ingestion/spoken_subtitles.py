"""Whether subtitles stand for speech: in the language of the audio, over all of a span.

An ingest then leaves speech out, and a verdict does not miss it."""

from __future__ import annotations

from agent_tools.store import Store, VideoRow
from agent_tools.timeline import Span, merged

SUBTITLE_GAP_S = 30.0  # a pause this long between cues is no hole in the transcript
SUBTITLE_SHARE = 0.8  # of the span that cues must cover to stand for speech


def stand_for_speech(store: Store, video: VideoRow, span: Span) -> bool:
    """Whether subtitles that are read whole stand for speech over the span. An unknown language is the audio's."""
    row = store.channel(video.id, "subtitles")
    if row is None or row.state != "done":
        return False
    spoken = video.metadata.get("audio_language")
    if spoken and row.language and spoken != row.language:
        return False
    cues = store.entries(video.id, channels=("subtitles",), start_s=span.start_s, end_s=span.end_s)
    parts = [part for cue in cues if (part := Span(cue.start_s, cue.end_s).clipped(span.start_s, span.end_s))]
    return sum(part.length_s for part in merged(parts, SUBTITLE_GAP_S)) >= SUBTITLE_SHARE * span.length_s
