"""One job: the channels of one video, each resumable on its own, then its episodes.

Knows what is done in which order and what survives an interruption. Knows nothing of clients."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from agent_tools.errors import EngineError, SourceNotFound, UnreadableVideo
from agent_tools.ingestion import episodes, text
from agent_tools.ingestion.captions import CaptionPass
from agent_tools.ingestion.chosen_models import model_settings
from agent_tools.ingestion.control import Control
from agent_tools.ingestion.frames import FramePass, PictureRows, forget_files, frame_tokens
from agent_tools.ingestion.reading import Reader
from agent_tools.ingestion.titles import titles
from agent_tools.media import Damage, Picture, Probe, audio, content_id, last_time, probe, read_subtitles
from agent_tools.models.catalogue import receiver
from agent_tools.models.profiles import (
    FrameEncoder,
    Profile,
    TextEncoder,
    frame_encoder,
    ocr,
    redundancy_encoder,
    resolve,
    speech,
    text_encoder,
    video_llm,
)
from agent_tools.settings import Settings
from agent_tools.store import Entry, EntryIn, Episode, Job, SqliteMemory, Store
from agent_tools.timeline import Span, merged
from agent_tools.untrusted import clean

log = logging.getLogger("agent_tools.worker")
CAPTIONS_FROM = 0.4  # of a job is behind it when its captions begin: each takes seconds, whatever else there is to do
NO_MODEL = {
    "speech": "transcribed: profile {} has no speech model",
    "captions": "captioned: profile {} has no video LLM",
}


class Ingest:
    """The work of one claimed job. `run` returns None, or why the video is not whole."""

    def __init__(self, store: Store, job: Job, settings: Settings, control: Control) -> None:
        self.store, self.job, self.settings, self.control = store, job, settings, control
        self.video_id = job.video_id
        self.models = model_settings(settings, job.profile, settings.worker_threads)
        self.profile: Profile = resolve(self.models)
        self._text: TextEncoder | None = None
        self._frames: FrameEncoder | None = None

    def run(self) -> str | None:
        self.control.tell(0.0, "opening the file")
        self.opened = probe(self._source())
        self.duration_s = self._describe(self.opened)
        failures: list[str] = []
        steps: list[tuple[str, Callable[[], None]]] = [
            ("subtitles", self._subtitles),
            ("frames", self._pictures),
            ("screen_text", self._screen_text),
            ("speech", self._speech),
            ("captions", self._captions),
        ]
        wanted = {*self.job.channels, *(("frames",) if "captions" in self.job.channels else ())}
        todo = [(name, step) for name, step in steps if name in wanted and not self._finished(name)]
        for name, step in todo:
            if todo[-1][0] == "captions" and len(todo) > 1:
                self.control.within(*((CAPTIONS_FROM, 0.96) if name == "captions" else (0.0, CAPTIONS_FROM)))
            try:
                step()
            except EngineError as error:
                log.error("video %s, channel %s: %s", self.video_id, name, error.described)
                self.store.set_channel(self.video_id, name, state="failed", error=error.described)
                failures.append(f"{name}: {error.described}")
        self._name_missing()
        self.control.within(0.0, 1.0)
        self.control.tell(0.96, "dividing the video into episodes")
        self._episodes(final=True)
        return "; ".join(failures) or None

    # -- the file

    def _source(self) -> Path:
        """A path that still holds this very content. Raises: SourceNotFound."""
        tried = []
        for source in self.store.sources(self.video_id):
            path = Path(source.path)
            tried.append(source.path)
            if not path.is_file():
                continue
            stat = path.stat()
            same = (stat.st_size, stat.st_mtime_ns, stat.st_ino) == (source.size, source.mtime_ns, source.inode)
            if same or content_id(path) == self.video_id:
                return path
        raise SourceNotFound(
            f"{', '.join(Path(path).name for path in tried) or 'the file'} is gone or holds other content now. "
            "Put it back, or ingest it again where it lies now."
        )

    def _describe(self, opened: Probe) -> float:
        if opened.video is None and not opened.audio and not any(track.text for track in opened.subtitles):
            raise UnreadableVideo(
                f"{opened.path.name} has no stream that can be decoded. Convert it to H.264, then ingest it again."
            )
        duration_s = opened.duration_s if opened.duration_s else last_time(opened)
        video = opened.video
        self.store.update_video(
            self.video_id,
            duration_s=duration_s,
            width=video.width if video else None,
            height=video.height if video else None,
            fps=video.fps if video else None,
            container=opened.container,
            has_audio=bool(opened.audio),
            audio_s=max((a.duration_s or duration_s for a in opened.audio), default=None),
            metadata={
                **{clean(k, 40): clean(v, 300) for k, v in list(opened.metadata.items())[:40]},
                "audio_language": next((track.language for track in opened.audio if track.language), ""),
            },
            error=None,
        )
        return duration_s

    # -- channels

    def _subtitles(self) -> None:
        before = self.store.channel(self.video_id, "subtitles")
        if before is not None and before.state != "running":  # read again, because what lies beside the file changed
            self.store.delete_entries(self.video_id, "subtitles")
            SqliteMemory(self.store).delete(self.video_id, read="subtitles")
        self._begin("subtitles", "subtitles")
        tracks = read_subtitles(self.opened)
        self.control.check()
        count = 0
        for track in tracks:
            cues = [
                EntryIn(
                    cue.start_s,
                    min(cue.end_s, self.duration_s),
                    cue.text,
                    {"language": track.language or "", "track": track.source},
                )
                for cue in track.cues
                if cue.start_s < self.duration_s and cue.text
            ]
            count += len(self.store.add_entries(self.video_id, "subtitles", f"{track.kind}:{track.source}", cues))
        mark = {"sidecars": self.job.settings.get("sidecars", "")}
        if not count:
            drawn = sorted({track.codec for track in self.opened.subtitles if not track.text})
            if drawn:
                mark["why"] = f"in the file as pictures only ({', '.join(drawn)}), which are not read"
            self.store.set_channel(self.video_id, "subtitles", state="absent", entries=0, detail=mark)
            return
        self._index("subtitles", 0.02, 0.08)
        language = next((track.language for track in tracks if track.language), None)
        self._end("subtitles", entries=count, language=language, detail=mark)
        self._episodes(final=False)

    def _pictures(self) -> None:
        if self.opened.video is None:
            self.store.set_channel(self.video_id, "frames", state="absent")
            return
        self._frames = frame_encoder(self.models)
        row = self.store.channel(self.video_id, "frames")
        resumed = row is not None and row.producer == self._frames.producer
        next_k = int(row.detail.get("next_k", 0)) if row is not None and resumed else 0
        with frame_tokens(self.store.home, self.video_id, self._frames.producer) as repository:
            if len(repository) < sum(frame.k < next_k for frame in self.store.frames(self.video_id)):
                next_k = 0  # the token file is lost: begin again
        if not next_k:
            forget_files(self.store.home, self.video_id)
        reader = Reader(self.store, self.video_id, self.settings.home, self.opened.duration_s or self.duration_s)
        reader.restore(row.detail.get("rule", "") if row is not None and next_k else "")
        if not next_k:
            self.store.clear_gaps(self.video_id, "frames")
        self._begin("frames", self._frames.producer)
        work = FramePass(
            self.store,
            self.video_id,
            self.opened,
            self._frames,
            redundancy_encoder(self.models),
            self.settings.fps,
            self.settings.worker_threads,
            self.duration_s,
        )
        reads = "screen_text" in self.job.channels and not self._finished("screen_text")

        def on_picture(time_s: float, picture: Picture) -> None:
            if reads:
                reader.show(time_s, picture)
            self.control.check()

        def on_window(k: int, time_s: float, rule: str) -> None:
            share = min(1.0, time_s / max(self.duration_s, 1e-9))
            detail = {"next_k": k, "rule": rule, "done": round(share, 3)}
            self.store.set_channel(self.video_id, "frames", done_to_s=time_s, detail=detail)
            self.control.tell(0.08 + 0.37 * share, f"looking at pictures: {time_s:.0f} of {self.duration_s:.0f} s")

        def on_damage(damage: Damage) -> None:
            self.store.add_gap(self.video_id, "frames", damage.start_s, damage.end_s, damage.why)

        work.run(next_k, on_picture, on_window, on_damage, reader.saved)
        reader.close()
        rows = self.store.frames(self.video_id)
        if not rows:
            raise EngineError("no picture could be decoded. The file is damaged, or its codec is not supported.")
        self._end("frames", entries=sum(row.kept for row in rows), detail={"pictures": len(rows)})

    def _screen_text(self) -> None:
        if self.opened.video is None:
            self.store.set_channel(self.video_id, "screen_text", state="absent")
            return
        engine = ocr(self.models)
        self._begin("screen_text", engine.producer)
        self.store.clear_gaps(self.video_id, "screen_text")
        reader = Reader(self.store, self.video_id, self.settings.home, self.duration_s)
        left_out = reader.choose(self.settings.ocr_per_hour)
        encoder = self._encoder()
        total = max(1, reader.chosen)

        def on_read(done: int, to_s: float, fresh: bool) -> None:
            detail = {"done": round(done / total, 3)}
            if fresh:
                text.index_entries(self.store, self.video_id, encoder, lambda _: None)
                text.write_chunks(self.store, self.video_id, "screen_text", encoder.producer, self.duration_s, to_s)
            self.store.set_channel(self.video_id, "screen_text", done_to_s=to_s, detail=detail)
            self.control.tell(0.45 + 0.49 * done / total, f"reading on-screen text: {done} of {total} pictures")

        written = reader.read(engine, on_read)
        self._index("screen_text", 0.94, 0.96)
        for gap in merged(left_out, 0.01):
            self.store.add_gap(self.video_id, "screen_text", gap.start_s, gap.end_s, "over the limit of OCR calls")
        told: dict[str, object] = {"pictures": reader.chosen, "half_size": reader.half_size, "left_out": len(left_out)}
        self._end("screen_text", entries=written, detail=told)
        reader.clear()

    def _speech(self) -> None:
        if not self.opened.audio:
            self.store.set_channel(self.video_id, "speech", state="absent", detail={"why": "no audio"})
            return
        engine = speech(self.models)
        row = self.store.channel(self.video_id, "speech")
        resumed = row is not None and row.state == "running" and row.producer == engine.producer
        start_s = row.done_to_s if row is not None and resumed else 0.0
        if not start_s:
            self.store.clear_gaps(self.video_id, "speech")
            self.store.delete_entries(self.video_id, "speech")
            SqliteMemory(self.store).delete(self.video_id, read="speech")
        self._begin("speech", engine.producer)
        encoder = self._encoder()
        waiting: list[EntryIn] = []
        languages: Counter[str] = Counter()

        def settle(to_s: float) -> None:
            """All that is heard so far becomes findable, and the ingest would go on from here."""
            self.store.add_entries(self.video_id, "speech", engine.producer, waiting)
            waiting.clear()
            text.index_entries(self.store, self.video_id, encoder, lambda _: None)
            text.write_chunks(self.store, self.video_id, "speech", encoder.producer, self.duration_s, to_s)
            share = min(1.0, to_s / max(self.duration_s, 1e-9))
            self.store.set_channel(self.video_id, "speech", done_to_s=to_s, detail={"done": round(share, 3)})
            self.control.tell(0.94 + 0.02 * share, f"listening: {to_s:.0f} of {self.duration_s:.0f} s")

        def on_damage(damage: Damage) -> None:
            self.store.add_gap(self.video_id, "speech", damage.start_s, damage.end_s, damage.why)

        blocks = ((block.start_s, block.samples) for block in audio(self.opened, start_s, on_damage=on_damage))
        for segment in engine.transcribe(blocks, settle):
            self.control.check()
            languages[segment.language] += 1
            if segment.text and segment.start_s < self.duration_s:
                told = {
                    "language": segment.language,
                    "language_confidence": round(segment.language_confidence, 2),
                    "no_speech": round(segment.no_speech, 2),
                    "confidence": round(segment.confidence, 2),
                }
                end_s = min(segment.end_s, self.duration_s)
                waiting.append(EntryIn(segment.start_s, max(segment.start_s, end_s), segment.text, told))
        settle(self.duration_s)
        count = len(self.store.entries(self.video_id, channels=("speech",)))
        language = languages.most_common(1)[0][0] if languages else None
        self._end("speech", entries=count, language=language)

    def _captions(self) -> None:
        if self.opened.video is None:
            self.store.set_channel(self.video_id, "captions", state="absent", detail={"why": "no picture"})
            return
        if not self.store.frames(self.video_id):
            remedy = f"agent-tools reindex {self.video_id} --channel frames"
            raise EngineError(f"there are no frames to caption. Make them first: {remedy}")
        self.control.tell(0.0, "loading the video LLM")
        model = video_llm(self.models)
        work = CaptionPass(self.store, self.video_id, model, receiver(self.profile), self.duration_s)
        encoder = self._encoder()

        def on_caption(done: int, of: int, to_s: float, settle: bool) -> None:
            if settle:
                text.index_entries(self.store, self.video_id, encoder, lambda _: None)
                text.write_chunks(self.store, self.video_id, "captions", encoder.producer, self.duration_s, to_s)
            self.control.tell(done / of, f"captioning: {done} of {of} spans")

        self._episodes(final=False)
        scenes = [Span(one.start_s, one.end_s) for one in self.store.episodes(self.video_id, "scene")]
        told = work.run(scenes, on_caption)
        self._end("captions", entries=len(self.store.entries(self.video_id, channels=("captions",))), detail=told)

    # -- steps they share

    def _encoder(self) -> TextEncoder:
        if self._text is None:
            self.control.tell(0.0, "loading the sentence encoder")
            self._text = text_encoder(self.models)
        return self._text

    def _index(self, channel: str, start: float, end: float) -> None:
        """Vectors for the channel's entries, chunk tokens as each chunk becomes whole, progress from start to end."""
        encoder = self._encoder()
        entries: list[Entry] = self.store.entries(self.video_id, channels=(channel,))

        def on_batch(written: int) -> None:
            share = min(1.0, written / max(1, len(entries)))
            reached = entries[min(len(entries), written) - 1].start_s if entries else self.duration_s
            self.store.set_channel(self.video_id, channel, done_to_s=reached, detail={"done": round(share, 3)})
            self.control.tell(start + (end - start) * share, f"indexing {channel}: {written} of {len(entries)} entries")

        text.index_entries(self.store, self.video_id, encoder, on_batch)
        text.write_chunks(self.store, self.video_id, channel, encoder.producer, self.duration_s, self.duration_s)

    def _begin(self, channel: str, producer: str) -> None:
        self.store.set_channel(self.video_id, channel, state="running", producer=producer, error=None)

    def _end(
        self, channel: str, *, entries: int, language: str | None = None, detail: dict[str, object] | None = None
    ) -> None:
        self.store.set_channel(
            self.video_id,
            channel,
            state="done",
            done_to_s=self.duration_s,
            entries=entries,
            language=language,
            detail={"done": 1.0, **(detail or {})},
        )

    def _finished(self, channel: str) -> bool:
        row = self.store.channel(self.video_id, channel)
        return row is not None and row.state in ("done", "absent") and not row.detail.get("no_model")

    def _name_missing(self) -> None:
        """State each channel that this profile cannot make, and why."""
        for name, why in NO_MODEL.items():
            if not self._finished(name) and self.profile.model("speech" if name == "speech" else "captions") is None:
                told = (
                    "no audio" if name == "speech" and not self.opened.audio else f"not {why.format(self.profile.name)}"
                )
                detail = {"why": told, "no_model": told != "no audio"}
                self.store.set_channel(self.video_id, name, state="absent", detail=detail)

    def _episodes(self, *, final: bool) -> None:
        encoder = self._encoder()
        pieces = text.pieces(self.store, self.video_id, encoder.producer)
        producer = (self._frames or frame_encoder(self.models)).producer
        vectors = PictureRows(self.store, self.video_id, producer)
        times_s = vectors.times_s
        spans = {"chunk": episodes.chunks(self.duration_s)}
        if times_s:
            spans["scene"] = episodes.scenes(times_s, vectors, self.duration_s, pieces)
        else:
            cuts = episodes.silence_ends(pieces)
            spans["scene"] = episodes.spans_between(cuts, self.duration_s, episodes.MIN_SCENE_S)
        named = [(Span(c.start_s, c.end_s), c.title) for c in self.opened.chapters if c.end_s > c.start_s]
        spans["chapter"] = [span for span, _ in named] or episodes.chapters(self.duration_s, pieces, spans["scene"])
        for level, level_spans in spans.items():
            found = titles(level_spans, pieces)
            if level == "chapter" and named:
                found = [
                    (clean(name, 80), "container") if name else own for (_, name), own in zip(named, found, strict=True)
                ]
            self.store.replace_episodes(
                self.video_id,
                level,
                [
                    Episode(
                        0,
                        self.video_id,
                        level,
                        span.start_s,
                        span.end_s,
                        title,
                        source,
                        episodes.keyframe(span, times_s, vectors) if times_s else None,
                    )
                    for span, (title, source) in zip(level_spans, found, strict=True)
                ],
            )
            if final and level != "chunk":
                SqliteMemory(self.store).delete(self.video_id, kind=level)
                text.write_level(self.store, self.video_id, level, encoder.producer, level_spans)
