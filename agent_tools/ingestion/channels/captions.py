"""The captions channel: a video LLM says in a sentence or two what each scene shows, and of a long scene each part.

Each caption is written as soon as the model has answered. So an ingest that was interrupted, or that failed, asks only
for the captions that are still missing."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from agent_tools.compression import sample_times
from agent_tools.errors import EngineError
from agent_tools.ingestion.channels.base import ChannelMaker
from agent_tools.media.picture_files import pixels_of
from agent_tools.models.hub.catalogue import receiver
from agent_tools.models.profiles import video_llm
from agent_tools.models.video_llm.questions import Answerer, caption
from agent_tools.store import ChannelDetail, Entry, EntryIn, Store
from agent_tools.timeline import Span, rounded
from agent_tools.untrusted import clean

MOST_S = 30.0  # of one caption: a longer scene gets several, or nothing would describe its middle
MOST_PICTURES = 8  # shown to the model for one caption
MOST_FAILURES = 2  # in a row, after which the model is taken to be down: each costs an endpoint's waits and retries
MOST_WHY = 160  # characters of a gap's reason
SETTLE_EVERY = 8  # captions between two times that what is written becomes findable by meaning
CHANNEL = "captions"

OnCaption = Callable[[int, int, float, bool], None]  # (done, of, second up to which all is done, whether to index now)


@dataclass(frozen=True)
class CaptionResult:
    """The result for one span: an entry, or the reason why there is no entry."""

    span: Span
    entry: EntryIn | None
    why: str = ""
    failure: EngineError | None = None  # of the model: another try may help


def caption_spans(scenes: Sequence[Span]) -> list[Span]:
    """The spans that get a caption each: the scenes, those over MOST_S in equal parts, to the millisecond."""
    parts: list[Span] = []
    for scene in scenes:
        count = max(1, math.ceil(scene.length_s / MOST_S - 1e-9))
        edges = [round(scene.start_s + scene.length_s * i / count, 3) for i in range(count + 1)]
        parts += [Span(a, b) for a, b in pairwise(edges) if b > a]
    return parts


def pictures_of(store: Store, video_id: str, span: Span) -> list[NDArray[np.uint8]]:
    """The kept frames (H, W, 3) that show the span: at most MOST_PICTURES times at even distances, one picture for
    each frame that stands for them; a still scene is one picture."""
    rows = store.frames(video_id, span.start_s, span.end_s)
    if not rows:
        return []
    wanted = [span.start_s + t for t in sample_times(span.length_s, t_min=1, t_max=MOST_PICTURES, clip=1)]
    times_s = np.asarray([row.time_s for row in rows])
    near = sorted({int(np.abs(times_s - t).argmin()) for t in wanted})
    pictures = []
    for k in dict.fromkeys(rows[i].stands_for for i in near):
        data = store.frame_picture(video_id, k)
        if data is not None:
            pictures.append(pixels_of(data))
    return pictures


class Captions(ChannelMaker):
    """One entry per scene or part of a scene, asked about the frames that were kept of it."""

    name = CHANNEL
    needs = ("frames",)

    @property
    def begins_at(self) -> float | None:
        return 0.4

    def run(self) -> None:
        if self.file.video is None:
            self.end_absent("no picture")
            return
        base = self.context.base
        if not base.frames(self.video_id):
            remedy = f"agent-tools reindex {self.video_id} --channel frames"
            raise EngineError(f"there are no frames to caption. Make them first: {remedy}")
        self.control.tell(0.0, "loading the video LLM")
        models = self.context.models
        model = video_llm(models.settings)
        work = CaptionPass(self.store, self.video_id, model, receiver(models.profile), self.duration_s, base)
        models.text()

        def on_caption(done: int, of: int, to_s: float, settle: bool) -> None:
            if settle:
                self.index(to_s)
            self.control.tell(done / of, f"captioning: {done} of {of} spans")

        if not self.context.beside:
            self.context.write_episodes(final=False)
        scenes = [Span(one.start_s, one.end_s) for one in base.episodes(self.video_id, "scene")]
        detail = work.run(scenes, on_caption)
        self.end(entries=len(self.entries()), detail=detail)


class CaptionPass:
    """Captions of one video by one model; `run` may be called again after any interruption."""

    def __init__(
        self,
        store: Store,
        video_id: str,
        model: Answerer,
        sent_to: str,
        duration_s: float,
        shown: Store | None = None,
    ) -> None:
        """
        Args:
            sent_to: the host that gets the pictures, "" where they stay on this machine.
            shown: the store that holds the kept frames, where it is another.
        """
        self.shown = shown or store
        self.store, self.video_id, self.model = store, video_id, model
        self.sent_to, self.duration_s = sent_to, duration_s

    def run(self, scenes: Sequence[Span], on_caption: OnCaption) -> ChannelDetail:
        """Ask for each span that has no caption yet, in time order; returns the detail of the channel's row.

        The captions of another model stay findable until this one has finished; then they are removed.
        Args:
            on_caption: called after each caption, also one that failed; may raise to stop.
        Raises: EngineError: the model failed for a span; what is written stays, and gaps name the spans without one.
        """
        spans = caption_spans(scenes)
        self._begin(spans)
        failures: list[EngineError] = []
        in_a_row = done = 0
        for result in self._results(spans):
            if result.entry is not None:
                self.store.add_entries(self.video_id, CHANNEL, self.model.producer, [result.entry])
                in_a_row = 0
            if result.why:
                self._gap(result.span, result.why)
            if result.failure is not None:
                failures.append(result.failure)
                in_a_row += 1
            done += 1
            down = in_a_row == MOST_FAILURES and done < len(spans)
            if down:
                why = f"not asked for after {MOST_FAILURES} failures in a row"
                self._gap(Span(result.span.end_s, self.duration_s), why)
            self._progress(spans, done, result.span.end_s)
            settled = down or done == len(spans) or done % SETTLE_EVERY == 0
            on_caption(done, len(spans), result.span.end_s, settled)
            if down:
                break
        if failures:
            last = failures[-1]
            raise type(last)(
                f"{len(failures)} of {len(spans)} captions failed, {len(spans) - done} were not asked for. Ingest "
                f"again to go on. {last}"
            ) from last
        for other in {one.producer for one in self._written()} - {self.model.producer}:
            self.store.delete_entries(self.video_id, CHANNEL, other)
        return replace(self._detail(spans, done), visual_tokens=self._visual_tokens())

    def _visual_tokens(self) -> tuple[int, int] | None:
        """Visual tokens that a model on this machine read for all captions, and how many it was given."""
        counts = [one.extra["visual_tokens"] for one in self._written() if "visual_tokens" in one.extra]
        return (sum(read for read, _ in counts), sum(given for _, given in counts)) if counts else None

    def _detail(self, spans: Sequence[Span], done: int) -> ChannelDetail:
        share = round(done / max(1, len(spans)), 3)
        return ChannelDetail(spans=_mark(spans), done=share, of=len(spans), sent_to=self.sent_to)

    def _begin(self, spans: Sequence[Span]) -> None:
        row = self.store.channel(self.video_id, CHANNEL)
        goes_on = (
            row is not None
            and row.producer == self.model.producer
            and row.state in ("running", "failed")
            and row.detail.spans == _mark(spans)
        )
        if not goes_on:
            self.store.delete_entries(self.video_id, CHANNEL, self.model.producer)
        self.store.memories.delete(self.video_id, read=CHANNEL)  # written again: a gap may be filled now
        self.store.clear_gaps(self.video_id, CHANNEL)
        producer = self.model.producer
        self.store.set_channel(self.video_id, CHANNEL, state="running", producer=producer, error=None)
        self._progress(spans, 0, 0.0)

    def _results(self, spans: Sequence[Span]) -> Iterator[CaptionResult]:
        written = {_key(one.start_s, one.end_s) for one in self._written() if one.producer == self.model.producer}
        for span in spans:
            if _key(span.start_s, span.end_s) in written:
                yield CaptionResult(span, None)
                continue
            pictures = pictures_of(self.shown, self.video_id, span)
            if not pictures:
                yield CaptionResult(span, None, "no picture of it was kept")
                continue
            try:
                answer = caption(self.model, pictures)
            except EngineError as error:
                yield CaptionResult(span, None, clean(error.described, MOST_WHY), error)
                continue
            extra: dict[str, object] = {"pictures": len(pictures)}
            if (report := answer.token_report) is not None:
                extra |= {"visual_tokens": [report.read, report.given], "seen": report.described}
            if not answer.text:
                yield CaptionResult(span, None, "the model wrote nothing of it")
                continue
            yield CaptionResult(span, EntryIn(span.start_s, min(span.end_s, self.duration_s), answer.text, extra))

    def _written(self) -> list[Entry]:
        return self.store.entries(self.video_id, channels=(CHANNEL,))

    def _gap(self, span: Span, why: str) -> None:
        self.store.add_gap(self.video_id, CHANNEL, rounded(span.start_s), rounded(span.end_s), why)

    def _progress(self, spans: Sequence[Span], done: int, to_s: float) -> None:
        self.store.set_channel(self.video_id, CHANNEL, done_to_s=to_s, detail=self._detail(spans, done))


def _mark(spans: Sequence[Span]) -> str:
    """Changes when the scenes do: then captions of the old ones are of no use."""
    return hashlib.blake2b(repr([_key(s.start_s, s.end_s) for s in spans]).encode(), digest_size=6).hexdigest()


def _key(start_s: float, end_s: float) -> tuple[int, int]:
    return round(start_s * 1000), round(end_s * 1000)
