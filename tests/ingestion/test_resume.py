"""An ingest that was ended in its pass over the pictures and taken up again: with what it was begun with it goes on,
with anything else it begins anew, and either way it ends as one that nobody ended."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from agent_tools.compression import KeepRule
from agent_tools.ingestion.channels import frames
from agent_tools.ingestion.control import Stopped
from agent_tools.ingestion.worker import work
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.query_models import QueryModels
from agent_tools.service.token_costs import budget
from agent_tools.settings import Settings
from agent_tools.store import ChannelDetail, SqliteMemory
from tests.drawing import Pixels, draw, even_times
from tests.ingestion.toys import Levels, Pictures, Words, use
from tests.library import start_no_worker

pytestmark = pytest.mark.slow

SECONDS, FPS = 80, 2
SEARCH = "pictures@1/1"


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    def scene(number: int, width: int, height: int) -> Pixels:
        blocks = np.random.default_rng(number // 12).integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8)
        return np.kron(blocks, np.ones((20, 20, 1), np.uint8))

    return draw(tmp_path_factory.mktemp("films") / "film.mp4", even_times(SECONDS * FPS, FPS), picture=scene)


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    start_no_worker(monkeypatch)
    monkeypatch.setattr(QueryModels, "warm", lambda self: None)
    use(monkeypatch, text=Words("words@1/1"), ocr=Levels())
    monkeypatch.setitem(Library.__init__.__kwdefaults__, "retry_s", 0.0)


def judged_by(patch: pytest.MonkeyPatch, producer: str, same: float, stop_at: int | None = None) -> Pictures:
    def hook(before: int) -> None:
        if before == stop_at:
            raise Stopped("stop")

    judge = Pictures(producer, hook=hook)
    rule = KeepRule(same=same, cut=-2.0, gap_s=0.0, long_gap_s=0.0, change_s=0.0)
    patch.setattr(frames.Frames, "rule", rule)
    patch.setattr(frames, "frame_encoder", lambda _: Pictures(SEARCH))
    patch.setattr(frames, "redundancy_encoder", lambda _: judge)
    return judge


def ingested(home: Path, film: Path, fps: float) -> tuple[Any, ...]:
    """What an ingest, or another go at one, leaves of pictures and of what they show; and the budget that follows."""
    library = Library(Settings.load({}, home=home, allow=(film.parent,), profile="lite", fps=fps))
    with contextlib.closing(library):
        ingest_video(library, film.name, wait_s=0)
        work(library.settings)
        store, (video,) = library.store, library.store.videos()
        row = store.channel(video.id, "frames")
        spaces = [(space, *(part.tolist() for part in store.vectors(space, video.id))) for space in store.spaces()]
        memories = [(one.key, one.vectors.tolist()) for one in SqliteMemory(store).read_all(video.id, "frames")]
        texts = [(one.start_s, one.end_s, one.text) for one in store.entries(video.id)]
        told = budget(library, video) if row is not None and row.state == "done" else None
        return row and (row.state, row.entries, row.detail), store.frames(video.id), spaces, memories, texts, told


OTHERS = {
    "finer": (1.0, "judge@1", 0.9, 2.0, "judge@1", 0.9),
    "coarser": (2.0, "judge@1", 0.9, 1.0, "judge@1", 0.9),
    "judge": (2.0, "judge@1", 0.9, 2.0, "judge@2", 0.9),
    "rule": (2.0, "judge@1", 0.9, 2.0, "judge@1", 0.2),
}


@pytest.mark.parametrize("case", OTHERS.values(), ids=OTHERS)
def test_taken_up_under_other_settings_it_begins_anew(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: tuple[Any, ...]
) -> None:
    fps, judge, same, then_fps, then_judge, then_same = case
    judged_by(monkeypatch, judge, same, stop_at=3)
    assert len(ingested(tmp_path / "home", film, fps)[1]) == 48
    again = judged_by(monkeypatch, then_judge, then_same)
    taken_up = ingested(tmp_path / "home", film, then_fps)
    assert sum(again.seen) == SECONDS * then_fps
    judged_by(monkeypatch, then_judge, then_same)
    assert taken_up == ingested(tmp_path / "fresh", film, then_fps)


def test_taken_up_under_the_same_settings_it_goes_on(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judged_by(monkeypatch, "judge@1", 0.9, stop_at=3)
    ingested(tmp_path / "home", film, FPS)
    again = judged_by(monkeypatch, "judge@1", 0.9)
    taken_up = ingested(tmp_path / "home", film, FPS)
    assert sum(again.seen) == SECONDS * FPS - 48
    judged_by(monkeypatch, "judge@1", 0.9)
    assert taken_up == ingested(tmp_path / "fresh", film, FPS)


@pytest.mark.parametrize("fps", [0.5, 2.0])
def test_the_budget_counts_by_the_rate_and_the_judge_of_the_ingest(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fps: float
) -> None:
    judged_by(monkeypatch, "judge@1", 2.0)  # nothing is pruned: as many are kept as were looked at
    told = ingested(tmp_path / "home", film, fps)[-1]
    count = SECONDS * fps
    assert (told["pictures_looked_at"], told["frames_kept"], told["naive_tokens"]) == (count, count, count * 256)
    assert told["steps"][0] == {"step": "naive", "frames": count, "tokens": count * 256}
    assert told["judged_by"] == "judge@1"


@pytest.mark.parametrize(
    "detail", [ChannelDetail(fps=2.0, judge="judge@1"), ChannelDetail()], ids=["now", "older version"]
)
def test_the_budget_of_a_file_whose_header_understates_its_length_counts_its_pictures(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, detail: ChannelDetail
) -> None:
    judged_by(monkeypatch, "judge@1", 2.0)
    ingested(tmp_path / "home", film, FPS)
    library = Library(Settings.load({}, home=tmp_path / "home", profile="lite"))
    with contextlib.closing(library):
        (video,) = library.store.videos()
        library.store.update_video(video.id, duration_s=20.0)
        library.store.set_channel(video.id, "frames", detail=detail)
        told = budget(library, library.video(video.id))
    assert told["naive_tokens"] == SECONDS * FPS * 256
    assert told["judged_by"] == detail.judge
    assert told["assumed"] == ["spatial", "merged"]
