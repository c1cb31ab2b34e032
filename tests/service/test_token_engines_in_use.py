"""With a video LLM that runs here, each token engine is in the way of the captions channel and of the closer looks of
ground_event: when it raises, that channel fails, these looks end, and both say so. The models are tiny and random: what
they write means nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
import torch

import agent_tools.ingestion.channels.captions
import agent_tools.memory
import agent_tools.models.video_llm.memory_reader
import agent_tools.models.video_llm.progressive
import agent_tools.models.video_llm.visual_tokens
from agent_tools.errors import EngineError
from agent_tools.ingestion.channels import base
from agent_tools.ingestion.worker import work
from agent_tools.models.routed_text import RoutedText
from agent_tools.models.video_llm.local import VideoLlm
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.settings import Settings
from agent_tools.store import ChannelRow
from agent_tools.types import GroundReply
from tests.drawing import draw, even_times
from tests.library import ingested, start_no_worker
from tests.models import checkpoints

CONTEXT = 175  # of the tiny model: too little for a caption of several pictures, so that every step is taken
TOKENS = agent_tools.models.video_llm.visual_tokens
MEMORY = agent_tools.models.video_llm.memory_reader


def broken(*_args: object, **_kwargs: object) -> NoReturn:
    raise EngineError("taken out by a test")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the tiny models, one drawn video, and a home in which its frames are done."""
    folder = tmp_path_factory.mktemp("all")
    checkpoints.qwen2_vl(folder / "tiny-vl", side=168, context=CONTEXT)
    checkpoints.memaug(folder / "tiny-memaug")
    (folder / "videos").mkdir()
    draw(folder / "videos" / "numbers.mp4", even_times(24, 2), size=(320, 180))
    ingested(made(folder, folder / "home", ()), "numbers.mp4", channels=["frames"])
    return folder


@pytest.fixture(autouse=True)
def _one_encoder(monkeypatch: pytest.MonkeyPatch, routed: RoutedText) -> Iterator[None]:
    threads = torch.get_num_threads()
    start_no_worker(monkeypatch)
    monkeypatch.setitem(Library.__init__.__kwdefaults__, "retry_s", 0.0)
    monkeypatch.setattr(base, "text_encoder", lambda settings: routed)
    yield
    torch.set_num_threads(threads)


def made(folder: Path, home: Path, models: tuple[str, ...]) -> Settings:
    allow = (folder / "videos",)
    return Settings.load({}, home=home, allow=allow, profile="lite", models=models, device="cpu/fp32", threads=1)


def named(folder: Path, memaug: bool) -> tuple[str, ...]:
    return (f"captions={folder / 'tiny-vl'}", *((f"memaug={folder / 'tiny-memaug'}",) if memaug else ()))


def captioned(folder: Path, home: Path, *, memaug: bool) -> tuple[ChannelRow, str, list[Any]]:
    """(the captions channel, the job's state, its entries) after an ingest into a copy of the home."""
    shutil.copytree(folder / "home", home)
    library = Library(made(folder, home, named(folder, memaug)))
    try:
        video_id = ingest_video(library, "numbers.mp4", channels=["captions"], wait_s=0).video_id or ""
        work(library.settings)
        row, job = library.store.channel(video_id, "captions"), library.store.job(video_id)
        assert row is not None
        assert job is not None
        return row, job.state, library.store.entries(video_id, channels=("captions",))
    finally:
        library.close()


@pytest.mark.parametrize("memaug", [False, True])
def test_captions_are_made_with_every_engine_at_work(home: Path, tmp_path: Path, memaug: bool) -> None:
    row, state, entries = captioned(home, tmp_path / "home", memaug=memaug)
    assert (row.state, state) == ("done", "done")
    assert ("memory.tiny-memaug@" in row.producer) == memaug
    steps = ["vision tower", "forgetting"] if memaug else ["vision tower", "spatial pruning", "merging", "dropout"]
    for entry in entries:
        assert all(step in entry.extra["seen"] for step in steps)
    assert entries
    assert row.detail.visual_tokens is not None
    read, given = row.detail.visual_tokens
    assert 0 < read < given == sum(entry.extra["visual_tokens"][1] for entry in entries)


ENGINES = [
    (TOKENS, "prune_tokens", False),
    (TOKENS, "high_resolution", False),
    (TOKENS, "merge_tokens", False),
    (TOKENS, "dropout_schedule", False),
    (TOKENS, "drop_tokens", False),
    (agent_tools.models.video_llm.progressive, "drop_tokens", False),
    (MEMORY, "forget", True),
    (agent_tools.memory.MemAug, "forward", True),
]


def take_out(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> None:
    monkeypatch.setattr(owner, name, broken)
    if (
        owner is agent_tools.models.video_llm.progressive
    ):  # in use where pictures are more than a layer shall read in the mean
        monkeypatch.setitem(VideoLlm.__init__.__kwdefaults__, "tokens", TOKENS.TokenSettings(most_tokens=8))


@pytest.mark.parametrize(
    ("owner", "name", "memaug"), [(agent_tools.ingestion.channels.captions, "sample_times", False), *ENGINES]
)
def test_the_captions_channel_fails_without_its_engine(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, memaug: bool
) -> None:
    take_out(monkeypatch, owner, name)
    row, state, entries = captioned(home, tmp_path / "home", memaug=memaug)
    assert (row.state, state, entries) == ("failed", "failed", [])
    assert "taken out by a test" in (row.error or "")


@pytest.fixture(scope="module")
def opened(home: Path) -> Iterator[dict[bool, Library]]:
    """Libraries over the home, without a memaug and with one; models load once."""
    found = {one: Library(made(home, home / "home", named(home, one))) for one in (False, True)}
    yield found
    for library in found.values():
        library.close()


def looked(library: Library) -> GroundReply:
    """ground_event's answer for an event that pictures alone could show."""
    assert library.models.text(60) is not None
    return ground_event(library, event="a red triangle", video_id=library.store.videos()[0].id)


@pytest.mark.parametrize("memaug", [False, True])
def test_ground_event_looks_closer_with_every_engine_at_work(opened: dict[bool, Library], memaug: bool) -> None:
    reply = looked(opened[memaug])
    assert reply.coverage is not None
    told = re.search(
        r"looks by tiny-vl \(\d+ pictures, (\d+) of (\d+) visual tokens read\)", str(reply.coverage.channels)
    )
    assert told is not None
    assert int(told[1]) < int(told[2])
    assert not any("closer looks failed" in hint for hint in reply.hints)


@pytest.mark.parametrize(("owner", "name", "memaug"), ENGINES)
def test_the_closer_looks_of_ground_event_end_without_their_engine(
    opened: dict[bool, Library], monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, memaug: bool
) -> None:
    take_out(monkeypatch, owner, name)
    library = opened[memaug]
    if owner is agent_tools.models.video_llm.progressive:  # what take_out sets is read when a model is loaded
        monkeypatch.setattr(library.models, "_closer", None)
    reply = looked(library)
    assert any("closer looks failed" in hint and "taken out by a test" in hint for hint in reply.hints)
    assert reply.verdict == "uncertain"
