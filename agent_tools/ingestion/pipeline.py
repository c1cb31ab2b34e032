"""One job: the channels of one video, each resumable on its own, then its episodes.

Knows what is done in which order and what survives an interruption. Knows nothing of clients."""

from __future__ import annotations

import logging
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from agent_tools.errors import EngineError
from agent_tools.ingestion import reindex, text_index
from agent_tools.ingestion.channels.captions import CaptionPass
from agent_tools.ingestion.control import give_back_memory
from agent_tools.ingestion.episode_writer import divide
from agent_tools.ingestion.job_file import changed, describe, source_of, stamp
from agent_tools.ingestion.seeing import Seeing
from agent_tools.media import Damage, audio, probe, read_subtitles
from agent_tools.models.hub.catalogue import receiver
from agent_tools.models.profiles import (
    speech,
    video_llm,
)
from agent_tools.store import EntryIn, SqliteMemory
from agent_tools.timeline import Span

log = logging.getLogger("agent_tools.worker")
CAPTIONS_FROM = 0.4  # of a job is behind it when its captions begin: each takes seconds, whatever else there is to do
NO_MODEL = {
    "speech": "transcribed: profile {} has no speech model",
    "captions": "captioned: profile {} has no video LLM",
}


class Ingest(Seeing):
    """The work of one claimed job. `run` returns None, or why the video is not whole."""

    def run(self) -> str | None:
        self.control.tell(0.0, "opening the file")
        path = source_of(self.store, self.video_id, self.job.settings.get("path", ""))
        as_it_was = stamp(path)
        self.opened = probe(path)
        self.duration_s = describe(self.store, self.video_id, self.opened)
        failures: list[str] = []
        anew = {name for name in self.job.settings.get("remake", ()) if self._holds(name)}
        wanted = {*self.job.channels, *(("frames",) if "captions" in self.job.channels else ())}
        todo = [name for name in self._steps() if name in wanted and (name in anew or not self._finished(name))]
        for name in todo:
            if todo[-1] == "captions" and len(todo) > 1:
                self.control.within(*((CAPTIONS_FROM, 0.96) if name == "captions" else (0.0, CAPTIONS_FROM)))
            give_back_memory()
            try:
                if name in anew:
                    self._remake(name, path, as_it_was)
                else:
                    self._steps()[name]()
                    if stamp(path) not in (as_it_was, None):
                        self._throw_away(name)
                        raise changed(path)
            except EngineError as error:
                log.error("video %s, channel %s: %s", self.video_id, name, error.described)
                if name not in anew:  # else the old one is as good as it was
                    self.store.set_channel(self.video_id, name, state="failed", error=error.described)
                failures.append(f"{name}: {error.described}")
        if "text" in self.job.settings.get("remake", ()):
            encoder = self._encoder()
            reindex.remake_vectors(self.store, self.video_id, encoder, self.duration_s, self._told_of_vectors)
        give_back_memory()
        self._name_missing()
        self.control.within(0.0, 1.0)
        self.control.tell(0.96, "dividing the video into episodes")
        self._name_vectors()
        self._episodes(final=True)
        if anew and not failures:
            reindex.clear(self.store, self.video_id)
        if self._finished("screen_text"):  # pictures that waited to be read, where a worker died between
            shutil.rmtree(self.store.home / "work" / self.video_id, ignore_errors=True)
        return "; ".join(failures) or None

    def _steps(self) -> dict[str, Callable[[], None]]:
        return {
            "subtitles": self._subtitles,
            "frames": self._pictures,
            "screen_text": self._screen_text,
            "speech": self._speech,
            "captions": self._captions,
        }

    def _throw_away(self, name: str) -> None:
        """A channel that was read from a file which changed meanwhile is nothing that this video holds."""
        self.store.delete_entries(self.video_id, name)
        SqliteMemory(self.store).delete(self.video_id, read=name)
        self.store.set_channel(
            self.video_id, name, state="failed", done_to_s=0.0, entries=0, detail={}, error="the file changed meanwhile"
        )

    # -- a channel made anew

    def _holds(self, name: str) -> bool:
        """Whether there is something of the channel to keep until it is made anew."""
        row = self.store.channel(self.video_id, name)
        return row is not None and row.state == "done"

    def _remake(self, name: str, path: Path, as_it_was: object) -> None:
        if reindex.switched(self.store, self.video_id, name, self.job.id):
            return
        made_by = (self.job.profile, self.settings.models, self.settings.fps, self.settings.ocr_per_hour)
        with closing(reindex.staged(self.store, self.video_id, made_by)) as made:
            work = Ingest(made, self.job, replace(self.settings, home=made.home), self.control, self.base)
            work.opened, work.duration_s = self.opened, self.duration_s
            if not work._finished(name):
                work._steps()[name]()
            if stamp(path) not in (as_it_was, None):
                reindex.clear(self.store, self.video_id)
                raise changed(path)
            encoder = None
            if name != "frames":
                encoder = self._text = work._encoder()
            self.control.tell(0.95, f"putting the new {name} in place of the old")
            reindex.put_in_place(
                self.store, made, self.video_id, name, self.job.id, encoder, self.duration_s, self._told_of_vectors
            )
        if name == "frames":
            reindex.drop_old_tokens(self.store, self.video_id)

    def _told_of_vectors(self, written: int) -> None:
        self.control.tell(0.9, f"indexing what is there by the new sentence encoder: {written} entries")

    # -- channels

    def _subtitles(self) -> None:
        before = self.store.channel(self.video_id, "subtitles")
        if before is not None and before.state != "running":  # read again, because what lies beside the file changed
            self.store.delete_entries(self.video_id, "subtitles")
            SqliteMemory(self.store).delete(self.video_id, read="subtitles")
        self.store.clear_gaps(self.video_id, "subtitles")
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
            if track.read_to_s is not None and track.read_to_s < self.duration_s:
                why = f"too many cues: the first {len(track.cues)} were read"
                self.store.add_gap(self.video_id, "subtitles", track.read_to_s, self.duration_s, why)
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
        if self.base is self.store:
            self._episodes(final=False)

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
            text_index.index_entries(self.store, self.video_id, encoder, lambda _: None)
            text_index.write_chunks(self.store, self.video_id, "speech", encoder.producer, self.duration_s, to_s)
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
        if not self.base.frames(self.video_id):
            remedy = f"agent-tools reindex {self.video_id} --channel frames"
            raise EngineError(f"there are no frames to caption. Make them first: {remedy}")
        self.control.tell(0.0, "loading the video LLM")
        model = video_llm(self.models)
        work = CaptionPass(self.store, self.video_id, model, receiver(self.profile), self.duration_s, self.base)
        encoder = self._encoder()

        def on_caption(done: int, of: int, to_s: float, settle: bool) -> None:
            if settle:
                text_index.index_entries(self.store, self.video_id, encoder, lambda _: None)
                text_index.write_chunks(self.store, self.video_id, "captions", encoder.producer, self.duration_s, to_s)
            self.control.tell(done / of, f"captioning: {done} of {of} spans")

        if self.base is self.store:
            self._episodes(final=False)
        scenes = [Span(one.start_s, one.end_s) for one in self.base.episodes(self.video_id, "scene")]
        told = work.run(scenes, on_caption)
        self._end("captions", entries=len(self.store.entries(self.video_id, channels=("captions",))), detail=told)

    # -- steps they share

    def _name_vectors(self) -> None:
        """Say of each channel of texts that it has this job's vectors too: a new text gets those of every older one."""
        for row in self.store.channels(self.video_id) if self._text is not None else ():
            there = row.detail.get("vectors", [])
            of_texts = row.name in reindex.CHANNELS_OF_TEXT and row.state == "done"
            if self._text is not None and of_texts and self._text.producer not in there:
                detail = {**row.detail, "vectors": [*there, self._text.producer]}
                self.store.set_channel(self.video_id, row.name, detail=detail)

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
        divide(self.store, self.video_id, self.opened, self.duration_s, self._text_producer(), final=final)

    def _text_producer(self) -> str:
        """Whose text vectors the video has: this job's, else those that its channels name."""
        if self._text is None:
            for row in self.store.channels(self.video_id):
                if row.detail.get("vectors"):
                    return str(row.detail["vectors"][-1])
        return self._encoder().producer
