"""One window of sound to words with times, by a Whisper model in CTranslate2's format.

The encoder runs once a window: language, text and word times all come from its one output. It sees the window and
TAIL_S of silence, not 30 s: a short window then costs a tenth. Without the silent tail the decoder often repeats its
last words until its token limit; with it the words are those of the full 30 s.
Decoding is a beam search at temperature 0, so the same sound gives the same text. Windows are decoded one by one:
batches of four took no less CPU on one thread (`python -m lab.bench speech`)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RATE = 16_000
FRAME_S = 0.01
MOST_FRAMES = 3000  # Whisper's positions reach 30 s
TAIL_S = 2.5  # of silence behind a window
BEAM = 5
TOKENS, TOKENS_PER_S = 16, 8  # real speech stays below; a blip in noise would run to 448
ALIGNED_S = 0.02  # what one position of the encoder's output lasts
OPENING = "\"'“¿([{-"  # marks that belong to the word after them


@dataclass(frozen=True)
class SpokenWord:
    """One word, in seconds from the window's begin. `text` keeps its leading space, where it has one."""

    start_s: float
    end_s: float
    text: str
    probability: float


@dataclass(frozen=True)
class Window:
    """What a model heard in one window. All probabilities lie in 0..1."""

    words: tuple[SpokenWord, ...]
    no_speech: float  # that nobody speaks here
    confidence: float  # exp of the mean log probability of the tokens
    full: bool = False  # the text reached its token limit: its end may be invented, and speech may be missing


class Encoded:
    """A window after the encoder; `languages` are the model's probabilities, likeliest first."""

    def __init__(self, output: Any, frames: int, seconds: float, languages: Sequence[tuple[str, float]]) -> None:
        self.output, self.frames, self.seconds, self.languages = output, frames, seconds, languages


class Decoder:
    """Holds a loaded faster_whisper.WhisperModel. Not safe for two threads at once."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._tokenizers: dict[str, Any] = {}

    @property
    def english_only(self) -> bool:
        return not self._model.model.is_multilingual

    def encode(self, samples: NDArray[np.float32], *, ask_language: bool) -> Encoded:
        """Samples (n,) float32 at 16 kHz, at most 30 s of them."""
        mel = self._model.feature_extractor(samples)[:, :-1]  # (mels, frames)
        frames = min(mel.shape[1], MOST_FRAMES)
        width = min(MOST_FRAMES, frames + round(TAIL_S / FRAME_S))
        padded = np.zeros((mel.shape[0], width + width % 2), np.float32)
        padded[:, :frames] = mel[:, :frames]
        output = self._model.encode(padded)
        languages: list[tuple[str, float]] = []
        if ask_language and not self.english_only:
            found = self._model.model.detect_language(output)[0]
            languages = [(str(token)[2:-2], float(share)) for token, share in found]  # "<|de|>" -> "de"
        return Encoded(output, frames, len(samples) / RATE, languages)

    def decode(self, encoded: Encoded, language: str) -> Window:
        """The words of an encoded window, read as one language (Whisper's code)."""
        tokenizer = self._tokenizer(language)
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        limit = TOKENS + math.ceil(TOKENS_PER_S * encoded.seconds)
        (result,) = self._model.model.generate(
            encoded.output,
            [prompt],
            beam_size=BEAM,
            max_length=min(self._model.max_length, len(prompt) + limit),
            return_scores=True,
            return_no_speech_prob=True,
        )
        tokens = [token for token in result.sequences_ids[0] if token < tokenizer.eot]
        spread = len(tokens) / (len(tokens) + 1)  # the score leaves out the end token
        confidence = min(1.0, math.exp(result.scores[0] * spread)) if tokens else 0.0
        words = self._aligned(encoded, tokenizer, tokens) if tokens else ()
        return Window(words, float(result.no_speech_prob), confidence, full=len(tokens) >= limit)

    def _aligned(self, encoded: Encoded, tokenizer: Any, tokens: list[int]) -> tuple[SpokenWord, ...]:
        """Word times by the cross attention of the alignment heads (dynamic time warping, in CTranslate2)."""
        (found,) = self._model.model.align(
            encoded.output, tokenizer.sot_sequence, [tokens], encoded.frames, median_filter_width=7
        )
        texts, of_word = tokenizer.split_to_word_tokens([*tokens, tokenizer.eot])
        texts, of_word = texts[:-1], of_word[:-1]  # the last is the end token
        if not texts:
            return ()
        token_at, time_at = (np.array(column) for column in zip(*found.alignments, strict=True))
        begins = time_at[np.diff(token_at, prepend=-1) > 0] * ALIGNED_S  # of each token, and of the end
        borders = np.minimum(np.cumsum([0, *map(len, of_word)]), len(begins) - 1)
        words = [
            SpokenWord(
                float(begins[borders[i]]),
                float(begins[borders[i + 1]]),
                text,
                float(np.mean(found.text_token_probs[borders[i] : borders[i] + len(of_word[i])])),
            )
            for i, text in enumerate(texts)
        ]
        return tuple(_with_marks(words))

    def _tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        if language not in self._tokenizers:
            multilingual = not self.english_only
            self._tokenizers[language] = Tokenizer(
                self._model.hf_tokenizer, multilingual, task="transcribe", language=language
            )
        return self._tokenizers[language]


def _with_marks(words: Sequence[SpokenWord]) -> list[SpokenWord]:
    """Words with the punctuation that belongs to them; a mark's own time says nothing."""
    merged: list[SpokenWord] = []
    opening = ""
    for word in words:
        if any(letter.isalnum() for letter in word.text):
            merged.append(SpokenWord(word.start_s, word.end_s, opening + word.text, word.probability))
            opening = ""
        elif word.text.strip() in OPENING and word.text.startswith(" "):
            opening += word.text
        elif merged:
            last = merged[-1]
            merged[-1] = SpokenWord(last.start_s, last.end_s, last.text + word.text, last.probability)
    return merged
