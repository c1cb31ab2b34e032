"""Speech to text by a Whisper model, from a stream of sound, with signs that tell invented speech from real speech.

The parts: whisper.stretches finds where somebody speaks, whisper.decoder hears one window, whisper.entries cuts its
words into entries. This module chooses the language of each window and decides what is kept.

Guards against speech that nobody spoke (Whisper writes it over silence, noise and music):
 1  Only sound that voice activity detection (Silero) holds for speech is heard at all.
 2  Windows are heard one by one, without the text of the ones before, so a loop cannot feed itself.
 3  The tokens of a window are bounded by its length (16, and 8 a second).
 4  A window is dropped if the model thinks that nobody speaks in it (over .6) and its words are doubtful (under .6),
    or if it has no words. Repeats that are faster than any voice are dropped, with the words after them.
 5  Everything that is dropped becomes an Unheard span with its reason. Nothing vanishes.
 6  What is kept carries its confidence. It is unsure below .5, where the model thinks that nobody speaks, where its
    language is a guess that no clear window before confirms, and where it stutters letters ("e, e, e, e").
    Measured: confidence .52 and above on real speech, .29 to .52 on inventions. Clear but synthetic voices had a
    no-speech probability of .7 with a confidence of .8: so the first alone drops nothing.

What a window leaves open is heard again:
 *  Where the model stops long before the voice does, or falls into a loop, the rest is heard as a window of its own.
 *  A window that is not clear is heard part by part, as its pauses part it, and the surer reading is kept. Two
    languages with a short pause between them are one window, and Whisper reads a window in one language. Behind a
    window of several languages the next one is heard part by part at once; so is a long first one whose parts are in
    several languages, because reading it whole would cost as much as its parts.

The language is chosen again for each window: the likeliest one if its probability is at least .5 (.8 in a window under
2 s), else the language of the window before where the model holds it for possible. A language that is new to the
recording needs .8 where one that was surely heard before is nearly as likely (Russian is taken for Ukrainian).
A window under 2 s that alone is in its language is doubtful: "Seven" was written down as Vietnamese."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent_tools.errors import EngineError
from agent_tools.models.devices import Device, choose, out_of_memory, too_little_memory
from agent_tools.models.hub.folders import Found
from agent_tools.models.whisper.decoder import Decoder, Encoded, SpokenWord, Window
from agent_tools.models.whisper.engine import loaded
from agent_tools.models.whisper.entries import Run, runs
from agent_tools.models.whisper.stretches import RATE, parts, spoken, stretches
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

__all__ = ["ENGLISH_ONLY", "RATE", "Heard", "Segment", "Speech", "Unheard", "Word"]

# Names the rules by which this module, stretches, decoder and entries make entries of sound, for the producer. Another
# name where the same sound may give other words; what an older one made stays and is found, until a reindex.
DECODING = "windows-parts-probed-beam5"
ENGLISH_ONLY = "English only"
NO_SPEECH = 0.6
DOUBTFUL = 0.6  # confidence under which a window that seems to hold no speech is dropped
SURE = 0.5  # confidence of an entry, and probability of a language
SHORT_S, SURE_WHEN_SHORT = 2.0, 0.8  # a short window may change the language only if the model is this sure
SURE_WHEN_NEW, RIVAL = 0.8, 0.6  # a new language under the first gives way to one heard before with this share of it
POSSIBLE = 0.1  # probability at which an unsure window keeps the language of the window before
LOST_S = 1.0  # sound behind a loop that is shorter than this holds no words worth a gap
SILENT_S = 3.0  # a voice that goes on so long behind the last word was not written down
CLEAR = 0.75  # confidence under which a window is heard again, part by part; few windows of one language have less
PROBED_S, PROBES = 15.0, 3  # a first window longer than this is asked for the languages of its longest parts
SURER = 0.05  # confidence that the parts must have above the whole


@dataclass(frozen=True)
class Word:
    start_s: float
    end_s: float
    text: str
    probability: float
    glued: bool = False  # no space before it: scripts that write without spaces


@dataclass(frozen=True)
class Segment:
    """One entry, as heard. All probabilities lie in 0..1."""

    start_s: float
    end_s: float
    text: str  # cleaned; "TEXT (×9)" where TEXT is said nine times in a row
    no_speech: float  # the model's probability that nobody speaks here
    language: str  # ISO code as Whisper names it
    language_confidence: float  # 0 where the model cannot tell languages apart, 1 where the caller named it
    confidence: float  # exp of the mean log probability of its tokens
    words: tuple[Word, ...] = ()  # of the first time, where it is repeated
    repeats: int = 1
    guessed: bool = False  # its language is a guess that nothing before confirms, or it stutters letters

    @property
    def unsure(self) -> bool:
        """Shown and found, but never alone a reason to call something present."""
        return self.guessed or self.confidence < SURE or self.no_speech > NO_SPEECH

    @property
    def language_unsure(self) -> bool:
        return self.language_confidence < SURE


@dataclass(frozen=True)
class Unheard:
    """A span with a voice, or something like it, whose words are not known."""

    start_s: float
    end_s: float
    why: str  # the rest of a sentence about it: "probably no speech (0.83)"


@dataclass
class Heard:
    """What one transcription heard and dropped; grows while it runs."""

    speech_s: float = 0.0  # that voice activity detection let through
    sound_s: float = 0.0
    gaps: list[Unheard] = field(default_factory=list)


@dataclass(frozen=True)
class _Reading:
    """What was heard in one window, or in its parts."""

    segments: list[Segment]
    gaps: list[Unheard]
    running: str | None  # the language that the next window is likely in
    confidence: float  # of what was heard; 0 where nothing was kept
    seconds: float

    @property
    def languages(self) -> set[str]:
        """Those that something in it is surely in."""
        return {one.language for one in self.segments if not one.unsure and not one.language_unsure}


class Speech:
    """Loads on construction (a second or more). Not safe for two threads at once."""

    def __init__(
        self,
        found: Found,
        *,
        device: Device | None = None,
        threads: int = 1,
        language: str | None = None,
        remembered: Path | None = None,
        files: Mapping[str, bytes] | None = None,
        max_no_speech: float = NO_SPEECH,
    ) -> None:
        """
        Args:
            found: a folder with CTranslate2's model.bin, config.json and tokenizer.json.
            device: cuda where CTranslate2 can use it, else the processor: it knows no mps.
            language: Whisper's code, where it is known; None lets the sound decide.
            files: the model's files by name, in the place of the folder's (a disk that cannot be written).
            max_no_speech: a window with a greater probability of holding no speech is dropped, where the model is not
                confident of its words.
        Raises: ModelMissing: faster-whisper is not installed, or a file is missing or broken. EngineError: too little
            memory.
        """
        self._max_no_speech = max_no_speech
        self._decoder = Decoder(loaded(found, device or choose(), threads, files))
        self._fixed = language
        self.producer = found.producer(f"{DECODING}{'-' + language if language else ''}", remembered)
        self.heard = Heard()
        self._known: set[str] = set()  # languages that some window before was surely in
        self._mixed = False  # whether the window before held several languages
        self._probed: dict[tuple[float, int], Encoded] = {}  # parts of the window by start and length, asked once

    @property
    def languages(self) -> str:
        """What it understands, for people: ENGLISH_ONLY or "many"."""
        return ENGLISH_ONLY if self._decoder.english_only else "many"

    def transcribe(
        self,
        blocks: Iterable[tuple[float, Samples]],
        on_progress: Callable[[float], None] | None = None,
        on_gap: Callable[[Unheard], None] | None = None,
    ) -> Iterator[Segment]:
        """Segments in time order, as the blocks come in.

        Args:
            blocks: (start_s, samples (n,) float32 at 16 kHz mono), in time order. At most a minute and one block are
                held at a time. A gap between two blocks is silence, and ends a window.
            on_progress: called with the time up to which all is heard; it may raise to stop.
            on_gap: called with what was dropped, before the on_progress that covers it. `heard.gaps` holds them all.
        Raises: ShapeError: samples of another shape or type. EngineError: too little memory.
        """
        self.heard, self._known, self._mixed = Heard(), set(), False
        running: str | None = None
        for stretch in stretches(blocks, self._speech):
            for begin, end in stretch.speech:
                self.heard.speech_s += (end - begin) / RATE
                start_s = stretch.start_s + begin / RATE
                reading = self._hear(stretch.samples[begin:end], start_s, running)
                running = reading.running
                yield from reading.segments
                self.heard.gaps += reading.gaps
                if on_gap is not None:
                    for gap in reading.gaps:
                        on_gap(gap)
            self.heard.sound_s += stretch.heard_to / RATE
            if on_progress is not None:
                on_progress(stretch.start_s + stretch.heard_to / RATE)

    def _speech(self, samples: Samples) -> list[tuple[int, int]]:
        return spoken(samples)

    def _parts(self, samples: Samples) -> list[tuple[int, int]]:
        return parts(samples)

    def _hear(self, samples: Samples, start_s: float, running: str | None) -> _Reading:
        """One window; one that is not clear, or that follows a change of languages, part by part if that is surer."""
        self._probed.clear()
        long = not self._known and len(samples) > PROBED_S * RATE
        cuts = self._parts(samples) if self._mixed or long else []
        if len(cuts) > 1 and (self._mixed or self._several_languages(samples, cuts, start_s)):
            # first the parts: the whole would most likely be read in vain
            apart = self._read_apart(samples, cuts, start_s, running)
            self._mixed = len(apart.languages) > 1
            if self._mixed or apart.confidence >= CLEAR:
                return apart
            whole = self._read(samples, start_s, running)
            return apart if apart.confidence >= whole.confidence + SURER else whole
        whole, heard = self._heard_once(samples, start_s, running)
        share = heard / len(samples)  # the model stops early where another language begins
        if whole.confidence * share >= CLEAR or len(cuts := cuts or self._parts(samples)) == 1:
            return self._with_rest(whole, heard, samples, start_s)
        apart = self._read_apart(samples, cuts, start_s, running)
        if apart.confidence < whole.confidence * share + SURER:
            return self._with_rest(whole, heard, samples, start_s)
        self._mixed = len(apart.languages) > 1
        return apart

    def _several_languages(self, samples: Samples, cuts: Sequence[tuple[int, int]], start_s: float) -> bool:
        """Whether the longest parts of a window are surely in different languages."""
        if self._fixed or self._decoder.english_only:
            return False
        surely = set()
        for begin, end in sorted(cuts, key=lambda cut: cut[0] - cut[1])[:PROBES]:
            part_s = start_s + begin / RATE
            encoded = self._probed[part_s, end - begin] = self._encoded(samples[begin:end], part_s)
            language, share = encoded.languages[0]
            if share >= SURE_WHEN_NEW:
                surely.add(language)
        return len(surely) > 1

    def _read_apart(
        self, samples: Samples, cuts: Sequence[tuple[int, int]], start_s: float, running: str | None
    ) -> _Reading:
        readings: list[_Reading] = []
        for begin, end in cuts:
            readings.append(self._read(samples[begin:end], start_s + begin / RATE, running))
            running = readings[-1].running
        return _together(readings)

    def _read(self, samples: Samples, start_s: float, running: str | None) -> _Reading:
        """One window, and what the model left out at its end as a window of its own."""
        reading, heard = self._heard_once(samples, start_s, running)
        return self._with_rest(reading, heard, samples, start_s)

    def _with_rest(self, reading: _Reading, heard: int, samples: Samples, start_s: float) -> _Reading:
        """A reading that ends at sample `heard`, and what is behind it."""
        if heard < LOST_S * RATE or heard == len(samples):
            return reading
        rest = self._read(samples[heard:], start_s + heard / RATE, reading.running)
        return _together([replace(reading, gaps=[]), rest]) if rest.segments else reading

    def _heard_once(self, samples: Samples, start_s: float, running: str | None) -> tuple[_Reading, int]:
        """One window by one run of the model, and up to which sample it was written down."""
        encoded = self._probed.pop((start_s, len(samples)), None) or self._encoded(samples, start_s)
        language, share = self._language(encoded, running)
        with self._failing(start_s):
            window = self._decoder.decode(encoded, language)
        seconds = len(samples) / RATE
        if window.no_speech > self._max_no_speech and window.confidence < DOUBTFUL:
            nothing = [Unheard(start_s, start_s + seconds, f"probably no speech ({window.no_speech:.2f})")]
            return _Reading([], nothing, running, 0.0, seconds), len(samples)
        entries, loop_s = runs(window.words)
        noise = window.confidence < SURE or window.no_speech > NO_SPEECH or any(entry.stutters for entry in entries)
        if share >= SURE and seconds >= SHORT_S and not noise:
            self._known.add(language)
        changes = seconds < SHORT_S and running not in (None, language)
        guessed = (share < SURE or changes) and language not in self._known and not self._decoder.english_only
        segments = [
            replace(_segment(entry, window, language, share, start_s, seconds), guessed=guessed or entry.stutters)
            for entry in entries
        ]
        segments = [one for one in segments if one.text]
        gaps = _gaps(segments, window, loop_s, start_s, seconds)
        heard = round((gaps[0].start_s - start_s) * RATE) if gaps else len(samples)
        return _Reading(segments, gaps, language, window.confidence if segments else 0.0, seconds), heard

    def _encoded(self, samples: Samples, start_s: float) -> Encoded:
        with self._failing(start_s):
            return self._decoder.encode(samples, ask_language=self._fixed is None)

    @contextmanager
    def _failing(self, start_s: float) -> Iterator[None]:
        """What CTranslate2 raises, as an EngineError with the time."""
        try:
            yield
        except RuntimeError as error:
            if out_of_memory(error):
                raise too_little_memory(self.producer) from error
            raise EngineError(f"{self.producer} failed at {start_s:.1f} s: {error}") from error

    def _language(self, encoded: Encoded, running: str | None) -> tuple[str, float]:
        """The language of a window and its probability."""
        if self._fixed:
            return self._fixed, 1.0
        if not encoded.languages:
            return "en", 0.0  # an English-only model: it writes English whatever is said
        likeliest, share = encoded.languages[0]
        there = [(found, language) for language, found in encoded.languages if language in self._known]
        if likeliest not in self._known and share < SURE_WHEN_NEW and there and max(there)[0] >= RIVAL * share:
            found, language = max(there)
            return language, found
        if share >= (SURE if encoded.seconds >= SHORT_S else SURE_WHEN_SHORT):
            return likeliest, share
        before = dict(encoded.languages).get(running, 0.0) if running else 0.0
        return (str(running), before) if before >= POSSIBLE else (likeliest, share)


def _together(readings: Sequence[_Reading]) -> _Reading:
    """Readings that follow each other as one; its confidence is theirs, by their length."""
    seconds = sum(one.seconds for one in readings)
    return _Reading(
        [segment for one in readings for segment in one.segments],
        [gap for one in readings for gap in one.gaps],
        readings[-1].running,
        sum(one.confidence * one.seconds for one in readings) / seconds,
        seconds,
    )


def _segment(entry: Run, window: Window, language: str, share: float, start_s: float, seconds: float) -> Segment:
    """An entry of a window at its time in the video; never empty, never past the window's end."""
    begin, end = (min(seconds, max(0.0, at_s)) for at_s in (entry.start_s, entry.end_s))
    return Segment(
        start_s=start_s + begin,
        end_s=start_s + max(end, begin + 0.01),
        text=clean(entry.text).strip(),
        no_speech=window.no_speech,
        language=language,
        language_confidence=share,
        confidence=window.confidence,
        words=tuple(_word(word, start_s, seconds) for word in entry.words),
        repeats=entry.repeats,
    )


def _word(word: SpokenWord, start_s: float, seconds: float) -> Word:
    begin, end = (start_s + min(seconds, at_s) for at_s in (word.start_s, word.end_s))
    return Word(begin, end, clean(word.text).strip(), word.probability, glued=not word.text.startswith(" "))


def _gaps(
    segments: list[Segment], window: Window, loop_s: float | None, start_s: float, seconds: float
) -> list[Unheard]:
    """The part of a window that was dropped, if any."""
    if not segments:
        return [Unheard(start_s, start_s + seconds, "a sound like speech, without words")]
    lost_s = segments[-1].end_s
    rest_s = start_s + seconds - lost_s
    if (loop_s is not None or window.full) and rest_s >= LOST_S:
        return [Unheard(lost_s, start_s + seconds, "the speech model repeated itself")]
    if rest_s >= SILENT_S:
        return [Unheard(lost_s, start_s + seconds, "the speech model stopped before the voice did")]
    return []
