"""A cue list as sound: a voice of espeak-ng says each line. It must be installed (Debian: apt install espeak-ng)."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agent_tools.errors import InvalidArgument
from agent_tools.evals.films.cue_lists import Line

RATE = 22_050  # Hz, of espeak-ng
SPEED = "165"  # words a minute


def spoken(lines: Sequence[Line], voice: str, duration_s: float) -> NDArray[np.int16]:
    """The lines at their times as samples (n,) at RATE; one that is not over when the next begins goes first.

    Raises: InvalidArgument: espeak-ng is not installed."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise InvalidArgument("espeak-ng is not installed: it says the lines of films that are heard.")
    samples = np.zeros(round(duration_s * RATE), np.int16)
    at = 0
    for line in lines:
        command = [program, "-v", voice, "-s", SPEED, "--stdout", "--", line.text]
        said = subprocess.run(command, check=True, capture_output=True).stdout
        with wave.open(io.BytesIO(said)) as sound:
            own = np.frombuffer(sound.readframes(sound.getnframes()), np.int16)
        at = max(at, round(line.start_s * RATE))
        own = own[: max(0, len(samples) - at)]
        samples[at : at + len(own)] = own
        at += len(own)
    return samples
