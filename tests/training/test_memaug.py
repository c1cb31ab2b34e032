"""train memaug: what a reader is given, that only memory reaches what was forgotten, and how the folder is used."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from agent_tools.cli import app
from agent_tools.errors import InvalidArgument, ModelMissing
from agent_tools.memory import PlaceReader
from agent_tools.service.ground_event import ground_event
from agent_tools.settings import Settings
from agent_tools.training import loop, recipes
from agent_tools.training.films import Example, material, shortened
from agent_tools.training.memaug import (
    FORGOTTEN,
    REMEMBERED,
    MemaugSettings,
    read,
    right_places,
    start_from_films,
    view_of,
)
from agent_tools.training.pairs import read_pairs
from tests.conftest import Once
from tests.library import opened
from tests.models import checkpoints
from tests.training.drawn import memory, weights
from tests.training.test_adapter import Drawn, job, same

pytestmark = pytest.mark.slow

SMALL = MemaugSettings(short_steps=2, long_steps=3, most_frames=100, depth=1)


@pytest.fixture(scope="module")
def drawn(once: Once) -> Drawn:
    return once("memory of drawn vectors", memory)


@pytest.fixture(scope="module")
def examples(drawn: Drawn) -> list[Example]:
    settings, pairs = drawn
    with opened(settings, by_hand=True) as library:
        return material(library, read_pairs(pairs).pairs, 1).examples["train"]


def test_a_forgotten_span_has_no_frame_in_the_view_and_a_kept_one_has(examples: list[Example]) -> None:
    for one in examples[:40]:
        for forgotten in (True, False):
            view = view_of(one, SMALL, forgotten)
            middles = (view.kept.double() + 0.5) * view.step_s
            inside = [(middles >= a - view.step_s / 2) & (middles <= b + view.step_s / 2) for a, b in one.spans]
            assert bool(torch.stack(inside).any()) is not forgotten
            assert len(view.frames) == 100
            assert 1 <= int(view.right.sum()) < len(view.kept) / 2


def test_a_short_video_is_a_piece_around_the_span(examples: list[Example]) -> None:
    for one, short in zip(examples[:40], shortened(examples[:40], 120.0), strict=True):
        assert short.film.duration_s <= 120.0
        length = one.spans[0][1] - one.spans[0][0]
        assert any(b - a == pytest.approx(length) and 0 <= a < b <= 120.0 for a, b in short.spans)
        (a, _), (c, _) = one.spans[0], short.spans[0]
        assert torch.equal(one.film.each_second(a, 3), short.film.each_second(c, 3))


def test_only_memory_reaches_a_frame_that_is_not_in_the_view(examples: list[Example]) -> None:
    torch.manual_seed(0)
    network = PlaceReader(32, 2, 4).eval()
    view = view_of(examples[0], SMALL, forgotten=True)
    gone = next(place for place in range(100) if place not in view.kept.tolist())
    changed = view.frames.clone()
    changed[gone] = torch.randn(32, generator=torch.Generator().manual_seed(1))
    for has_memory in (True, False):
        before, after = (
            read(network, replace(view, frames=frames), examples[0].question, has_memory, "cpu")
            for frames in (view.frames, changed)
        )
        assert torch.equal(before, after) is not has_memory


def test_before_training_memory_finds_forgotten_spans_that_the_view_alone_does_not(drawn: Drawn) -> None:
    """By the rule that a reader starts at, for three seeds of the weights that the rule leaves random."""
    settings, pairs = drawn
    with opened(settings, by_hand=True) as library:
        given = material(library, read_pairs(pairs).pairs, 1).examples["train"]
    for seed in range(3):
        torch.manual_seed(seed)
        network = PlaceReader(32, 2, 4).eval()
        start_from_films(network, given)
        found = {
            memory: right_places(network, given, replace(SMALL, most_frames=600, memory=memory), "cpu", 60)
            for memory in (True, False)
        }
        assert found[True][FORGOTTEN]["value"] >= found[False][FORGOTTEN]["value"] + 0.05
        assert found[True][REMEMBERED]["value"] >= 0.4


def test_a_stopped_training_goes_on_to_the_same_weights_and_loads(
    drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes.train_memaug(job(drawn, tmp_path / "whole"), SMALL)
    calls, step = [], loop._step

    def pressed(*given: object) -> float | None:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return step(*given)  # type: ignore[arg-type]  # handed on

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_step", pressed)
        with pytest.raises(KeyboardInterrupt):
            recipes.train_memaug(job(drawn, tmp_path / "a"), SMALL)
    made = recipes.train_memaug(job(drawn, tmp_path / "a"), SMALL)
    assert same(weights(tmp_path / "a"), weights(tmp_path / "whole"))
    assert set(made["after"]) == {"queries", "right, span forgotten", "right, span kept"}
    with pytest.raises(InvalidArgument, match="both left out"):
        recipes.train_memaug(job(drawn, tmp_path / "b"), MemaugSettings(0, 0))


def test_the_server_chooses_segments_by_one_read_of_the_whole_video(
    drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, pairs = drawn
    recipes.train_memaug(job(drawn, tmp_path / "a"), SMALL)
    read_whole, calls = PlaceReader.forward, []

    def counted(self: PlaceReader, frames: torch.Tensor, *rest: torch.Tensor) -> torch.Tensor:
        calls.append(len(frames))
        return read_whole(self, frames, *rest)

    monkeypatch.setattr(PlaceReader, "forward", counted)
    models = (*settings.models, f"memaug={tmp_path / 'a'}")
    pair = read_pairs(pairs).of("held_out")[0]
    with opened(replace(settings, models=models), by_hand=True) as library:
        assert library.models.picture_words(60) is not None
        reply = ground_event(library, event=pair.sentence, video_id=pair.video, channels=["frames"])
    assert calls == [600]
    assert [level.window_s for level in reply.levels or []] == [180.0, 45.0]


def test_a_memaug_of_another_encoder_or_for_no_model_here_is_refused(drawn: Drawn, tmp_path: Path) -> None:
    settings, _ = drawn
    recipes.train_memaug(job(drawn, tmp_path / "a"), SMALL)
    other = checkpoints.siglip(tmp_path / "other", seed=5)

    def loaded(given: Settings) -> None:
        with opened(given, by_hand=True) as library:
            assert library.models.picture_words(60) is not None
            _ = library.models.picture_memory

    with pytest.raises(ModelMissing, match=r"trained on vectors of encoder@.* makes those of other@"):
        loaded(replace(settings, models=(f"frames={other}", f"memaug={tmp_path / 'a'}")))
    config = tmp_path / "a" / "config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "encoder": None}))
    with pytest.raises(ModelMissing, match="is a MemAug for a captions model, and none runs here"):
        loaded(replace(settings, models=(*settings.models, f"memaug={tmp_path / 'a'}")))


def test_the_command_trains_short_to_long_without_memory(drawn: Drawn, tmp_path: Path) -> None:
    settings, pairs = drawn
    given = ["train", "memaug", "--pairs", str(pairs), "--home", str(settings.home), "--models", settings.models[0]]
    given += ["--out", str(tmp_path / "a"), "--steps", "1,1", "--batch", "2", "--queries", "3", "--profile", "lite"]
    done = CliRunner().invoke(app, [*given, "--without-memory", "--depth", "1"])
    assert done.exit_code == 0, done.output
    made = json.loads((tmp_path / "a" / "report.json").read_text())
    assert (made["settings"]["memory"], made["settings"]["short_steps"]) == (False, 1)
    assert "written" in done.output
