"""Fixtures shared by all tests: one torch thread, seeded randomness, the real videos where they exist."""

from __future__ import annotations

import os
import random
import sys
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path

import pytest
from hypothesis import settings

# The checkout is never on the tests' path, so that what is tested is the installed package (see the Makefile). The two
# folders of programs beside it are found by name.
for _name in ("lab", "examples"):
    if _name not in sys.modules:
        _spec = ModuleSpec(_name, None, is_package=True)
        _spec.submodule_search_locations = [str(Path(__file__).parents[1] / _name)]
        sys.modules[_name] = module_from_spec(_spec)

# A busy machine is no failure, and a red run can be run again.
settings.register_profile("agent_tools", deadline=None, derandomize=True)
settings.load_profile("agent_tools")

SHARED_VIDEOS = Path(
    os.environ.get("AGENT_TOOLS_TEST_VIDEOS", Path(__file__).parents[2] / "shared" / "videos")
).resolve()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Two torch threads on two busy cores are slower than one; a model that a test before loaded has set its own."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def real_videos() -> Path:
    """The folder of real files (dev/, edge/, MANIFEST.json); its tests are skipped where it does not exist."""
    if not (SHARED_VIDEOS / "MANIFEST.json").exists():
        pytest.skip(f"no real videos at {SHARED_VIDEOS}")
    return SHARED_VIDEOS
