"""The demo's recorded voice, made with flite (Debian: apt-get install flite): the pieces of its spoken sentences.

    python -m lab.picture.voice

Writes agent_tools/evals/films/demo_voice.ogg: each piece in a slot of its own (demo_voice.SLOT_S), as Opus."""

from __future__ import annotations

import subprocess
import tempfile
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from agent_tools.evals.films import demo_voice
from agent_tools.evals.films.demo_words import PEOPLE

RATE = 48_000  # Opus's own
VOICE = "rms"  # a man's, of CMU ARCTIC, free for any use
KBITS = 12
# How a piece is written for the voice, so that it says what the piece means.
SPELLED = {
    "marble owl": "marble owl,",
    "leather globe": "lether globe",
    **{name: ", ".join(name.split()) for name in PEOPLE if name != "Noor Haddon"},
}
LOUD = 0.01  # of full scale: what is softer at the ends of a piece is cut


def main() -> None:
    slots = [_slot(piece) for piece in demo_voice.PIECES]
    path = Path(demo_voice.__file__).with_suffix(".ogg")
    with av.open(str(path), "w", format="ogg") as container:
        stream = container.add_stream("libopus", rate=RATE, options={"application": "voip", "frame_duration": "20"})
        stream.bit_rate, stream.codec_context.layout = KBITS * 1000, "mono"
        whole = np.concatenate(slots)
        for at in range(0, len(whole), 960):
            frame = av.AudioFrame.from_ndarray(whole[None, at : at + 960], format="flt", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, at, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    print(f"{path.name}: {len(slots)} pieces, {path.stat().st_size} bytes")  # noqa: T201 - a program's result


def _slot(piece: str) -> np.ndarray:
    """One piece at the begin of its slot, float32 (n,)."""
    with tempfile.NamedTemporaryFile(suffix=".wav") as spoken:
        subprocess.run(["flite", "-voice", VOICE, "-t", SPELLED.get(piece, piece), "-o", spoken.name], check=True)
        sound = _samples(spoken.name)
    loud = np.flatnonzero(np.abs(sound) > LOUD)
    sound = sound[loud[0] : loud[-1] + RATE // 40]
    size = round(demo_voice.SLOT_S * RATE)
    if len(sound) > size:
        raise SystemExit(f"{piece!r} lasts {len(sound) / RATE:.2f} s; a slot has {demo_voice.SLOT_S} s")
    return np.pad(sound, (0, size - len(sound))).astype(np.float32)


def _samples(path: str) -> np.ndarray:
    with av.open(path) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=RATE)
        parts = []
        for frame in (*container.decode(audio=0), None):
            if frame is not None:
                frame.pts = None
            parts += [one.to_ndarray().reshape(-1) for one in resampler.resample(frame)]
    return np.concatenate(parts)


if __name__ == "__main__":
    main()
