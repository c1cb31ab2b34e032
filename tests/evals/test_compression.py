"""What compression saves and loses, on clips drawn here: three still pictures of known spans, and a moving one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from agent_tools.compression import prune_frames
from agent_tools.errors import InvalidArgument
from agent_tools.evals.commands import eval_app
from agent_tools.evals.compression.compression import _merged, compression
from agent_tools.evals.compression.encoders import compare, threshold_for
from agent_tools.evals.compression.judges import NAMES, PixelPatches, judge
from agent_tools.evals.compression.recall_plot import draw_recall, lines
from agent_tools.evals.compression.tables import markdown
from agent_tools.evals.films.real_clips import SLACK_S, decode_clip, read_clips, shown
from agent_tools.timeline import Span
from tests.drawing import Pixels, draw, even_times
from tests.models import checkpoints

STILL_S = 16  # of each still picture: a window each, because one that holds a cut stays whole


def still(number: int, width: int, height: int) -> Pixels:
    """Three pictures that stand still, each for STILL_S at 4 fps."""
    coarse = np.random.default_rng(number // (4 * STILL_S)).integers(0, 255, (9, 16, 3)).astype(np.uint8)
    return np.kron(coarse, np.ones((height // 9, width // 16, 1), np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    draw(folder / "still.mp4", even_times(12 * STILL_S, 4.0), picture=still)
    draw(folder / "moving.mp4", even_times(40, 4.0))
    span: dict[str, Any] = {"start_s": 0, "end_s": STILL_S, "text": "the first picture"}
    rows = [
        {
            "name": "still.mp4",
            "width": 320,
            "events": [span | {"start_s": n * STILL_S, "end_s": (n + 1) * STILL_S} for n in range(3)],
            "on_screen_text": [span],
        },
        {"name": "moving.mp4", "width": 320, "events": [span | {"start_s": 4, "end_s": 4.2}], "on_screen_text": []},
        {"name": "sound.mp3", "width": None, "events": [span]},
        {"name": "unseen.mp4", "width": 320},
    ]
    (folder / "MANIFEST.json").write_text(json.dumps({"files": rows}))
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, Any]:
    return compression(folder, context=5_000)


def test_clips_are_the_videos_whose_events_are_known(folder: Path) -> None:
    clips = read_clips(folder)
    assert [clip.name for clip in clips] == ["still.mp4", "moving.mp4"]
    assert [len(clip.events) for clip in clips] == [3, 1]
    seen = decode_clip(clips[1], [(32, 18), (16, 9)])
    assert seen.times_s.tolist() == list(range(10))
    assert seen.between_s.tolist() == [k + 0.5 for k in range(10)]
    assert seen.pictures[(16, 9)].shape == (10, 9, 16, 3)


@pytest.mark.parametrize("text", ["", "[]", '{"files": [{"width": 1, "events": [{}]}]}'])
def test_folder_without_a_fitting_manifest_is_refused_by_name(tmp_path: Path, text: str) -> None:
    if text:
        (tmp_path / "MANIFEST.json").write_text(text)
    with pytest.raises(InvalidArgument, match=r"MANIFEST\.json"):
        read_clips(tmp_path)


def test_moment_is_shown_by_a_frame_within_half_a_second() -> None:
    span = Span(4.0, 4.2)
    assert shown(span, np.array([4.2 + SLACK_S]))
    assert shown(span, np.array([0.0, 3.6]))
    assert not shown(span, np.array([3.4, 4.8]))
    assert not shown(span, np.array([]))


def test_further_steps_are_fed_with_the_frames_that_an_ingest_keeps(report: dict[str, Any]) -> None:
    steps = {row["step"]: row for row in report["steps"] if not row["step"].startswith("uniform")}
    assert list(steps) == [
        *("naive", "LongVU's windows of 16", "kept by an ingest", "resolution", "spatial", "merged"),
    ]
    window, kept = steps["LongVU's windows of 16"], steps["kept by an ingest"]
    tokens = [steps[name]["tokens"] for name in ("naive", "kept by an ingest", "resolution", "spatial", "merged")]
    assert tokens == sorted(tokens, reverse=True)
    assert tokens[0] == 58 * 256
    assert {steps[name]["frames"] for name in ("resolution", "spatial", "merged")} == {kept["frames"]}
    assert kept["frames"] == 3 + 5  # three still pictures, and every other second of the ten that move
    assert window["frames"] <= 3 + 10


def test_both_rules_stand_beside_as_many_frames_at_even_distances(report: dict[str, Any]) -> None:
    names = [row["step"] for row in report["steps"]]
    for rule in ("LongVU's windows of 16", "kept by an ingest"):
        row, even = report["steps"][names.index(rule)], report["steps"][names.index(rule) + 1]
        assert even["step"] == f"uniform, {row['frames']} frames"
        assert (even["frames"], even["tokens"]) == (row["frames"], row["tokens"])


def test_naive_shows_every_moment_and_still_pictures_lose_none(report: dict[str, Any]) -> None:
    naive, window, _, kept = report["steps"][:4]
    for row in (naive, window, kept):
        assert (row["events"], row["texts"]) == (1.0, 1.0)
    assert window["likeness"] > 0.9
    assert kept["lost"] == []


def test_a_step_within_frames_claims_no_recall_of_moments(report: dict[str, Any]) -> None:
    within = report["steps"][-3:]
    assert [row["step"] for row in within] == ["resolution", "spatial", "merged"]
    assert all(row["events"] is None and row["texts"] is None for row in within)
    (line,) = [line for line in markdown(report).splitlines() if line.startswith("| merged")]
    assert line.split(" | ")[-3:-1] == ["-", "-"]
    assert within[0]["high_events"] is not None


def test_merging_goes_on_with_what_pruning_in_space_left() -> None:
    """Sixty tokens of four frames are fewer than the 64 they may become: each stays itself."""
    frame = torch.nn.functional.normalize(torch.randn(196, 8, generator=torch.Generator().manual_seed(1)), dim=1)
    mask = torch.zeros(4, 196, dtype=torch.bool)
    mask[0, :60] = True
    assert _merged(frame.repeat(4, 1, 1), mask) == pytest.approx([1.0] * 60)
    mask[:] = False
    assert _merged(frame.repeat(4, 1, 1), mask) == []


def test_report_is_the_same_each_time_but_for_the_seconds(folder: Path, report: dict[str, Any]) -> None:
    again = compression(folder, context=5_000)
    for row in (*again["steps"], *report["steps"]):
        row.pop("seconds", None)
    assert again == report


def test_threshold_is_found_for_a_number_of_frames() -> None:
    rows = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))

    class Held:
        features = rows

    threshold = threshold_for([Held()], 20)  # type: ignore[list-item]  # it looks at the features alone
    assert len(prune_frames(rows, 16, threshold)) == 20


def test_compare_names_each_judge_as_what_it_is_and_uniform_beside_them(folder: Path) -> None:
    found = compare(("descriptor", "raw-pixels", "gradients"), folder)
    judges = {row["judge"] for row in found["rows"]}
    assert len(judges) == 4
    assert any("pixel-descriptor@" in name for name in judges)
    table = markdown(found)
    assert all(name in table for name in (*judges, "its own threshold", "50% of the frames"))
    at_half = [row["kept"] for row in found["rows"] if row["at"].startswith("50%") and row["judge"] == "uniform"]
    assert at_half == [29]


def test_samplers_keep_to_equal_budgets_and_a_picture_of_the_moment_finds_it(folder: Path) -> None:
    rows = compare(("descriptor",), folder)["samplers"]
    assert {row["budget"] for row in rows if row["of"] == "all clips as one reel"} == {14, 7, 4}
    assert {row["budget"] for row in rows if row["of"] == "each clip alone"} == {6}
    whole = [row for row in rows if row["of"] == "all clips as one reel"]
    assert all(row["kept"] is None or row["kept"] <= row["budget"] for row in whole)
    asked = [row for row in rows if row["sampler"].startswith("query")]
    assert len(asked) == 4
    assert all(row["events"] >= 0.75 for row in asked)


def test_plot_has_a_line_for_each_judge_and_sampler(tmp_path: Path) -> None:
    row = {"judge": "descriptor (p@1)", "share": 0.5, "events": 0.9}
    sampled = {
        "sampler": "query-aware, asked",
        "budget": 10,
        "of": "all clips as one reel",
        "share": None,
        "events": 1.0,
    }
    close = sampled | {"of": "each clip alone"}
    report = {"frames": 40, "rows": [row, row | {"judge": "uniform"}], "samplers": [sampled, close]}
    assert lines(report) == {
        "pruned by descriptor": [(0.5, 0.9)],
        "uniform": [(0.5, 0.9)],
        "sampler: query-aware": [(0.25, 1.0)],
    }
    draw_recall(report, tmp_path / "plot.png")
    with Image.open(tmp_path / "plot.png") as drawn:
        assert drawn.format == "PNG"


def test_a_model_is_named_by_its_folder_and_gives_its_own_tokens(folder: Path, tmp_path: Path) -> None:
    model = judge(str(checkpoints.dinov2(tmp_path / "tiny-dino")))
    assert "tiny-dino" in model.what
    width, height = model.tokens.size
    tokens = model.tokens.tokens(np.zeros((2, height, width, 3), np.uint8))
    assert tokens.shape[0] == 2
    assert tokens.shape[1] * tokens.shape[2] == model.encoder.dim
    report = compression(folder, str(tmp_path / "tiny-dino"))
    assert report["tokens_are"].startswith("patch features of tiny-dino")


@pytest.mark.parametrize("name", NAMES)
def test_judges_give_unit_vectors_of_their_size(name: str) -> None:
    by = judge(name)
    width, height = by.encoder.size
    pictures = np.random.default_rng(0).integers(0, 255, (3, height, width, 3)).astype(np.uint8)
    vectors = by.encoder.encode(pictures)
    assert vectors.shape == (3, by.encoder.dim)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)


def test_pixel_patches_lie_where_their_pixels_lie() -> None:
    picture = np.zeros((1, 112, 112, 3), np.uint8)
    picture[0, 8:16, 16:24] = 200  # row 1, column 2 of the grid
    tokens = PixelPatches().tokens(picture)
    assert tokens.shape == (1, 196, 192)
    assert int(np.abs(tokens[0]).sum(axis=1).argmax()) == 1 * 14 + 2


def test_command_prints_the_table_and_writes_the_numbers(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    shown_text = CliRunner().invoke(eval_app, ["compression", "--data", str(folder), "--json", str(path)])
    assert shown_text.exit_code == 0
    assert "| kept by an ingest |" in shown_text.stdout
    assert json.loads(path.read_text())["clips"] == 2
