"""The evidence of pictures for ground_event: every kept frame of a video compared with an event."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from agent_tools.ingestion.spaces import frame_space
from agent_tools.service.frames.kept_frames import spans_shown_by
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.search.pictures import LEAST_DEVIATION, TO_DEVIATION
from agent_tools.timeline import Span, clock

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.grounding import Evidence, EvidenceItem, RelevanceCurveLocalizer


@dataclass(frozen=True)
class PictureEvidence:
    """The kept frames of a video compared with an event, and what is usual among them.

    A frame's score is its cosine and once more what that has above the video's median, as with texts. On drawn films
    this parted present from absent as well as the bare cosine does (AUC .98), which no other video's light and wording
    moves with; heights above the median alone did it badly (.80 to .88): what is like the event in one video is not
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

        first, last = np.searchsorted(self._times_s, (start_s, end_s))
        return self.vectors[np.unique(self.shown[first:last])]

    def each_second(self, start_s: float, seconds: int) -> NDArray[np.float32]:
        """The frames (k, D) shown at the middle of each of so many seconds, k less only where the video ends."""
        import numpy as np

        times = self._times_s
        middles = start_s + np.arange(seconds) + 0.5
        middles = middles[middles < times[-1] + 1.0]
        rows = np.clip(np.searchsorted(times, middles, side="right") - 1, 0, len(times) - 1)
        frames: NDArray[np.float32] = self.vectors[self.shown[rows]]
        return frames

    @cached_property
    def _times_s(self) -> NDArray[np.float64]:
        import numpy as np

        return np.array([time_s for time_s, _ in self.looked_at])

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
        background = {f"frames:{SIGHT}": Background(self.median, self.deviation / TO_DEVIATION, self.scenes)}
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
    spans = spans_shown_by(library, whole, set(cosine))
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
