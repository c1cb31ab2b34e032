"""Real voices in five languages, alone and mixed: word errors, languages and cost of lite's speech model.

    python -m lab.bench.prompts FOLDER [--prompts 14] [--mixed 5]

FOLDER holds Debian's packages asterisk-core-sounds-{en,es,fr,it,ru} and their -wav packages, unpacked (apt-get
download, dpkg -x): sentences for a telephone, 8 kHz, each with its text. Prompts with digits or fewer than five words
are left out. Mixed: ten prompts of random languages with .3 to .6 s between them, and forty."""

from __future__ import annotations

import argparse
import gzip
import random
import re
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from agent_tools.media import audio, probe
from agent_tools.models.devices import Device
from agent_tools.models.speech import RATE, Segment, Speech
from agent_tools.models.whisper.base_weights import whisper_base
from lab.bench.rows import emit
from lab.bench.speech import edits

VOICES = {
    "en": "en_US_f_Allison",
    "es": "es_MX_f_Allison",
    "fr": "fr_CA_f_June",
    "it": "it_IT_m_Carlo",
    "ru": "ru_RU_f_IvrvoiceRU",
}
LEAST_WORDS, LONGEST_MIXED = 5, 16
PAUSES_S = (0.3, 0.7, 1.5)  # between the prompts of one language
MIXED = ((10, 0.3), (10, 0.3), (10, 0.6), (10, 0.4), (40, 0.4))  # prompts of a recording, seconds between them
Prompt = tuple[str, Path]  # text, sound file


def prompts(folder: Path, language: str) -> list[Prompt]:
    """The sentences of a language, in the order of its list."""
    listed = folder / f"usr/share/doc/asterisk-core-sounds-{language}/core-sounds-{language}.txt.gz"
    sounds = folder / "usr/share/asterisk/sounds" / VOICES[language]
    found = []
    for line in gzip.decompress(listed.read_bytes()).decode("utf-8", "replace").splitlines():
        name, _, text = line.partition(":")
        path = sounds / f"{name.strip()}.wav"
        plain = len(text.split()) >= LEAST_WORDS and not re.search(r"[\d\[<(]", text)
        if not line.startswith(";") and plain and path.is_file():
            found.append((text.strip(), path))
    return found


def words(text: str) -> list[str]:
    """Words in lower case without accents: the lists of the packages leave many out."""
    bare = (c for c in unicodedata.normalize("NFD", text.lower()) if not unicodedata.combining(c))
    return re.findall(r"[^\W_]+", "".join(bare).replace("'", "").replace("’", ""))


def samples(path: Path) -> np.ndarray:
    """The sound without the silence at both ends, (n,) float32."""
    whole = np.concatenate([block.samples for block in audio(probe(path))])
    loud = np.flatnonzero(np.abs(whole) > 0.01)
    return whole[loud[0] : loud[-1] + 1]


def joined(chosen: list[Prompt], pauses_s: Iterator[float]) -> tuple[np.ndarray, list[tuple[float, float]]]:
    """One recording, and the span of each prompt in it."""
    parts, spans, at = [], [], 0
    for _, path in chosen:
        sound, pause = samples(path), np.zeros(round(next(pauses_s) * RATE), np.float32)
        spans.append((at / RATE, (at + len(sound)) / RATE))
        parts += [sound, pause]
        at += len(sound) + len(pause)
    return np.concatenate(parts), spans


def transcribed(speech: Speech, recording: np.ndarray) -> tuple[list[Segment], float]:
    """(segments, CPU s per second of speech)."""
    begun = time.process_time()
    blocks = ((at / RATE, recording[at : at + 30 * RATE]) for at in range(0, len(recording), 30 * RATE))
    found = list(speech.transcribe(blocks))
    return found, (time.process_time() - begun) / speech.heard.speech_s


def error_rate(found: list[Segment], chosen: list[Prompt]) -> tuple[float, int]:
    wanted = words(" ".join(text for text, _ in chosen))
    return edits(words(" ".join(one.text for one in found)), wanted) / len(wanted), len(wanted)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--prompts", type=int, default=14)
    parser.add_argument("--mixed", type=int, default=len(MIXED))
    asked = parser.parse_args()
    there = {language: prompts(asked.folder, language) for language in VOICES}
    with tempfile.TemporaryDirectory() as made:
        speech = Speech(whisper_base(Path(made)).found, device=Device("cpu", "fp32"), threads=1)
        for language, all_of_it in there.items():
            rng = random.Random(1)
            chosen = rng.sample(all_of_it, min(asked.prompts, len(all_of_it)))
            recording, _ = joined(chosen, iter(lambda rng=rng: rng.choice(PAUSES_S), None))  # type: ignore[misc]
            found, cost = transcribed(speech, recording)
            rate, count = error_rate(found, chosen)
            right = sum(one.end_s - one.start_s for one in found if one.language == language)
            whole = sum(one.end_s - one.start_s for one in found)
            emit(
                f"{len(chosen)} prompts in {language}, one voice, {len(recording) / RATE:.0f} s",
                ours=f"WER {rate:.3f} of {count} words, language right in {right / whole:.0%}, {cost:.3f} CPU s per s",
                doubtful=sum(one.unsure for one in found),
            )
        for number, (count, pause_s) in enumerate(MIXED[: asked.mixed], 1):
            rng = random.Random(number)
            short = {
                name: [one for one in all_ if len(one[0].split()) <= LONGEST_MIXED] for name, all_ in there.items()
            }
            order = [rng.choice(list(VOICES)) for _ in range(count)]
            chosen = [rng.choice(short[language]) for language in order]
            recording, spans = joined(chosen, iter(lambda pause_s=pause_s: pause_s, None))  # type: ignore[misc]
            found, cost = transcribed(speech, recording)
            rate, said = error_rate(found, chosen)
            emit(
                f"{count} prompts of mixed languages, {pause_s} s between them, {len(recording) / RATE:.0f} s",
                ours=f"WER {rate:.3f} of {said} words, language right in {_right(found, order, spans):.0%}, "
                f"{cost:.3f} CPU s per s",
                doubtful=sum(one.unsure for one in found),
            )


def _right(found: list[Segment], order: list[str], spans: list[tuple[float, float]]) -> float:
    """Share of the spoken time that was heard in its language."""
    right = sum(
        max(0.0, min(one.end_s, end) - max(one.start_s, start))
        for one in found
        for language, (start, end) in zip(order, spans, strict=True)
        if one.language == language
    )
    return right / sum(end - start for start, end in spans)


if __name__ == "__main__":
    main()
