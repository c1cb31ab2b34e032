"""Speech to text by faster-whisper, from a stream of sound; with what tells invented speech from real.

Knows samples, times and one Whisper model in CTranslate2's format. Knows nothing of files with sound, stores or
downloads. The package faster-whisper is optional; without it the constructor says how to get it.

Guards against speech that nobody spoke (Whisper writes it over silence and music), all of them:
 1  Only stretches that voice activity detection (Silero, inside faster-whisper) holds for speech are heard at all.
 2  Stretches are heard one by one, without the text of the ones before: a loop cannot feed itself.
 3  A segment is dropped if it is probably no speech (over .6) and unsure (mean log probability under -1), if its text
    repeats itself (compression ratio over 2.4), or if no word of it could be placed in time.
 4  What is left carries its no-speech probability, the language's probability and its own confidence, to be shown.
Decoding is greedy by beam, at temperature 0: the same sound gives the same text."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_tools.errors import EngineError, ModelMissing, ShapeError
from agent_tools.models.devices import Device, choose, out_of_memory, too_little_memory
from agent_tools.models.hub.folders import Found
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

log = logging.getLogger("agent_tools")
REMEDY = "Install it with: pip install 'faster-whisper>=1.2,<2'"
RATE = 16_000
STRETCH_S = 60.0  # sound that is held while silences are looked for; all that is ever in memory
LONGEST_S = 28.0  # of one stretch of speech: Whisper's window is 30 s
PAUSE_S = 2.0  # that two pieces of speech may have between them and still be heard together
JOIN_S = 0.02  # blocks closer than this follow each other
NO_SPEECH = 0.6
UNSURE = -1.0
REPEATS = 2.4
SETTLED = 0.9  # probability at which one stretch decides the language of all
SETTLE_AFTER = 3  # stretches after which the likeliest language so far decides


@dataclass(frozen=True)
class Word:
    start_s: float
    end_s: float
    text: str
    probability: float


@dataclass(frozen=True)
class Segment:
    """One sentence or so, as heard. All probabilities lie in 0..1."""

    start_s: float
    end_s: float
    text: str  # cleaned
    no_speech: float  # the model's probability that nobody speaks here
    language: str  # ISO code as Whisper names it
    language_confidence: float
    confidence: float  # exp of the mean log probability of its tokens
    words: tuple[Word, ...] = ()


@dataclass
class Heard:
    """What one transcription dropped and decided; grows while it runs."""

    speech_s: float = 0.0  # that voice activity detection let through
    sound_s: float = 0.0
    dropped: dict[str, int] = field(default_factory=dict)  # why -> segments
    languages: dict[str, float] = field(default_factory=dict)  # language -> summed probability


@dataclass
class _Language:
    """Settles the language from the first stretches."""

    name: str | None = None
    confidence: float = 0.0
    votes: int = 0


class Speech:
    """Loads on construction (seconds). Not safe for two threads at once."""

    def __init__(
        self,
        found: Found,
        *,
        device: Device | None = None,
        threads: int = 1,
        language: str | None = None,
        remembered: Path | None = None,
    ) -> None:
        """
        Args:
            found: a folder with CTranslate2's model.bin, config.json, tokenizer.json and preprocessor_config.json.
            device: cuda where CTranslate2 can use it, else the processor: it knows no mps.
            language: Whisper's code, where it is known; None lets the sound decide.
        Raises: ModelMissing: faster-whisper is not installed, or a file is missing or broken. EngineError: too little
            memory.
        """
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise ModelMissing(f"The package faster-whisper is not installed. {REMEDY}") from error
        for name in ("model.bin", "tokenizer.json"):  # without a tokenizer the library would ask the hub
            if not (found.folder / name).is_file():
                raise ModelMissing(
                    f"{found.folder} holds no {name}: it is no Whisper model in CTranslate2's format. Name one such as "
                    "Systran/faster-whisper-small, or convert it with ct2-transformers-converter."
                )
        chosen = device or choose()
        kind, number = ("cuda", int(chosen.name.partition(":")[2] or 0)) if chosen.kind == "cuda" else ("cpu", 0)
        if kind == "cuda" and (why := _no_cuda()):
            log.warning("speech is transcribed on the processor: CTranslate2 cannot use CUDA here: %s", why)
            kind, number = "cpu", 0
        try:
            self._model: Any = WhisperModel(
                str(found.folder),
                device=kind,
                device_index=number,
                compute_type=_compute_type(kind),
                cpu_threads=threads,
                local_files_only=True,
            )
        except (RuntimeError, ValueError, OSError) as error:
            if out_of_memory(error):
                raise too_little_memory(found.name) from error
            raise ModelMissing(f"{found.folder} does not load as a Whisper model: {error} Get it again.") from error
        except Exception as error:  # tokenizers raises a bare Exception for any file it cannot read
            raise ModelMissing(f"{found.folder} does not hold a readable tokenizer: {error}") from error
        self._fixed = language
        self.producer = found.producer(f"vad-beam5{'-' + language if language else ''}", remembered)
        self.heard = Heard()

    def transcribe(
        self, blocks: Iterable[tuple[float, Samples]], on_progress: Callable[[float], None] | None = None
    ) -> Iterator[Segment]:
        """Segments in time order, as the blocks come in.

        Args:
            blocks: (start_s, samples (n,) float32 at 16 kHz mono), in time order. At most STRETCH_S and one block are
                held at a time. A gap between two blocks is silence, and ends a stretch.
            on_progress: called with the time up to which all is heard; it may raise to stop.
        Raises: ShapeError: samples of another shape or type. EngineError: too little memory.
        """
        self.heard = Heard()
        language = _Language(self._fixed, 1.0 if self._fixed else 0.0)
        for stretch in _stretches(blocks, self._speech):
            for begin, end in stretch.speech:
                self.heard.speech_s += (end - begin) / RATE
                yield from self._hear(stretch.samples[begin:end], stretch.start_s + begin / RATE, language)
            self.heard.sound_s += stretch.heard_to / RATE
            if on_progress is not None:
                on_progress(stretch.start_s + stretch.heard_to / RATE)

    def _speech(self, samples: Samples) -> list[tuple[int, int]]:
        """Speech [begin, end) in samples, each at most LONGEST_S long."""
        from faster_whisper.vad import VadOptions, get_speech_timestamps

        options = VadOptions(
            threshold=0.5, min_silence_duration_ms=500, speech_pad_ms=200, max_speech_duration_s=LONGEST_S
        )
        return _joined([(int(one["start"]), int(one["end"])) for one in get_speech_timestamps(samples, options)])

    def _hear(self, samples: Samples, start_s: float, language: _Language) -> Iterator[Segment]:
        try:
            self._settle(samples, language)
            found, info = self._model.transcribe(
                samples,
                language=language.name,
                beam_size=5,
                temperature=0.0,
                condition_on_previous_text=False,
                word_timestamps=True,
                vad_filter=False,
                no_speech_threshold=NO_SPEECH,
                log_prob_threshold=UNSURE,
                compression_ratio_threshold=REPEATS,
            )
            segments = list(found)
        except RuntimeError as error:
            if out_of_memory(error):
                raise too_little_memory(self.producer) from error
            raise EngineError(f"{self.producer} failed at {start_s:.1f} s: {error}") from error
        end_s = start_s + len(samples) / RATE
        for one in segments:
            why = _dropped(one)
            if why:
                self.heard.dropped[why] = self.heard.dropped.get(why, 0) + 1
                continue
            words = tuple(
                Word(
                    min(end_s, start_s + float(word.start)),
                    min(end_s, start_s + float(word.end)),
                    clean(word.word).strip(),
                    float(word.probability),
                )
                for word in one.words
            )
            yield Segment(
                start_s=words[0].start_s,
                end_s=max(words[-1].end_s, words[0].start_s + 0.01),  # never empty
                text=clean(one.text).strip(),
                no_speech=float(one.no_speech_prob),
                language=language.name or info.language,
                language_confidence=language.confidence or float(info.language_probability),
                confidence=min(1.0, math.exp(one.avg_logprob)),
                words=words,
            )

    def _settle(self, samples: Samples, language: _Language) -> None:
        """Ask for the language of this stretch until one is sure enough, or enough of them were asked."""
        if self._fixed or language.votes >= SETTLE_AFTER or language.confidence >= SETTLED:
            return
        if not self._model.model.is_multilingual:
            language.name, language.confidence = "en", 1.0
            return
        name, probability, every = self._model.detect_language(samples)
        for other, share in every or [(name, probability)]:
            self.heard.languages[other] = self.heard.languages.get(other, 0.0) + float(share)
        language.votes += 1
        best = max(self.heard.languages, key=lambda one: self.heard.languages[one])
        sure = float(probability) >= SETTLED
        language.name = name if sure else best
        language.confidence = float(probability) if sure else self.heard.languages[best] / language.votes


@dataclass(frozen=True)
class _Stretch:
    start_s: float
    samples: Samples
    speech: Sequence[tuple[int, int]]  # to be heard now
    heard_to: int  # samples; what lies behind comes again, with what follows


def _stretches(
    blocks: Iterable[tuple[float, Samples]], speech: Callable[[Samples], Sequence[tuple[int, int]]]
) -> Iterator[_Stretch]:
    """Sound in pieces of at most STRETCH_S, cut where nobody speaks if that can be."""
    held: list[Samples] = []
    start_s, count, most = 0.0, 0, round(STRETCH_S * RATE)
    for at_s, samples in blocks:
        if samples.ndim != 1 or samples.dtype != np.float32:
            raise ShapeError(f"Sound is (n,) float32, not {samples.shape} {samples.dtype}.")
        if count and abs(at_s - (start_s + count / RATE)) > JOIN_S:
            whole = np.concatenate(held)
            yield _Stretch(start_s, whole, speech(whole), len(whole))
            held, count = [], 0
        if not count:
            start_s = at_s
        held.append(samples)
        count += len(samples)
        while count >= most:
            whole = np.concatenate(held)
            stretch = whole[:most]
            spans = speech(stretch)
            heard_to = _safe_end(spans, most)
            yield _Stretch(start_s, stretch, [span for span in spans if span[0] < heard_to], heard_to)
            start_s += heard_to / RATE
            held, count = [whole[heard_to:]], len(whole) - heard_to
    if count:
        whole = np.concatenate(held)
        yield _Stretch(start_s, whole, speech(whole), count)


def _safe_end(spans: Sequence[tuple[int, int]], size: int) -> int:
    """Up to where a stretch is heard now: the begin of speech that touches its end, unless that is most of it."""
    if not spans or spans[-1][1] < size - RATE // 2:
        return size
    begin = spans[-1][0]
    return begin if begin > size // 4 else size


def _joined(spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Neighbours with a short pause between them as one: a window costs what it costs, and context helps."""
    joined: list[tuple[int, int]] = []
    for begin, end in spans:
        if joined and begin - joined[-1][1] <= PAUSE_S * RATE and end - joined[-1][0] <= LONGEST_S * RATE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined


def _dropped(segment: Any) -> str | None:
    """Why a segment is no speech to be shown; None for one that is kept."""
    if not clean(segment.text).strip() or not segment.words:
        return "no words"
    if segment.no_speech_prob > NO_SPEECH and segment.avg_logprob < UNSURE:
        return "no speech"
    if segment.compression_ratio > REPEATS:
        return "repeats itself"
    return None


def _no_cuda() -> str:
    """Why CTranslate2 cannot compute on CUDA; "" where it can. It brings libraries of its own, besides torch's."""
    import ctranslate2

    try:
        ctranslate2.get_supported_compute_types("cuda")
    except (RuntimeError, ValueError) as error:
        return str(error)
    return ""


def _compute_type(kind: str) -> str:
    import ctranslate2

    there = ctranslate2.get_supported_compute_types(kind)
    wanted = ("float16", "int8_float16", "float32") if kind == "cuda" else ("int8", "int8_float32", "float32")
    return next((name for name in wanted if name in there), "default")
