"""The screen_text channel: pictures that stand still are read by OCR.

The pass of the frames channel collects the pictures where it runs in the same job; else this channel decodes the file
itself. The reader says what survives an interruption."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterable

from agent_tools.ingestion.channels.base import ChannelMaker, Context
from agent_tools.ingestion.screen_text.reader import Reader
from agent_tools.ingestion.screen_text.still import GLANCES_FPS
from agent_tools.media import sample
from agent_tools.models.profiles import ocr
from agent_tools.store import ChannelDetail
from agent_tools.timeline import Span, merged

GATHER_EVERY = 64  # pictures between two places from which an interrupted collection resumes


def looks_per_sample(fps: float) -> int:
    """How many pictures the reader looks at for each that is sampled: the sampled one, and glances between them."""
    return max(1, math.ceil(GLANCES_FPS / fps))


def reader_of(context: Context) -> Reader:
    """The reader of the video's pictures, with its files in the home that is written."""
    video = context.video
    length_s, per_hour = video.file.duration_s or video.duration_s, context.settings.ocr_per_hour
    return Reader(context.store, video.id, context.store.home, length_s, per_hour=per_hour)


class ScreenText(ChannelMaker):
    """One entry per text that stood on screen."""

    name = "screen_text"
    follows_growth = True

    def run(self) -> None:
        if self.file.video is None:
            self.end_absent()
            return
        engine = ocr(self.context.models.settings)
        self.begin(engine.producer)
        self.store.clear_gaps(self.video_id, self.name)
        reader = reader_of(self.context)
        if not reader.whole and not self.context.growing:  # what has grown so far, the frames' pass has collected
            reader.search_with(engine)
            self._gather(reader)
        left_out = reader.choose(self.context.settings.ocr_per_hour)
        self.context.models.text()
        total = max(1, reader.chosen)

        def on_read(done: int, to_s: float, written: bool) -> None:
            if written:
                self.index(to_s)
            detail = ChannelDetail(done=round(done / total, 3))
            self.store.set_channel(self.video_id, self.name, done_to_s=to_s, detail=detail)
            self.control.tell(0.45 + 0.49 * done / total, f"reading on-screen text: {done} of {total} pictures")

        count = reader.read(engine, on_read, open_end=self.context.growing)
        if self.context.growing:
            return
        self.index_all(0.94, 0.96)
        for gap in merged(left_out, 0.01):
            self.store.add_gap(self.video_id, self.name, gap.start_s, gap.end_s, "over the limit of OCR calls")
        self.end(
            entries=count,
            detail=ChannelDetail(
                pictures=reader.chosen,
                half_size=reader.half_size,
                left_out=len(left_out),
                unread=_rounded(reader.unread()),
                hidden=_rounded(reader.hidden()),
            ),
        )
        reader.clear()

    def clean_up(self) -> None:
        if self.context.finished(self.name):  # a worker may have died between the end of the channel and this
            shutil.rmtree(reader_of(self.context).folder, ignore_errors=True)

    def _gather(self, reader: Reader) -> None:
        """Collect the pictures to read in a pass of their own, where no pass for frames did."""
        row, fps = self.context.row(self.name), self.context.settings.fps
        next_k = row.detail.next_k if row is not None and row.detail.fps == fps else 0
        reader.restore(row.detail.rule if row is not None and next_k else "")
        threads, looks = self.context.settings.worker_threads, looks_per_sample(fps)
        for shown in sample(self.file, fps=fps * looks, start_s=next_k / fps, threads=threads):
            if shown.k % looks:
                reader.glance(shown.time_s, shown.picture)
                self.control.check()
                continue
            if shown.k // looks >= next_k + GATHER_EVERY:
                next_k = shown.k // looks
                detail = ChannelDetail(fps=fps, next_k=next_k, rule=reader.saved(), done=0.0)
                self.store.set_channel(self.video_id, self.name, detail=detail)
                progress = 0.08 + 0.37 * self.share(shown.time_s)
                self.control.tell(progress, f"looking for text: {shown.time_s:.0f} s")
            reader.show(shown.time_s, shown.picture)
            self.control.check()
        reader.close()


def _rounded(spans: Iterable[Span]) -> tuple[tuple[float, float], ...]:
    return tuple((round(span.start_s, 2), round(span.end_s, 2)) for span in spans)
