"""The channels of what is seen: frames, and the text on them, which one decode pass makes together.

Knows what survives an interruption of either. The work itself is that of frames.py and reading.py."""

from __future__ import annotations

from dataclasses import replace

from agent_tools.errors import EngineError
from agent_tools.ingestion import text_index
from agent_tools.ingestion.channels.base import Steps
from agent_tools.ingestion.channels.frames import FramePass, forget_files, frame_tokens, shared_threads
from agent_tools.ingestion.screen_text.reader import Reader
from agent_tools.media import Damage, Picture, sample
from agent_tools.models.devices import choose
from agent_tools.models.profiles import frame_encoder, ocr, redundancy_encoder
from agent_tools.store import SqliteMemory
from agent_tools.timeline import merged

GATHER_EVERY = 64  # pictures between two places from which collecting those for OCR would go on


class Seeing(Steps):
    """The steps `_pictures` and `_screen_text`."""

    def _pictures(self) -> None:
        if self.opened.video is None:
            self.store.set_channel(self.video_id, "frames", state="absent")
            return
        learnt = self.profile.model("frames")
        beside = learnt is not None and learnt.from_hub and choose(self.models.device).kind == "cpu"
        decoding, encoding = shared_threads(self.settings.worker_threads, beside)
        models = replace(self.models, threads=encoding)
        self._frames = frame_encoder(models)
        judge = redundancy_encoder(models)
        # What decides which pictures are looked at and which are kept: a pass under other settings begins anew.
        made_by = {"fps": self.settings.fps, "judge": judge.producer, "threshold": judge.threshold}
        row = self.store.channel(self.video_id, "frames")
        resumed = row is not None and row.producer == self._frames.producer and made_by.items() <= row.detail.items()
        next_k = int(row.detail.get("next_k", 0)) if row is not None and resumed else 0
        with frame_tokens(self.store.home, self.video_id, self._frames.producer) as repository:
            if len(repository) < sum(frame.k < next_k for frame in self.store.frames(self.video_id)):
                next_k = 0  # the token file is lost: begin again
        if not next_k:
            self.store.set_channel(self.video_id, "frames", done_to_s=0.0, detail=made_by)
            self.store.delete_frames(self.video_id)
            SqliteMemory(self.store).delete(self.video_id, read="frames")
            self.store.clear_gaps(self.video_id, "frames")
            forget_files(self.store.home, self.video_id)
        reader = self._reader()
        reader.restore(row.detail.get("rule", "") if row is not None and next_k else "")
        self._begin("frames", self._frames.producer)
        work = FramePass(
            self.store,
            self.video_id,
            self.opened,
            self._frames,
            judge,
            self.settings.fps,
            decoding,
            self.duration_s,
        )
        reads = "screen_text" in self.job.channels and not self._finished("screen_text")

        def on_picture(time_s: float, picture: Picture) -> None:
            if reads:
                reader.show(time_s, picture)
            self.control.check()

        def on_window(k: int, time_s: float, rule: str) -> None:
            share = min(1.0, time_s / max(self.duration_s, 1e-9))
            detail = {**made_by, "next_k": k, "rule": rule, "done": round(share, 3)}
            self.store.set_channel(self.video_id, "frames", done_to_s=time_s, detail=detail)
            self.control.tell(0.08 + 0.37 * share, f"looking at pictures: {time_s:.0f} of {self.duration_s:.0f} s")

        def on_damage(damage: Damage) -> None:
            self.store.add_gap(self.video_id, "frames", damage.start_s, damage.end_s, damage.why)

        work.run(next_k, on_picture, on_window, on_damage, reader.saved)
        if reads:
            reader.close()
        rows = self.store.frames(self.video_id)
        if not rows:
            raise EngineError("no picture could be decoded. The file is damaged, or its codec is not supported.")
        self._end("frames", entries=sum(row.kept for row in rows), detail={**made_by, "pictures": len(rows)})

    def _screen_text(self) -> None:
        if self.opened.video is None:
            self.store.set_channel(self.video_id, "screen_text", state="absent")
            return
        engine = ocr(self.models)
        self._begin("screen_text", engine.producer)
        self.store.clear_gaps(self.video_id, "screen_text")
        reader = self._reader()
        if not reader.whole:
            self._gather(reader)
        left_out = reader.choose(self.settings.ocr_per_hour)
        encoder = self._encoder()
        total = max(1, reader.chosen)

        def on_read(done: int, to_s: float, fresh: bool) -> None:
            detail = {"done": round(done / total, 3)}
            if fresh:
                text_index.index_entries(self.store, self.video_id, encoder, lambda _: None)
                text_index.write_chunks(
                    self.store, self.video_id, "screen_text", encoder.producer, self.duration_s, to_s
                )
            self.store.set_channel(self.video_id, "screen_text", done_to_s=to_s, detail=detail)
            self.control.tell(0.45 + 0.49 * done / total, f"reading on-screen text: {done} of {total} pictures")

        written = reader.read(engine, on_read)
        self._index("screen_text", 0.94, 0.96)
        for gap in merged(left_out, 0.01):
            self.store.add_gap(self.video_id, "screen_text", gap.start_s, gap.end_s, "over the limit of OCR calls")
        told: dict[str, object] = {"pictures": reader.chosen, "half_size": reader.half_size, "left_out": len(left_out)}
        self._end("screen_text", entries=written, detail=told)
        reader.clear()

    def _reader(self) -> Reader:
        return Reader(self.store, self.video_id, self.store.home, self.opened.duration_s or self.duration_s)

    def _gather(self, reader: Reader) -> None:
        """Collect the pictures to read in a pass of their own, where no pass for frames did."""
        row, fps = self.store.channel(self.video_id, "screen_text"), self.settings.fps
        next_k = int(row.detail.get("next_k", 0)) if row is not None and row.detail.get("fps") == fps else 0
        reader.restore(str(row.detail.get("rule", "")) if row is not None and next_k else "")
        for shown in sample(self.opened, fps=fps, start_s=next_k / fps, threads=self.settings.worker_threads):
            if shown.k >= next_k + GATHER_EVERY:
                next_k = shown.k
                share = min(1.0, shown.time_s / max(self.duration_s, 1e-9))
                detail = {"fps": fps, "next_k": next_k, "rule": reader.saved(), "done": 0.0}
                self.store.set_channel(self.video_id, "screen_text", detail=detail)
                self.control.tell(0.08 + 0.37 * share, f"looking for text: {shown.time_s:.0f} s")
            reader.show(shown.time_s, shown.picture)
            self.control.check()
        reader.close()
