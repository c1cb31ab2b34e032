"""The speech channel: what is said, by the profile's speech model, findable block by block."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from agent_tools.errors import ModelMissing
from agent_tools.ingestion.channels.base import ChannelMaker, OpenEnd
from agent_tools.ingestion.speakers import label_voices
from agent_tools.ingestion.spoken_subtitles import stand_for_speech
from agent_tools.media import Damage, audio
from agent_tools.models.profiles import speech, voices
from agent_tools.models.speech import ENGLISH_ONLY, Segment, Unheard
from agent_tools.models.speech import Speech as SpeechModel
from agent_tools.store import ChannelDetail, EntryIn, speakers, timed_words
from agent_tools.timeline import Span

OPEN_S = 1.0  # of a growing recording: a stretch of sound that ends so near its end may go on
BEGINS_AT = 0.3  # of a job's time: an hour of talk costs more than its pictures and their text
STANDS_IN = ChannelDetail(
    why='not transcribed: subtitles in the language of the audio cover the file; ask with channels=["speech"]',
    stands_in="subtitles",
)


class Speech(ChannelMaker):
    """One entry per segment that the model hears. A run resumes at the last block that was whole."""

    name = "speech"
    follows_growth = True

    @property
    def begins_at(self) -> float | None:
        return BEGINS_AT if self.file.audio and not self._stands_in() else None

    @property
    def _from_hub(self) -> bool:
        model = self.context.models.profile.model("speech")
        return model is not None and model.from_hub

    def _stands_in(self) -> bool:
        """Whether subtitles have what is said, and no job was asked for speech besides."""
        row, video = self.context.row(self.name), self.context.base.video(self.video_id)
        begun = row is not None and row.state in ("running", "failed")
        if self.context.asked or begun or video is None:
            return False
        return stand_for_speech(self.context.base, video, Span(0.0, self.duration_s))

    def run(self) -> None:
        if not self.file.audio:
            self.end_absent("no audio")
            return
        if self._stands_in():
            self.store.set_channel(self.video_id, self.name, state="absent", detail=STANDS_IN)
            return
        self.control.tell(0.0, "loading the speech model")
        try:
            engine = speech(self.context.models.settings)
        except ModelMissing as error:
            if self.context.asked or self._from_hub:
                raise
            detail = ChannelDetail(why=f"not transcribed: {error}", no_model=True)
            self.store.set_channel(self.video_id, self.name, state="absent", detail=detail)
            return
        row = self.context.row(self.name)
        resumed = row is not None and row.state == "running" and row.producer == engine.producer
        start_s = row.done_to_s if row is not None and resumed else 0.0
        if not start_s:
            self.store.clear_gaps(self.video_id, self.name)
            self.forget()
        self.begin(engine.producer)
        self.context.models.text()
        if not start_s and self._take_words(engine.producer):
            self.index(self.duration_s)
        else:
            try:
                self._hear(engine, start_s)
            except OpenEnd:
                return
        self._end(self._voices(), english_only=engine.languages == ENGLISH_ONLY)

    def _hear(self, engine: SpeechModel, start_s: float) -> None:
        """Write down what is said from start_s on. Raises: OpenEnd: a growing recording goes on behind it."""
        waiting: list[EntryIn] = []
        unheard: list[Unheard] = []

        def settle(to_s: float) -> None:
            """All that is heard so far becomes findable, and an interrupted ingest resumes from here.

            Raises: OpenEnd: this is the end of what a growing recording holds; somebody may be in mid-sentence."""
            if self.context.growing and to_s > self.duration_s - OPEN_S:
                raise OpenEnd
            for gap in unheard:
                self.store.add_gap(self.video_id, self.name, gap.start_s, min(gap.end_s, self.duration_s), gap.why)
            unheard.clear()
            self.store.add_entries(self.video_id, self.name, engine.producer, waiting)
            waiting.clear()
            self.index(to_s)
            share = self.share(to_s)
            self.store.set_channel(self.video_id, self.name, done_to_s=to_s, detail=ChannelDetail(done=round(share, 3)))
            self.control.tell(share, f"listening: {to_s:.0f} of {self.duration_s:.0f} s")

        def on_damage(damage: Damage) -> None:
            self.store.add_gap(self.video_id, self.name, damage.start_s, damage.end_s, damage.why)

        def on_gap(gap: Unheard) -> None:
            if gap.start_s < self.duration_s:
                unheard.append(gap)

        blocks = ((block.start_s, block.samples) for block in audio(self.file, start_s, on_damage=on_damage))
        for segment in engine.transcribe(blocks, settle, on_gap):
            self.control.check()
            if segment.text and segment.start_s < self.duration_s:
                end_s = min(segment.end_s, self.duration_s)
                waiting.append(EntryIn(segment.start_s, max(segment.start_s, end_s), segment.text, _extra(segment)))
        settle(self.duration_s)

    def forget(self) -> None:
        super().forget()
        speakers.drop_voices(self.store, self.video_id)

    def _take_words(self, producer: str) -> bool:
        """Take over what the same model heard before, if this job is to tell its voices apart for the first time."""
        base, before = self.context.base, self.context.base.channel(self.video_id, self.name)
        wanted = self.context.models.profile.model("speakers")
        if not self.context.beside or before is None or wanted is None:
            return False
        if before.state != "done" or before.producer != producer or before.detail.speakers:
            return False
        heard = base.entries(self.video_id, channels=(self.name,))
        self.store.add_entries(
            self.video_id, self.name, producer, [EntryIn(e.start_s, e.end_s, e.text, e.extra) for e in heard]
        )
        for gap in base.gaps(self.video_id):
            if gap.channel == self.name:
                self.store.add_gap(self.video_id, self.name, gap.start_s, gap.end_s, gap.why)
        return True

    def _voices(self) -> ChannelDetail:
        """Tell the voices apart if a model for it is named; the row's detail says who did it, or why nobody could."""
        try:
            encoder = voices(self.context.models.settings)
        except ModelMissing as error:
            return ChannelDetail(no_speakers=f"speakers are not distinguished: {error}")
        if encoder is None:
            return ChannelDetail()

        def on_progress(to_s: float) -> None:
            self.control.tell(self.share(to_s), f"telling speakers apart: {to_s:.0f} of {self.duration_s:.0f} s")

        blocks = ((block.start_s, block.samples) for block in audio(self.file))
        label_voices(self.store, self.context.base, self.video_id, encoder, blocks, on_progress)
        return ChannelDetail(speakers=encoder.producer)

    def _end(self, detail: ChannelDetail, *, english_only: bool) -> None:
        entries = self.entries()
        languages = Counter(str(entry.extra.get("language") or "") for entry in entries)
        language = languages.most_common(1)[0][0] or None if languages and not english_only else None
        self.end(entries=len(entries), language=language, detail=replace(detail, english_only=english_only))


def _extra(segment: Segment) -> dict[str, Any]:
    """What an entry keeps besides its text: its doubts, and its words as [start_s, end_s, word]."""
    extra: dict[str, Any] = {
        "language": segment.language,
        "language_confidence": round(segment.language_confidence, 2),
        "no_speech": round(segment.no_speech, 2),
        "confidence": round(segment.confidence, 2),
    }
    if segment.unsure:
        extra["doubtful"] = True
    if segment.language_unsure:
        extra["language_unsure"] = True
    if segment.repeats > 1:
        extra["repeats"] = segment.repeats
    if segment.words:
        extra[timed_words.WORDS] = [[round(word.start_s, 2), round(word.end_s, 2), word.text] for word in segment.words]
    return extra
