"""Pictures by words, where the profile's frame encoder has a text side: which kept frames show what a query names.

Knows frame vectors, their background and the text side. Knows nothing of replies or verdicts."""

from __future__ import annotations

import bisect
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from agent_tools.ingestion.spaces import frame_space
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.timeline import Span, clock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.grounding import Evidence, EvidenceItem, RelevanceCurveLocalizer

MOST = 60  # frames of one video that are called found
# Cosines of picture and text lie in a narrow band that differs by model and video: a frame is judged by how many
# deviations it lies above the video's own frames.
FLOOR, MIDDLE, SLOPE = 1.5, 2.5, 0.6
LEAST_DEVIATION = 0.01  # of an all but constant video
_TO_DEVIATION = 1.4826  # of a normal distribution's median absolute deviation


@dataclass(frozen=True)
class SeenFrame:
    """A kept frame, the time it and the pruned ones beside it stand for, and how well it fits."""

    video_id: str
    span: Span
    score: float  # 0..1, no probability
    cosine: float


def frames_matching(
    library: Library, scopes: Sequence[VideoSpan], query: str, *, wait_s: float = 0.0
) -> list[SeenFrame]:
    """Frames of the asked spans that show what the query names, best first; none where pictures have no text side."""
    import numpy as np

    words = library.models.picture_words(wait_s)
    if words is None or not query.strip():
        return []
    vector = words.encode_text([query])[0]
    space = frame_space(library.models.frame_producer)
    found: list[SeenFrame] = []
    for one in scopes:
        ids, matrix = library.store.vectors(space, one.video.id)
        if not len(ids):
            continue
        cosines = matrix @ vector
        median = float(np.median(cosines))
        deviation = max(LEAST_DEVIATION, _TO_DEVIATION * float(np.median(np.abs(cosines - median))))
        height = {int(k): (float(cosine) - median) / deviation for k, cosine in zip(ids, cosines, strict=True)}
        best = sorted((k for k in height if height[k] >= FLOOR), key=lambda k: -height[k])[:MOST]
        spans = _spans(library, one, set(best)) if best else {}
        place = {int(k): i for i, k in enumerate(ids)}
        found += [
            SeenFrame(one.video.id, span, 1 / (1 + math.exp(-(height[k] - MIDDLE) / SLOPE)), float(cosines[place[k]]))
            for k in best
            for span in spans.get(k, ())
        ]
    return sorted(found, key=lambda frame: (-frame.score, frame.video_id, frame.span.start_s))


@dataclass(frozen=True)
class PictureEvidence:
    """The kept frames of a video compared with an event, and what is usual among them.

    A frame's score is its cosine and once more what that has above the video's median, as with texts. On drawn films
    this told present from absent as well as the bare cosine does (AUC .98), which no other video's light and wording
    moves with; heights above the median alone told them badly (.80 to .88): what is like the event in one video is not
    so in another. The noise is the frames' standard deviation: a film's frames stand in clumps, scene by scene, and the
    median deviation of clumps says little. So many scenes, not so many frames, are the noise's independent values."""

    items: tuple[EvidenceItem, ...]  # in time order
    deviation: float  # of the frames' scores, each pruned one with that of the frame that stands for it
    scenes: int
    producer: str
    median: float  # of the frames' cosines
    event: NDArray[np.float32]  # (D,)
    looked_at: tuple[tuple[float, float], ...]  # time and score of every frame that was sampled, in time order
    vectors: NDArray[np.float32]  # (n, D), of the kept frames
    shown: NDArray[np.int64]  # (T,), for every frame that was sampled the row of `vectors` that stands for it

    def of(self, cosine: float) -> float:
        """The score of a picture with this cosine."""
        return 2 * cosine - self.median

    def vectors_of(self, start_s: float, end_s: float) -> NDArray[np.float32]:
        """The frames (k, D) that stand for [start_s, end_s), each once."""
        import numpy as np

        times = [time_s for time_s, _ in self.looked_at]
        first, last = bisect.bisect_left(times, start_s), bisect.bisect_left(times, end_s)
        return self.vectors[np.unique(self.shown[first:last])]

    @property
    def edge(self) -> float:
        """From the middle to the edge of the noise, in units of the score; see grounding.curves."""
        from agent_tools.grounding import CurveSettings

        return self.deviation * math.sqrt(2 * math.log(max(self.scenes, CurveSettings().least_n)))

    def localizer(self) -> RelevanceCurveLocalizer:
        """Relevance curves that know these frames' noise."""
        from agent_tools.grounding import SIGHT, CurveSettings, Noise, RelevanceCurveLocalizer

        noise = Noise(self.median, self.deviation, self.deviation)
        return RelevanceCurveLocalizer(CurveSettings(noise={**CurveSettings().noise, SIGHT: noise}))

    def score(self, height: float) -> float:
        """The score of a frame so high above the noise: what calibrations are about."""
        return self.median + height * self.edge

    def look(self, start_s: float, end_s: float, _fps: float = 0.0) -> Evidence:
        """What a look at [start_s, end_s) brings; nothing is decoded for it."""
        from agent_tools.grounding import SIGHT, Background, Evidence

        inside = tuple(item for item in self.items if item.start_s < end_s and item.end_s > start_s)
        background = {f"frames:{SIGHT}": Background(self.median, self.deviation / _TO_DEVIATION, self.scenes)}
        return Evidence(start_s, end_s, items=inside, background=background)


