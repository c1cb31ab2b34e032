"""Windows of a trained search: read in batches, and each answer is that of its own window."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch

from agent_tools.grounding import Evidence
from agent_tools.service.verdicts.segments import DENSE
from agent_tools.service.verdicts.trained_windows import AHEAD, Seen, TrainedWindows

FILM_S = 600


class Pictures:
    """A film whose frame of each second is that second."""

    event = np.zeros(1, dtype=np.float32)

    def each_second(self, start_s: float, seconds: int) -> Any:
        return np.arange(start_s, min(start_s + seconds, FILM_S), dtype=np.float32)[:, None]


class Reader:
    """Answers a window with its first second, and counts batches."""

    seconds = 32

    def __init__(self) -> None:
        self.batches: list[int] = []

    def windows(self, frames: list[Any], _question: Any) -> list[tuple[torch.Tensor, float]]:
        self.batches.append(len(frames))
        return [(torch.zeros(2, 33), float(one[0, 0])) for one in frames]


@pytest.fixture
def reader() -> Reader:
    return Reader()


@pytest.fixture
def windows(reader: Reader) -> TrainedWindows:
    return TrainedWindows(cast(Any, Pictures()), cast(Any, reader))


def said(evidence: Evidence) -> float | None:
    seen = evidence.payload
    assert isinstance(seen, Seen)
    return None if seen.window is None else seen.window[1]


def test_a_search_over_neighbouring_windows_reads_each_once_in_batches(reader: Reader, windows: TrainedWindows) -> None:
    starts = [16.0 * place for place in range(2 * AHEAD)]
    assert [said(windows.look(start, start + 32, DENSE)) for start in starts] == starts
    assert reader.batches == [AHEAD, AHEAD]
    assert said(windows.look(48.0, 80.0, DENSE)) == 48.0
    assert len(reader.batches) == 2


def test_a_window_that_no_batch_held_is_read_when_it_is_asked_for(reader: Reader, windows: TrainedWindows) -> None:
    windows.look(0.0, 32.0, DENSE)
    assert said(windows.look(7.0, 39.0, DENSE)) == 7.0
    assert len(reader.batches) == 2


def test_the_last_window_has_the_frames_that_are_left_and_none_lies_behind_the_end(windows: TrainedWindows) -> None:
    last = windows.look(584.0, 616.0, DENSE)
    assert (last.frames, said(last)) == (16, 584.0)
    behind = windows.look(640.0, 672.0, DENSE)
    assert (behind.frames, said(behind)) == (0, None)
