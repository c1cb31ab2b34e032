"""Videos drawn once per session; `drawing` is the module that draws them (tests/drawing.py)."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def drawing() -> ModuleType:
    """tests/drawing.py, loaded by path: the tests are no package."""
    name = "tests_drawing"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "drawing.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("drawn")


@pytest.fixture(scope="session")
def steady(drawing: ModuleType, drawn: Path) -> Path:
    """20 s at 25 pictures a second with B-frames, a key frame each 2 s, and sound; its index stands first."""
    times = drawing.even_times(500, 25)
    return drawing.draw(drawn / "steady.mp4", times, tone=True, muxer={"movflags": "faststart"})


@pytest.fixture(scope="session")
def uneven(drawing: ModuleType, drawn: Path) -> Path:
    """Variable rate with B-frames: bursts of pictures and holds of up to 3 s."""
    times = [0.0]
    for number in range(240):
        times.append(times[-1] + (0.02, 0.04, 0.04, 0.36, 0.017, 0.9, 0.05, 3.0)[number * 7 % 8 if number % 5 else 1])
    return drawing.draw(drawn / "uneven.mkv", times, key_every=30)


@pytest.fixture(scope="session")
def late(drawing: ModuleType, drawn: Path) -> Path:
    """A transport stream whose first picture stands at 63.2 s."""
    return drawing.draw(drawn / "late.ts", drawing.even_times(200, 25, start_s=63.2))


@pytest.fixture(scope="session")
def turned(drawing: ModuleType, drawn: Path) -> Path:
    """Coded 320x180, to be shown turned by 90 degrees anticlockwise."""
    return drawing.draw(drawn / "turned.mp4", drawing.even_times(50, 25), rotation=90)
