"""Who speaks: how well voices are distinguished in recordings whose speakers are known, on entries as lite hears them.

    python -m lab.bench.voices [--videos FOLDER] [--prompts FOLDER]

Needs Debian's flite and espeak-ng. --prompts: its asterisk-core-sounds packages, unpacked (see
lab.bench.prompts): real voices over one kind of telephone line. People take turns of one to three sentences, with a
pause of .5 s between them. What counts is the time of entries whose label is that of their speaker, with labels and
speakers paired as fits best. The clips are other recordings, one after the other: easier than one room."""

from __future__ import annotations

import argparse
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np

from agent_tools.media import audio, probe
from agent_tools.models.devices import Device
from agent_tools.models.speech import RATE, Segment, Speech
from agent_tools.models.voices import clusters
from agent_tools.models.voices.encoder import VoiceEncoder
from agent_tools.models.whisper.base_weights import whisper_base
from agent_tools.models.whisper.stretches import spoken
from lab.bench import prompts
from lab.bench.rows import emit
from lab.bench.speech import VIDEOS
from lab.bench.spoken_hour import sound

CLIPS = {
    "sonnet": "dev/sonnet_speech.mp3",
    "president": "edge/wc_jfk.wav",
    "nasa": "dev/nasa_webb_mirror.mp4",
    "presenter": "edge/wc_speech_5min_black.mp4",
}
CLIP_S = 60.0  # of each clip
FLITE = ("slt", "awb", "rms", "kal16")
ESPEAK = ("en-us", "en-us+klatt2", "en-gb+m7", "en-us+m5")
TURNS, PAUSE_S = 6, 0.5
PEOPLE = ("en", "it", "fr", "ru")  # the Spanish voice of the prompts is the English one's
Says = Callable[[random.Random], np.ndarray]  # one sentence of a speaker, samples (n,)


@dataclass(frozen=True)
class Turn:
    who: str
    start_s: float
    end_s: float


def conversation(speakers: dict[str, Says], turns: int, seed: int) -> tuple[np.ndarray, list[Turn]]:
    """Speakers in turns, in an order that is drawn; each speaks `turns` times."""
    rng = random.Random(seed)
    order = [who for who in speakers for _ in range(turns)]
    while len(speakers) > 1 and any(one == other for one, other in pairwise(order)):
        rng.shuffle(order)
    parts, said, at = [], [], 0
    for who in order:
        samples = np.concatenate([speakers[who](rng) for _ in range(rng.randint(1, 3))])
        said.append(Turn(who, at / RATE, (at + len(samples)) / RATE))
        parts += [samples, np.zeros(round(PAUSE_S * RATE), np.float32)]
        at += len(samples) + len(parts[-1])
    return np.concatenate(parts), said


def judged(speech: Speech, voices: VoiceEncoder, recording: np.ndarray, said: Sequence[Turn], what: str) -> None:
    blocks = ((at / RATE, recording[at : at + 30 * RATE]) for at in range(0, len(recording), 30 * RATE))
    heard = [one for one in speech.transcribe(blocks) if one.end_s - one.start_s >= 0.4]
    begun = time.process_time()
    vectors = [voices.encode(recording[round(s.start_s * RATE) : round(s.end_s * RATE)]) for s in heard]
    seconds = [one.end_s - one.start_s for one in heard]
    found = clusters.voices(np.stack(vectors), seconds)
    cost = (time.process_time() - begun) / sum(seconds)
    true = [_speaker(one, said) for one in heard]
    people = sorted({turn.who for turn in said})
    right = _right(true, found.tolist(), seconds, people)
    emit(
        f"{what}: {len(people)} speaker{'s' if len(people) > 1 else ''}, {len(heard)} entries, {sum(seconds):.0f} s",
        ours=f"{max(found) + 1} found, {right:.0%} of the time right, {cost:.3f} CPU s per s",
        labels=list(zip(true, found.tolist(), [round(s, 1) for s in seconds], strict=True)),
    )


def _speaker(one: Segment, said: Sequence[Turn]) -> str:
    """Who speaks for most of an entry."""
    return max(said, key=lambda turn: min(turn.end_s, one.end_s) - max(turn.start_s, one.start_s)).who


def _right(true: Sequence[str], found: Sequence[int], seconds: Sequence[float], people: Sequence[str]) -> float:
    """The share of the time that is labelled right, with the pairing of labels and people that fits best."""
    labels = [*range(max(*found, len(people) - 1) + 1)]
    best = 0.0
    for paired in permutations(labels, len(people)):
        of = dict(zip(people, paired, strict=True))
        best = max(best, sum(s for who, label, s in zip(true, found, seconds, strict=True) if of[who] == label))
    return best / sum(seconds)


def clips(videos: Path) -> tuple[dict[str, Says], dict[str, np.ndarray]]:
    """Real recordings cut where nobody speaks, so that each can take turns; and each one whole."""
    says: dict[str, Says] = {}
    wholes = {}
    for who, name in CLIPS.items():
        wholes[who] = whole = np.concatenate([block.samples for block in audio(probe(videos / name))])[
            : round(CLIP_S * RATE)
        ]
        pieces = [whole[begin:end] for begin, end in spoken(whole)]
        says[who] = lambda rng, pieces=pieces: pieces[rng.randrange(len(pieces))]  # type: ignore[misc]
    return says, wholes


def flite(text: str, voice: str, folder: Path) -> np.ndarray:
    path = folder / "said.wav"
    subprocess.run(["flite", "-voice", voice, "-t", text, "-o", str(path)], check=True)
    return np.concatenate([block.samples for block in audio(probe(path))])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--videos", type=Path, default=VIDEOS)
    parser.add_argument("--prompts", type=Path)
    asked = parser.parse_args()
    lines = [line.strip() for line in (asked.videos / "filler.txt").read_text("utf-8").splitlines()]
    lines = [line for line in lines if 50 <= len(line) <= 120]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        speech = Speech(whisper_base(folder).found, device=Device("cpu", "fp32"), threads=1)
        voices = VoiceEncoder()
        says, wholes = clips(asked.videos)
        for who, whole in wholes.items():
            judged(speech, voices, whole, [Turn(who, 0.0, len(whole) / RATE)], f"a recording of one person ({who})")
        judged(speech, voices, *conversation(says, 3, 1), "real recordings in turns")
        synthetic = {v: lambda rng, v=v: flite(rng.choice(lines), v, folder) for v in FLITE}
        for count in (2, 4):
            some = dict(list(synthetic.items())[:count])
            judged(speech, voices, *conversation(some, TURNS, count), "voices of flite")
        robots = {v: lambda rng, v=v: sound(rng.choice(lines), v, folder) for v in ESPEAK}
        judged(speech, voices, *conversation(robots, TURNS, 5), "voices of espeak-ng")
        if asked.prompts:
            there = {one: prompts.prompts(asked.prompts, one) for one in PEOPLE}
            spoken_by = {one: lambda rng, of=of: prompts.samples(rng.choice(of)[1]) for one, of in there.items()}
            for count in (2, 3, 4):
                judged(
                    speech,
                    voices,
                    *conversation(dict(list(spoken_by.items())[:count]), TURNS, count),
                    "people over a telephone, each in a language",
                )


if __name__ == "__main__":
    main()
