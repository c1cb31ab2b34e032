"""A vector of the voice in a piece of sound: Resemblyzer's weights out of its PyPI package, read as data.

The network is the speaker encoder of "Generalized End-to-End Loss for Speaker Verification" (Wan et al. 2018): three
LSTM layers over mel spectra of 1.6 s, trained by Resemble AI. No code of the package runs, so none of what the package
asks for (librosa, webrtcvad) is needed."""

from __future__ import annotations

import threading
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_tools.errors import ModelMissing, ShapeError
from agent_tools.models.hub.catalogue import RESEMBLYZER_REMEDY as REMEDY
from agent_tools.models.hub.weights import package_folder, require

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Samples = NDArray[np.float32]

PACKAGE = "resemblyzer"
SHA256 = "39373b86598fa3da9fcddee6142382efe09777e8d37dc9c0561f41f0070f134e"
RATE = 16_000
DIM = 256
BANDS, WINDOW, HOP = 40, 400, 160  # mel bands; samples
SLICE, STEP = 160, 80  # spectra: slices of 1.6 s, each half over the next
LEAST_DB = -30.0  # quieter sound is raised to this loudness (of the root mean square), louder sound stays
MOST_SLICES = 64  # that run at once


class VoiceEncoder:
    """Loads on construction, in less than a second. Not safe for two threads at once."""

    dim = DIM

    def __init__(self, *, threads: int = 1, remembered: Path | None = None) -> None:
        """Raises: ModelMissing: the package is not installed, or holds other bytes."""
        folder = package_folder(PACKAGE)
        if folder is None:
            raise ModelMissing(f"The package {PACKAGE} is not installed. {REMEDY}")
        weights = require(folder / "pretrained.pt", SHA256, REMEDY, remembered)
        self.producer = f"resemblyzer@{SHA256[:8]}/slices"
        self._threads = threads
        self._lstm, self._linear = _loaded(weights)
        self._lock = threading.Lock()

    def encode(self, samples: Samples) -> NDArray[np.float32]:
        """Samples (n,) float32 at 16 kHz, of one voice, to a vector (256,) of length 1. Best from 3 s on.

        Raises: ShapeError: samples of another shape or type, or none."""
        if samples.ndim != 1 or samples.dtype != np.float32 or not len(samples):
            raise ShapeError(f"Sound is (n,) float32, n > 0, not {samples.shape} {samples.dtype}.")
        import torch

        spectra = mel_spectra(_raised(samples))  # (T, 40)
        if len(spectra) < SLICE:
            spectra = np.pad(spectra, ((0, SLICE - len(spectra)), (0, 0)))
        starts = range(0, len(spectra) - SLICE + 1, STEP)
        slices = torch.from_numpy(np.stack([spectra[at : at + SLICE] for at in starts]))
        with self._lock, torch.inference_mode():
            before = torch.get_num_threads()
            torch.set_num_threads(self._threads)
            try:
                parts = [self._run(slices[at : at + MOST_SLICES]) for at in range(0, len(slices), MOST_SLICES)]
            finally:
                torch.set_num_threads(before)
        mean: NDArray[np.float32] = torch.cat(parts).mean(0).numpy()
        return mean / max(float(np.linalg.norm(mean)), 1e-9)

    def _run(self, slices: Any) -> Any:
        """Vectors (n, 256) of slices (n, 160, 40), each of length 1."""
        import torch

        _, (hidden, _) = self._lstm(slices)
        found = torch.relu(self._linear(hidden[-1]))
        return found / found.norm(dim=1, keepdim=True).clamp_min(1e-9)


def mel_spectra(samples: Samples) -> NDArray[np.float32]:
    """Power in 40 mel bands (T, 40), one spectrum per 10 ms, as librosa computes it: no logarithm is taken."""
    padded = np.pad(samples, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]  # (T, 400)
    power = np.abs(np.fft.rfft(frames * _hann())) ** 2
    return np.asarray(power @ _mel_bands().T, np.float32)


def _raised(samples: Samples) -> Samples:
    decibels = 20 * np.log10(float(np.sqrt(np.mean(samples**2))) + 1e-9)
    return samples if decibels >= LEAST_DB else samples * np.float32(10 ** ((LEAST_DB - decibels) / 20))


@cache
def _hann() -> NDArray[np.float64]:
    return 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)


@cache
def _mel_bands() -> NDArray[np.float64]:
    """Triangles (40, 201) on Slaney's mel scale, linear below 1 kHz, each with area 1."""
    linear_hz, step = 200 / 3, np.log(6.4) / 27
    knee = 1000 / linear_hz
    mels = np.linspace(0.0, knee + np.log(RATE / 2 / 1000) / step, BANDS + 2)
    hz = np.where(mels < knee, mels * linear_hz, 1000 * np.exp(step * (mels - knee)))
    widths = np.diff(hz)[:, None]
    ramps = hz[:, None] - np.linspace(0, RATE / 2, WINDOW // 2 + 1)[None]
    triangles = np.maximum(0, np.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:]))
    return np.asarray(triangles * (2 / (hz[2:] - hz[:-2]))[:, None])


def _loaded(path: Path) -> tuple[Any, Any]:
    """(LSTM, linear layer) with the file's weights."""
    import torch

    state = torch.load(path, map_location="cpu", weights_only=True)["model_state"]
    lstm = torch.nn.LSTM(BANDS, DIM, 3, batch_first=True)
    linear = torch.nn.Linear(DIM, DIM)
    for name, layer in (("lstm.", lstm), ("linear.", linear)):
        layer.load_state_dict({key[len(name) :]: value for key, value in state.items() if key.startswith(name)})
        layer.eval()
    return lstm, linear