def picture_evidence(library: Library, scope: VideoSpan, event: str, *, wait_s: float = 0.0) -> PictureEvidence | None:
    """Every kept frame of the video compared with an event; None where pictures have no text side or no vectors yet.

    What is usual is taken from the whole video, not from the span."""
    import numpy as np

    from agent_tools.grounding import SIGHT, EvidenceItem

    vector = library.models.event_vector(event, wait_s)
    if vector is None:
        return None
    producer = library.models.frame_producer
    ids, matrix = library.store.vectors(frame_space(producer), scope.video.id)
    if not len(ids):
        return None
    cosine = dict(zip(ids.tolist(), (matrix @ vector).tolist(), strict=True))
    place = {k: row for row, k in enumerate(ids.tolist())}
    rows = [row for row in library.store.frames(scope.video.id) if row.stands_for in cosine]
    usual = np.array([cosine[row.stands_for] for row in rows])
    median = float(np.median(usual))
    score = {k: 2 * value - median for k, value in cosine.items()}
    whole = VideoSpan(scope.video, Span(0.0, scope.video.duration_s or scope.span.end_s))
    spans = _spans(library, whole, set(cosine))
    items = [
        EvidenceItem(span.start_s, span.end_s, "frames", score[row.k], f"at {clock(row.time_s)}", SIGHT)
        for row in rows
        for span in (spans.get(row.k, ()) if row.kept else ())
    ]
    return PictureEvidence(
        tuple(sorted(items, key=lambda item: item.start_s)),
        deviation=2 * max(LEAST_DEVIATION, float(usual.std())),
        scenes=len(library.store.episodes(scope.video.id, "scene")) or len(cosine),
        producer=producer,
        median=median,
        event=vector,
        looked_at=tuple((row.time_s, score[row.stands_for]) for row in rows),
        vectors=matrix,
        shown=np.array([place[row.stands_for] for row in rows], dtype=np.int64),
    )


def _spans(library: Library, one: VideoSpan, wanted: set[int]) -> dict[int, list[Span]]:
    """By kept frame the stretches of the asked span for which it stands."""
    rows = library.store.frames(one.video.id, one.span.start_s, one.span.end_s)
    step = rows[1].time_s - rows[0].time_s if len(rows) > 1 else 1.0
    spans: dict[int, list[Span]] = {}
    for row in rows:
        if row.stands_for not in wanted:
            continue
        end_s = min(row.time_s + step, one.span.end_s)
        held = spans.setdefault(row.stands_for, [])
        if held and row.time_s - held[-1].end_s <= step / 2:
            held[-1] = Span(held[-1].start_s, max(end_s, held[-1].end_s))
        elif end_s > row.time_s:
            held.append(Span(row.time_s, end_s))
    return spans
