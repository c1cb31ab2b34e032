"""train adapter: what it learns, what it refuses, and that a stopped training ends in the same weights."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from agent_tools.cli import app
from agent_tools.errors import EngineError, InvalidArgument, ModelMissing
from agent_tools.grounding import GroundingNetwork
from agent_tools.settings import Settings
from agent_tools.training import loop, recipes, report
from agent_tools.training.adapter import AdapterSettings, start_from_pooling
from agent_tools.training.films import material
from agent_tools.training.loop import LoopSettings
from agent_tools.training.pairs import Pair, Pairs, read_pairs
from tests.conftest import Once
from tests.library import opened
from tests.training.drawn import memory, weights

pytestmark = pytest.mark.slow

SMALL = AdapterSettings(dense_steps=6, sparse_steps=3, hours_steps=3)
LOOP = LoopSettings(batch=4, save_every=2)
Drawn = tuple[Settings, Path]


@pytest.fixture(scope="module")
def drawn(once: Once) -> Drawn:
    return once("memory of drawn vectors", memory)


def job(drawn: Drawn, out: Path, **more: object) -> recipes.Job:
    settings, pairs = drawn
    given = {"loop": LOOP, "date": "2026-01-01", "command": "train adapter", "queries": 4, **more}
    return recipes.Job(settings, pairs, out, **given)  # type: ignore[arg-type]  # what a test gives


def right(measured: dict[str, Any]) -> float:
    """The share of right answers over present and absent events together."""
    silent = (1 - measured["false_positives"]["value"]) * measured["absent"]
    found = measured["R1@0.3"]["value"] * measured["present"]
    share: float = (found + silent) / (measured["present"] + measured["absent"])
    return share


@pytest.mark.train
def test_a_trained_adapter_finds_more_on_held_out_films_than_an_untrained_one(drawn: Drawn, tmp_path: Path) -> None:
    """By the server's own search. R@1 at IoU .3 is higher than that of the search without weights, outside both
    intervals. Right answers (the span where the event is there, silence where it is not) are at least .15 more than
    those of the same network before training, which starts at a rule that finds much and is never silent."""
    settings, pairs = drawn
    recipe = AdapterSettings(dense_steps=200, sparse_steps=30, hours_steps=20)
    made = recipes.train_adapter(
        job(drawn, tmp_path / "trained", loop=LoopSettings(batch=24, rate=3e-3), queries=24), recipe
    )
    config = json.loads((tmp_path / "trained" / "config.json").read_text())
    with opened(settings, by_hand=True) as library:
        given = material(library, read_pairs(pairs).pairs, 1).examples
    torch.manual_seed(0)
    network = GroundingNetwork(32, recipe.seconds)
    start_from_pooling(network, given["train"])
    (tmp_path / "untrained").mkdir()
    save_file(
        {n: v.contiguous() for n, v in network.state_dict().items()}, tmp_path / "untrained" / "model.safetensors"
    )
    (tmp_path / "untrained" / "config.json").write_text(json.dumps(config))
    with opened(
        replace(settings, models=(*settings.models, f"adapter={tmp_path / 'untrained'}")), by_hand=True
    ) as library:
        library.models.picture_words(60)
        asked = report.queries(given["held_out"], 0, 24)
        untrained = report.measured(asked, report.ask(library, asked))
    before, after = made["before"], made["after"]
    assert after["R1@0.3"]["low"] > before["R1@0.3"]["high"], (before, after)
    assert right(after) >= right(untrained) + 0.15, (untrained, after)


def test_a_folder_holds_weights_config_report_and_curves_and_no_state(drawn: Drawn, tmp_path: Path) -> None:
    lines: list[str] = []
    made = recipes.train_adapter(job(drawn, tmp_path / "a"), SMALL, lines.append)
    folder = tmp_path / "a"
    assert sorted(path.name for path in folder.iterdir()) == [
        *("config.json", "curves.png", "model.safetensors", "report.json", "report.md"),
    ]
    config = json.loads((folder / "config.json").read_text())
    assert (config["model_type"], config["dim"], config["seconds"]) == ("hierarchical-adapter", 32, 32)
    assert config["encoder"].startswith("encoder@")
    assert made["data"]["train"] > 100
    assert made["data"]["licences"] == {"CC0": made["data"]["train"] + made["data"]["held_out"]}
    assert made["before"]["present"] == 4
    assert set(made["after"]["R1@0.3"]) == {"value", "low", "high"}
    assert "train adapter" in (folder / "report.md").read_text()
    with Image.open(folder / "curves.png") as picture:
        assert len(picture.getcolors(1 << 20) or []) > 3
    progress = [line for line in lines if "steps/s" in line]
    assert progress[0].startswith("1-A dense: step 2 of 6, loss")
    assert progress[-1].startswith("2 hours: step 3 of 3")
    assert progress[-1].endswith("00:00:00 left")
    with pytest.raises(InvalidArgument, match="holds a model already"):
        recipes.train_adapter(job(drawn, folder), SMALL)


@pytest.mark.parametrize("left_out", ["dense_steps", "sparse_steps", "hours_steps"])
def test_each_stage_can_be_left_out(drawn: Drawn, tmp_path: Path, left_out: str) -> None:
    made = recipes.train_adapter(job(drawn, tmp_path / "a", queries=1), replace(SMALL, **{left_out: 0}))
    assert made["settings"][left_out] == 0
    assert json.loads((tmp_path / "a" / "config.json").read_text())["windows"] == (left_out != "dense_steps")
    settings = drawn[0]
    with opened(replace(settings, models=(*settings.models, f"adapter={tmp_path / 'a'}")), by_hand=True) as library:
        library.models.picture_words(60)
        reader = library.models.segment_reader
        assert (reader.judges, reader.seconds) == (True, 0 if left_out == "dense_steps" else 32)
        if reader.seconds:
            draw = np.random.default_rng(0)
            frames = [draw.normal(size=(count, 32)).astype(np.float32) for count in (32, 20, 1)]
            alone = [reader.windows([one], frames[0][0])[0] for one in frames]
            for (tokens, present), (own, p) in zip(reader.windows(frames, frames[0][0]), alone, strict=True):
                assert torch.allclose(tokens, own, atol=0.03)  # a processor may compute in bfloat16
                assert present == pytest.approx(p, abs=0.03)


def test_without_any_stage_nothing_is_trained(drawn: Drawn, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="All stages are left out"):
        recipes.train_adapter(job(drawn, tmp_path), AdapterSettings(0, 0, 0))


@pytest.fixture(scope="module")
def whole(drawn: Drawn, tmp_path_factory: pytest.TempPathFactory) -> dict[str, torch.Tensor]:
    """The weights of an uninterrupted training."""
    folder = tmp_path_factory.mktemp("whole") / "a"
    recipes.train_adapter(job(drawn, folder, queries=1), SMALL)
    return weights(folder)


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_the_same_seed_gives_the_same_weights_and_another_does_not(
    drawn: Drawn, whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    recipes.train_adapter(job(drawn, tmp_path / "a", queries=1), SMALL)
    assert same(weights(tmp_path / "a"), whole)
    recipes.train_adapter(job(drawn, tmp_path / "b", queries=1, loop=replace(LOOP, seed=1)), SMALL)
    assert not same(weights(tmp_path / "b"), whole)


@pytest.mark.parametrize("at", [1, 7, 11])
def test_ctrl_c_keeps_the_last_step_and_the_next_run_ends_in_the_same_weights(
    drawn: Drawn, whole: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    calls = 0
    step = loop._step

    def pressed(*given: object) -> float | None:
        nonlocal calls
        calls += 1
        if calls == at + 1:
            raise KeyboardInterrupt
        return step(*given)  # type: ignore[arg-type]  # handed on

    with monkeypatch.context() as patch:
        patch.setattr(loop, "_step", pressed)
        with pytest.raises(KeyboardInterrupt):
            recipes.train_adapter(job(drawn, tmp_path / "a"), SMALL)
    assert not (tmp_path / "a" / "config.json").exists()
    with monkeypatch.context() as patch:
        calls = -1000
        patch.setattr(loop, "_step", pressed)
        recipes.train_adapter(job(drawn, tmp_path / "a", queries=1), SMALL)
    assert calls == -1000 + 12 - at  # no step was taken twice
    assert same(weights(tmp_path / "a"), whole)


KILLED = """
import sys
from pathlib import Path
from agent_tools.settings import Settings
from agent_tools.training import recipes
from tests.training.test_adapter import LOOP, SMALL, job
home, models, pairs, out = sys.argv[1:]
settings = Settings.load({}, home=Path(home), profile="lite", models=(models,))
recipes.train_adapter(job((settings, Path(pairs)), Path(out)), SMALL, lambda line: print(line, flush=True))
"""


def test_kill_9_loses_at_most_the_steps_since_the_last_state(
    drawn: Drawn, whole: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    settings, pairs = drawn
    given = [str(settings.home), settings.models[0], str(pairs), str(tmp_path / "a")]
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PYTHONSAFEPATH": "", "PYTHONPATH": root}
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, *given], stdout=subprocess.PIPE, text=True, cwd=root, env=environment
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("1-A dense: step 4"):
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait(60)
    process.stdout.close()
    assert not (tmp_path / "a" / "config.json").exists()
    recipes.train_adapter(job(drawn, tmp_path / "a", queries=1), SMALL)
    assert same(weights(tmp_path / "a"), whole)


def test_a_loss_that_is_no_number_stops_and_keeps_the_last_good_step(
    drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = recipes.AdapterLoss.__call__
    calls: list[int] = []

    def broken(self: object, stage: str, rng: object) -> torch.Tensor:
        calls.append(1)
        loss = whole(self, stage, rng)  # type: ignore[arg-type]  # handed on
        return loss * float("nan") if len(calls) == 6 else loss

    monkeypatch.setattr(recipes.AdapterLoss, "__call__", broken)
    with pytest.raises(EngineError, match=r"1-A dense is no number at step 6\. The weights of step 5 are kept"):
        recipes.train_adapter(job(drawn, tmp_path / "a"), SMALL)
    from safetensors import safe_open

    with safe_open(tmp_path / "a" / recipes.STATE / loop.STATE, "pt") as state:
        assert json.loads(state.metadata()["at"]) == [0, 5]
        assert all(bool(torch.isfinite(state.get_tensor(name)).all()) for name in state.keys())  # noqa: SIM118


def test_a_full_disk_says_so_and_leaves_the_last_state_whole(
    drawn: Drawn, whole: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, calls = loop.save_file, []

    def full(tensors: object, path: Path, said: object) -> None:
        calls.append(1)
        if len(calls) == 3:
            Path(path).write_bytes(b"half")
            raise OSError(28, "No space left on device")
        write(tensors, path, said)  # type: ignore[arg-type]  # handed on

    with monkeypatch.context() as patch:
        patch.setattr(loop, "save_file", full)
        with pytest.raises(EngineError, match=r"cannot be written .* No space left .* goes on from there"):
            recipes.train_adapter(job(drawn, tmp_path / "a"), SMALL)
    assert [path.name for path in (tmp_path / "a" / recipes.STATE).iterdir()] == [loop.STATE]
    recipes.train_adapter(job(drawn, tmp_path / "a", queries=1), SMALL)
    assert same(weights(tmp_path / "a"), whole)


@pytest.mark.parametrize("file", ["model.safetensors", "report.json"])
def test_a_disk_that_is_full_at_the_end_costs_no_step(
    drawn: Drawn, whole: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str
) -> None:
    def full(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(*((recipes, "save_file") if file == "model.safetensors" else (report, "write")), full)
        with pytest.raises(EngineError, match=r"No space left on device\. The training is kept: free space and give"):
            recipes.train_adapter(job(drawn, tmp_path / "a", queries=1), SMALL)
    assert (tmp_path / "a" / "config.json").exists() == (file == "report.json")
    monkeypatch.setattr(loop, "_step", lambda *_given: pytest.fail("a step was taken twice"))
    recipes.train_adapter(job(drawn, tmp_path / "a", queries=1), SMALL)
    assert same(weights(tmp_path / "a"), whole)
    assert (tmp_path / "a" / "report.json").exists()


def test_ctrl_c_ends_the_command_with_what_to_do_next(
    drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pressed(*_given: object) -> float:
        raise KeyboardInterrupt

    settings, pairs = drawn
    monkeypatch.setattr(loop, "_step", pressed)
    given = ["train", "adapter", "--pairs", str(pairs), "--home", str(settings.home), "--models", settings.models[0]]
    done = CliRunner().invoke(app, [*given, "--out", str(tmp_path / "a"), "--profile", "lite"])
    assert done.exit_code == 130
    assert "Stopped. What was learnt is saved: give the same command again to go on." in done.output


def test_a_state_of_other_settings_is_refused(drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = tmp_path / "a" / recipes.STATE / loop.STATE
    with monkeypatch.context() as patch:
        patch.setattr(recipes, "_write_model", lambda *_given: (_ for _ in ()).throw(EngineError("stop here")))
        with pytest.raises(EngineError, match="stop here"):
            recipes.train_adapter(job(drawn, tmp_path / "a"), SMALL)
    with pytest.raises(InvalidArgument, match="interrupted training with other data or settings"):
        recipes.train_adapter(job(drawn, tmp_path / "a"), replace(SMALL, not_present=0.2))
    state.write_bytes(b"no state")
    with pytest.raises(InvalidArgument, match="is no state of a training"):
        recipes.train_adapter(job(drawn, tmp_path / "a"), SMALL)


def test_too_few_pairs_and_missing_videos_are_told_with_numbers(drawn: Drawn, tmp_path: Path) -> None:
    settings, path = drawn
    pairs = read_pairs(path)
    few = tmp_path / "few.json"
    Pairs((*pairs.of("train")[:7], Pair("gone", "a red circle", ((1.0, 2.0),))), "some").write(few)
    lines: list[str] = []
    with pytest.raises(
        InvalidArgument, match=r"7 pairs to train on; at least 40 are needed\. 8 were given, 1 of their"
    ):
        recipes.train_adapter(job((settings, few), tmp_path / "a"), SMALL, lines.append)
    assert [line for line in lines if "1 videos are not in this memory" in line and line.endswith("gone")]


def test_pictures_of_another_encoder_are_named(drawn: Drawn, tmp_path: Path) -> None:
    from tests.models import checkpoints

    settings, path = drawn
    with opened(settings, by_hand=True) as library:
        for row in library.store.videos():
            library.store.set_channel(row.id, "frames", producer=library.models.frame_producer)
    other = replace(settings, models=(f"frames={checkpoints.siglip(tmp_path / 'other', seed=5)}",))
    with pytest.raises(
        InvalidArgument, match=r"12 of 12 videos have pictures of another encoder \(12 by encoder@.*reindex"
    ):
        recipes.train_adapter(job((other, path), tmp_path / "a"), SMALL)
    lite = replace(settings, models=())
    with pytest.raises(InvalidArgument, match="has no text side"):
        recipes.train_adapter(job((lite, path), tmp_path / "a"), SMALL)


def test_a_memory_of_two_encoders_names_the_other_one_and_how_many_videos_it_made(drawn: Drawn, tmp_path: Path) -> None:
    from agent_tools.ingestion.spaces import frame_space
    from tests.models import checkpoints

    settings, path = drawn
    shutil.copytree(settings.home, tmp_path / "home")
    mixed = replace(settings, home=tmp_path / "home")
    with opened(mixed, by_hand=True) as library:
        first = library.models.frame_producer
        for row in library.store.videos():
            library.store.set_channel(row.id, "frames", producer=first)
    other = replace(mixed, models=(f"frames={checkpoints.siglip(tmp_path / 'other', seed=5)}",))
    with opened(other, by_hand=True) as library:
        second = library.models.frame_producer
        for row in library.store.videos()[:7]:
            ids, matrix = library.store.vectors(frame_space(first), row.id)
            library.store.put_vectors(frame_space(second), row.id, ids.tolist(), matrix)
    with pytest.raises(
        InvalidArgument, match=rf"5 of 12 videos .* \(5 by {first}\); the frames model here is {second}"
    ):
        recipes.train_adapter(job((other, path), tmp_path / "a"), SMALL)


def test_an_adapter_of_another_encoder_is_refused_by_the_server(drawn: Drawn, tmp_path: Path) -> None:
    from tests.models import checkpoints

    settings, _ = drawn
    recipes.train_adapter(job(drawn, tmp_path / "a", queries=1), SMALL)
    other = checkpoints.siglip(tmp_path / "other", seed=5)
    models = (f"frames={other}", f"adapter={tmp_path / 'a'}")
    with opened(replace(settings, models=models), by_hand=True) as library:
        assert library.models.picture_words(60) is not None
        with pytest.raises(
            ModelMissing, match=r"trained on vectors of encoder@.*the frames model makes those of other@"
        ):
            _ = library.models.segment_reader


def test_eval_grounding_asks_the_held_out_pairs_of_pictures_with_the_adapter(drawn: Drawn, tmp_path: Path) -> None:
    settings, path = drawn
    recipes.train_adapter(job(drawn, tmp_path / "a", queries=1), SMALL)
    few = tmp_path / "pairs.json"
    Pairs((*read_pairs(path).of("train")[:3], *read_pairs(path).of("held_out")[:4]), "some").write(few)
    given = ["eval", "grounding", str(few), "--home", str(settings.home), "--models", settings.models[0]]
    report_file = tmp_path / "report.json"
    done = CliRunner().invoke(app, [*given, "--models", f"adapter={tmp_path / 'a'}", "--json", str(report_file)])
    assert done.exit_code == 0, done.output
    made = json.loads(report_file.read_text())
    assert made["present"] == 4
    assert made["absent"] == sum(bool(pair.not_in) for pair in read_pairs(few).of("held_out"))
    assert made["verdicts_of_present"] == {"uncertain": 4}
    assert made["frames_processed"] > 0  # windows of the head; relevance curves process none


def test_the_command_trains_with_each_flag_and_says_the_verdict(
    drawn: Drawn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, pairs = drawn
    monkeypatch.setattr(sys, "argv", ["agent-tools", "train", "adapter"])  # what a shell would have given
    given = ["train", "adapter", "--pairs", str(pairs), "--home", str(settings.home), "--models", settings.models[0]]
    given += ["--out", str(tmp_path / "a"), "--steps", "2,2,2", "--batch", "2", "--queries", "3", "--profile", "lite"]
    done = CliRunner().invoke(app, [*given, "--no-hours", "--no-not-present"])
    assert done.exit_code == 0, done.output
    made = json.loads((tmp_path / "a" / "report.json").read_text())
    assert (made["settings"]["hours_steps"], made["settings"]["not_present"]) == (0, 0.0)
    assert made["command"] == "agent-tools train adapter"
    assert "R1@0.3 went from" in done.output
    assert "of the absent events; before, for" in done.output
    wrong = CliRunner().invoke(app, [*given[:-6], "--out", str(tmp_path / "b"), "--steps", "2,2"])
    assert isinstance(wrong.exception, InvalidArgument)
