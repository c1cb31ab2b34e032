"""Fixtures shared by all tests: one torch thread, seeded randomness, libraries, things made once in a run, real videos.

Several processes may run the tests (see the Makefile). Each file of tests stays in one of them."""

from __future__ import annotations

import contextlib
import gc
import os
import pickle
import random
import shutil
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy loads: see background.take_one_blas_thread

import numpy as np
import pytest
from filelock import FileLock
from hypothesis import settings
from numpy.typing import NDArray

from agent_tools.home import CacheFolder
from agent_tools.ingestion.channels import base
from agent_tools.models import profiles
from agent_tools.models.minilm import MiniLM
from agent_tools.models.routed_text import RoutedText
from agent_tools.models.use_files import FOLDER as USE_FOLDER
from agent_tools.service.library.library import Library
from agent_tools.settings import default_cache
from tests.library import OpenLibrary, lite, opened, start_no_worker

# The checkout is never on the tests' path, so that what is tested is the installed package (see the Makefile). The two
# folders of programs beside it are found by name.
for _name in ("lab", "examples"):
    if _name not in sys.modules:
        _spec = ModuleSpec(_name, None, is_package=True)
        _spec.submodule_search_locations = [str(Path(__file__).parents[1] / _name)]
        sys.modules[_name] = module_from_spec(_spec)

from tests.postgres import database_url as database_url  # noqa: E402 - lab is found from here on
from tests.postgres import server_url as server_url  # noqa: E402

gc.set_threshold(100_000, 20, 100)  # looking for cycles among all that pytest holds takes a tenth of a run
# A busy machine is no failure, and a red run can be run again.
settings.register_profile("agent_tools", deadline=None, derandomize=True)
settings.load_profile("agent_tools")

SHARED_VIDEOS = Path(
    os.environ.get("AGENT_TOOLS_TEST_VIDEOS", Path(__file__).parents[2] / "shared" / "videos")
).resolve()


LONG = ("slow", "train", "faults")
Once = Callable[[str, Callable[[Path], Any]], Any]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long tests go first. Begun last, one of them would keep one core busy and leave the others idle."""
    gc.freeze()  # modules and tests stay to the end
    long = {item.path for item in items if any(item.get_closest_marker(name) for name in LONG)}
    items.sort(key=lambda item: item.path not in long)


@pytest.fixture(autouse=True)
def _seeded() -> None:
    random.seed(0)


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Two torch threads on two busy cores are slower than one; a model that a test before loaded has set its own."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """once(name, make): what make(folder) returns, made once in a run, by the process that needs it first.

    The folder is empty when make gets it, and stays until the run ends. Nobody may change it later: other processes
    read it at the same time."""
    base = tmp_path_factory.getbasetemp()
    shared = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "once"
    shared.mkdir(exist_ok=True)

    def made(name: str, make: Callable[[Path], Any]) -> Any:
        folder, result = shared / name, shared / f"{name}.pickle"
        with FileLock(shared / f"{name}.lock"):
            if not result.exists():
                shutil.rmtree(folder, ignore_errors=True)  # an attempt before failed
                folder.mkdir()
                result.write_bytes(pickle.dumps(make(folder)))
            return pickle.loads(result.read_bytes())

    return made


class SharedMiniLM(MiniLM):
    """A MiniLM that several libraries may use at once: their threads wait for each other."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]:
        with self._lock:
            return super().encode(texts, query=query)


@pytest.fixture(scope="session")
def minilm() -> MiniLM:
    """The sentence encoder, loaded once for all tests of this process."""
    return SharedMiniLM()


class SharedRoutedText(RoutedText):
    """Lite's encoder, that several libraries may use at once: their threads wait for each other."""

    def __init__(self, made: Path) -> None:
        super().__init__(made)
        self._lock = threading.Lock()

    def encode(
        self, texts: Sequence[str], *, query: bool = False, languages: Sequence[str | None] | None = None
    ) -> NDArray[np.float32]:
        with self._lock:
            return super().encode(texts, query=query, languages=languages)


@pytest.fixture(scope="session")
def routed(once: Once) -> RoutedText:
    """Lite's sentence encoder, loaded once for all tests of this process, out of the cache that all libraries share."""
    cache = CacheFolder(default_cache())

    def unpack(_: Path) -> Path:
        RoutedText(cache.weights / USE_FOLDER, remembered=cache.checked_weights)
        return cache.weights / USE_FOLDER

    return SharedRoutedText(once("routed-text", unpack))


@pytest.fixture
def loaded_encoder(routed: RoutedText, monkeypatch: pytest.MonkeyPatch) -> None:
    """Libraries and ingests of this test take that encoder instead of loading their own."""
    for module in (profiles, base):
        monkeypatch.setattr(module, "text_encoder", lambda settings: routed)


@pytest.fixture
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """No call of this test starts a worker process."""
    start_no_worker(monkeypatch)


@pytest.fixture
def open_library(no_worker: None, tmp_path: Path) -> Iterator[OpenLibrary]:
    """open_library(*allow, home=tmp_path / "home", **settings): a library, closed when the test ends."""
    with contextlib.ExitStack() as libraries:

        def made(*allow: Path, home: Path = tmp_path / "home", by_hand: bool = False, **more: Any) -> Library:
            return libraries.enter_context(opened(lite(home, *allow, **more), by_hand=by_hand))

        yield made


@pytest.fixture(scope="session")
def real_videos() -> Path:
    """The folder of real files (dev/, edge/, MANIFEST.json); its tests are skipped where it does not exist."""
    if not (SHARED_VIDEOS / "MANIFEST.json").exists():
        pytest.skip(f"no real videos at {SHARED_VIDEOS}")
    return SHARED_VIDEOS
