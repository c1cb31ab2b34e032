"""What becomes of visual tokens between vision tower and language model. The models are tiny and random: what holds is
which tokens are read, and where; their answers mean nothing."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from agent_tools.errors import ModelMissing, TokenBudgetError
from agent_tools.models.devices import Device
from agent_tools.models.hub.folders import Reference, locate
from agent_tools.models.video_llm import local, token_layouts
from agent_tools.models.video_llm.generation import write
from agent_tools.models.video_llm.local import VideoLlm
from agent_tools.models.video_llm.questions import Answer, TokenReport, caption, dense_prompt
from agent_tools.models.video_llm.token_layouts import LayoutFamilies
from agent_tools.models.video_llm.visual_tokens import PictureTokens, TokenSettings, compress
from tests.models import checkpoints

SIDE = 168  # px: a picture of 90 x 160 is 18 tokens of the tiny Qwen models
RANDOM = [np.random.default_rng(i).integers(0, 255, (90, 160, 3), dtype=np.uint8) for i in range(12)]
QUESTION = "a red triangle"
FAMILIES = ["qwen2_vl", "qwen2_5_vl", *(["smolvlm", "smolvlm in tiles"] if find_spec("num2words") else [])]


def load(folder: Path, **more: Any) -> VideoLlm:
    return VideoLlm(locate(Reference.of(str(folder)), [], ""), device=Device("cpu", "fp32"), **more)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    home = tmp_path_factory.mktemp("models")
    made = {
        "qwen2_vl": checkpoints.qwen2_vl(home / "tiny-qwen2-vl", side=SIDE),
        "qwen2_5_vl": checkpoints.qwen2_vl(home / "tiny-qwen2.5-vl", side=SIDE, newer=True),
        "memaug": checkpoints.memaug(home / "tiny-memaug"),
    }
    if "smolvlm" in FAMILIES:
        made["smolvlm"] = checkpoints.smolvlm(home / "tiny-smolvlm")
        made["smolvlm in tiles"] = checkpoints.smolvlm(home / "tiny-smolvlm-tiles", tiles=True)
    return made


@pytest.fixture(scope="module")
def qwen(folders: dict[str, Path]) -> VideoLlm:
    return load(folders["qwen2_vl"])


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Callable[[VideoLlm], list[tuple[int, Tensor]]]:
    """Watch a model: (tokens, positions) of each pass through its language model."""

    def watch(model: VideoLlm) -> list[tuple[int, Tensor]]:
        passes: list[tuple[int, Tensor]] = []
        assert model._layout is not None
        turn = model._layout.decoder.rotary_emb
        forward = turn.forward

        def seen(hidden: Tensor, position_ids: Tensor) -> Any:
            passes.append((hidden.shape[1], position_ids))
            return forward(hidden, position_ids)

        monkeypatch.setattr(turn, "forward", seen)
        return passes

    return watch


# -- the decoding


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("prompt", [dense_prompt(QUESTION, RANDOM[:5]), ["is a man eating food ?"]])
def test_without_compression_the_logits_and_the_text_are_those_of_generate(
    folders: dict[str, Path], family: str, prompt: list[Any]
) -> None:
    model = load(folders[family], tokens=None)
    inputs = model._inputs(prompt)
    count = sum(not isinstance(part, str) for part in prompt)
    with torch.inference_mode():
        read = model._read(inputs, count, 8)
        assert read is not None
        ours, theirs = write(model._model, read[0], 8), model._generate_with_all_tokens(inputs, 8)
    assert ours.ids == theirs.ids
    for one, other in zip(ours.logits, theirs.logits, strict=True):
        assert torch.allclose(one, other, atol=1e-4)
    answer = model.answer(prompt, 8)
    text = model._processor.tokenizer.decode(theirs.ids, skip_special_tokens=True)
    assert answer.text == text.strip()
    assert len(answer.entropies) == len(theirs.ids)


@pytest.mark.parametrize("family", FAMILIES)
def test_different_pictures_are_read_as_without_compression(folders: dict[str, Path], family: str) -> None:
    keep_all = TokenSettings(threshold=1.5)  # no cosine is as high
    prompt = dense_prompt(QUESTION, RANDOM[:4])
    whole, kept = load(folders[family], tokens=None).answer(prompt, 4), load(folders[family], tokens=keep_all)
    answer = kept.answer(prompt, 4)
    assert answer.text == whole.text
    assert answer.entropies == pytest.approx(whole.entropies, abs=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("most", [8192, 60, 7])
def test_the_language_model_reads_as_many_tokens_as_the_answer_says(
    folders: dict[str, Path], family: str, most: int, read: Any
) -> None:
    model = load(folders[family], tokens=TokenSettings(most_tokens=most, low_tokens=3))
    passes = read(model)
    prompt = dense_prompt(QUESTION, [*RANDOM[:1] * 6, *RANDOM[1:3]])
    given = model._inputs(prompt)["input_ids"].shape[1]
    seen = model.answer(prompt, 2).token_report
    assert seen is not None
    assert passes[0][0] == given - seen.given + seen.read
    assert seen.read <= most or mean_read(model, seen) <= most
    assert [left for _, left in seen.steps] == sorted((left for _, left in seen.steps), reverse=True)
    assert seen.read < seen.given


def mean_read(model: VideoLlm, seen: TokenReport) -> float:
    """Visual tokens that a layer reads in the mean."""
    assert model._staged is not None
    reading, total = seen.read, 0
    for layer in range(model._staged.depth):
        reading = dict(seen.layers).get(layer, reading)
        total += reading
    return total / model._staged.depth


def test_kept_tokens_keep_the_positions_that_the_model_gave_them(qwen: VideoLlm, read: Any) -> None:
    prompt = dense_prompt(QUESTION, [*RANDOM[:1] * 5, RANDOM[1]])
    inputs = qwen._inputs(prompt)
    whole = qwen._model.model.get_rope_index(
        inputs["input_ids"], mm_token_type_ids=inputs["mm_token_type_ids"], image_grid_thw=inputs["image_grid_thw"]
    )[0]
    passes = read(qwen)
    qwen.answer(prompt, 3)
    positions = passes[0][1]
    columns = {tuple(column) for column in whole[:, 0].T.tolist()}
    assert {tuple(column) for column in positions[:, 0].T.tolist()} < columns
    assert (positions[:, 0, -1] == whole[:, 0, -1]).all()  # the text behind the pictures stands where it stood
    following = [int(one[1].max()) for one in passes[1:]]
    assert following == [int(whole.max()) + 1 + step for step in range(len(following))]


# -- the steps


def test_a_static_film_collapses_to_its_first_pictures(qwen: VideoLlm) -> None:
    seen = qwen.answer(dense_prompt(QUESTION, RANDOM[:1] * 16), 1).token_report
    assert seen is not None
    assert seen.steps == (("vision tower", 16 * 18), ("spatial pruning", 2 * (18 + 7)))  # two windows of 8
    assert seen.described == "16 pictures: vision tower 288, spatial pruning 50 tokens"


@pytest.mark.skipif(len(FAMILIES) < 4, reason="num2words is not installed")
def test_the_tiles_of_a_picture_are_compared_with_those_at_their_place(folders: dict[str, Path]) -> None:
    seen = load(folders["smolvlm in tiles"]).answer(dense_prompt(QUESTION, RANDOM[:1] * 8), 1).token_report
    assert seen is not None
    assert seen.steps == (("vision tower", 8 * 5 * 4), ("spatial pruning", 5 * 4 + 7))  # four tiles, the whole


def test_pictures_of_another_size_are_not_compared(qwen: VideoLlm) -> None:
    large, small = RANDOM[0], RANDOM[0][:, :90]
    seen = qwen.answer(dense_prompt(QUESTION, [large, small, small]), 1).token_report
    assert seen is not None
    first, second = seen.steps[0][1], seen.steps[1][1]
    assert second == 18 + (first - 18) // 2 + 1


def test_over_the_budget_the_question_chooses_who_keeps_the_fine_grid() -> None:
    question = torch.tensor([[1.0, 0.0, 0.0]])
    far, near = torch.tensor([0.0, 1.0, 0.2]), torch.tensor([1.0, 0.2, 0.1])
    pictures = [drawn(far, 0), drawn(near, 1), drawn(far, 2), drawn(far, 3)]
    found = compress(pictures, question, 30, TokenSettings(threshold=1.5, low_tokens=4, clip=2))
    assert found.report.steps == (("vision tower", 64), ("spatial pruning", 64), ("merging", 4 + 16 + 8))
    assert found.report.fine == 1
    assert torch.isin(pictures[1].columns, found.columns).all()
    assert (found.columns.diff() > 0).all()
    tokens = found.tokens[torch.isin(found.columns, pictures[1].columns)]
    assert torch.equal(tokens, pictures[1].tokens)


def test_a_merged_token_stands_where_its_first_source_stood() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0], [0.6, 0.8]])
    picture = PictureTokens(rows, torch.tensor([5, 6, 7, 8]), (4,))
    found = compress([picture], torch.zeros(0, 2), 3, TokenSettings(low_tokens=3))
    assert found.columns.tolist() == [5, 7, 8]
    assert found.tokens[0].tolist() == pytest.approx([0.95, 0.05])


def test_what_no_merging_brings_into_the_budget_is_thinned_evenly() -> None:
    pictures = [drawn(torch.tensor([1.0, 0.0, 0.0]), number) for number in range(6)]
    found = compress(pictures, torch.zeros(0, 3), 9, TokenSettings(threshold=1.5, low_tokens=2))
    assert found.report.steps[-2:] == (("merging", 12), ("dropout", 9))
    assert len(found.tokens) == 9


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 60), st.integers(1, 8), st.integers(0, 10**6))
def test_the_budget_holds_and_columns_rise(count: int, size: int, budget: int, low: int, seed: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    pictures = [
        PictureTokens(torch.randn(size, 5, generator=draw), torch.arange(size) + number * (size + 2), (size,))
        for number in range(count)
    ]
    found = compress(pictures, torch.randn(3, 5, generator=draw), budget, TokenSettings(low_tokens=low))
    assert len(found.tokens) == len(found.columns) == found.report.read <= budget
    assert found.report.given == count * size
    assert (found.columns.diff() > 0).all()
    assert torch.isin(found.columns, torch.cat([one.columns for one in pictures])).all()


def drawn(mean: Tensor, number: int) -> PictureTokens:
    """A picture of 16 tokens around a mean, 4 columns of text before it."""
    draw = torch.Generator().manual_seed(number)
    return PictureTokens(mean + 0.1 * torch.randn(16, 3, generator=draw), torch.arange(16) + 20 * number + 4, (16,))


@pytest.mark.parametrize("wrong", [{"most_tokens": 0}, {"window": 0}, {"low_tokens": -1}, {"least_tokens": -1}])
def test_settings_that_cannot_be_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(TokenBudgetError, match="at least"):
        TokenSettings(**wrong)  # type: ignore[arg-type]  # none of these is the threshold


# -- families without a layout


def test_another_familys_pictures_go_in_whole_and_it_says_so(folders: dict[str, Path]) -> None:
    prompt = dense_prompt(QUESTION, RANDOM[:4])
    whole = load(folders["qwen2_vl"], tokens=None).answer(prompt, 4)
    families = LayoutFamilies(m_rope=frozenset())
    model = load(folders["qwen2_vl"], families=families)
    answer = model.answer(prompt, 4)
    assert model.producer.endswith("/greedy,tokens.whole")
    assert answer.token_report is not None
    assert answer.token_report.note == "tokens whole: the layout of qwen2_vl models is not known here"
    assert (answer.text, answer.entropies) == (whole.text, pytest.approx(whole.entropies, abs=1e-4))
    with pytest.raises(ModelMissing, match="memaug cannot serve it, the layout of qwen2_vl models is not known"):
        load(folders["qwen2_vl"], families=families, memaug=locate(Reference.of(str(folders["memaug"])), [], ""))


def test_pictures_that_lie_otherwise_than_known_go_in_whole(qwen: VideoLlm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_layouts.Layout, "pictures", lambda *_: None)
    seen = qwen.answer(dense_prompt(QUESTION, RANDOM[:2]), 1).token_report
    assert seen is not None
    assert seen.note.startswith("tokens whole: this prompt's pictures do not lie")


def test_the_producer_names_how_tokens_are_read(folders: dict[str, Path]) -> None:
    folder = folders["qwen2_vl"]
    assert load(folder).producer.endswith(f"/greedy,{TokenSettings().described}")
    assert TokenSettings().described != TokenSettings(threshold=0.7).described
    assert load(folder, tokens=None).producer.endswith("/greedy")
    memaug = locate(Reference.of(str(folders["memaug"])), [], "")
    assert "/greedy,memory.tiny-memaug@" in load(folder, tokens=None, memaug=memaug).producer
    assert f"/greedy,{TokenSettings().described},memory." in load(folder, memaug=memaug).producer


# -- memory


def remembered(folders: dict[str, Path], memaug: Path | None, pictures: list[Any]) -> Answer:
    found = None if memaug is None else locate(Reference.of(str(memaug)), [], "")
    return load(folders["qwen2_vl"], tokens=None, memaug=found).answer(dense_prompt(QUESTION, pictures), 3)


def test_a_memaug_gives_the_language_model_its_tokens(folders: dict[str, Path], tmp_path: Path) -> None:
    without, with_it = (remembered(folders, one, RANDOM[:3]) for one in (None, folders["memaug"]))
    other = remembered(folders, checkpoints.memaug(tmp_path / "other", seed=1), RANDOM[:3])
    assert with_it.token_report is not None
    assert [name for name, _ in with_it.token_report.steps] == ["vision tower", "forgetting"]
    assert 0 < with_it.token_report.read < with_it.token_report.given == 3 * 18
    assert len({without.entropies, with_it.entropies, other.entropies}) == 3
    assert remembered(folders, folders["memaug"], RANDOM[:3]) == with_it


def test_a_forgotten_token_still_reaches_the_answer(folders: dict[str, Path]) -> None:
    """The last column of the second picture's grid is forgotten here; without memory nothing else would tell it."""
    memaug = locate(Reference.of(str(folders["memaug"])), [], "")
    model = load(folders["qwen2_vl"], memaug=memaug)
    inputs = model._inputs(dense_prompt(QUESTION, RANDOM[:3]))
    assert model._layout is not None
    assert model._memory is not None
    with torch.inference_mode():
        pictures = model._layout.pictures(inputs, 3)
        assert pictures is not None
        ends, question = torch.ones(3, 32), torch.ones(2, 32)
        first = model._memory.read(pictures, ends, question, 999)
        assert first is not None
        gone = next(c for c in pictures[1].columns.tolist() if c not in first.columns.tolist())
        pictures[1].tokens[pictures[1].columns == gone] += 3.0
        second = model._memory.read(pictures, ends, question, 999)
    assert second is not None
    assert torch.equal(first.columns, second.columns)
    assert not torch.allclose(first.tokens, second.tokens, atol=1e-4)


def test_pictures_of_several_sizes_are_compressed_and_memory_says_so(folders: dict[str, Path]) -> None:
    answer = remembered(folders, folders["memaug"], [RANDOM[0], RANDOM[1][:, :90]])
    assert answer.token_report is not None
    assert answer.token_report.note == "memory not read: the pictures are of several sizes"


WRONG: list[tuple[Callable[[Path], object], str]] = [
    (lambda folder: None, "is not a folder"),
    (lambda folder: folder.mkdir(), "holds no config.json"),
    (lambda folder: checkpoints.dinov2(folder), "holds a dinov2 model, no MemAug"),
    (lambda folder: checkpoints.memaug(folder, dim=64), "for tokens 64 wide; those of the captions model are 32 wide"),
    (lambda folder: checkpoints.memaug(folder, depth="2"), "in whole numbers"),
    (lambda folder: checkpoints.memaug(folder, heads=5), r"each must divide the one before.*Get the model again"),
    (lambda folder: checkpoints.memaug(folder, depth=2), r"does not fit its config\.json"),
    (
        lambda folder: (checkpoints.memaug(folder) / "model.safetensors").write_bytes(b"torn"),
        r"model\.safetensors does not load",
    ),
]


@pytest.mark.parametrize(("make", "told"), WRONG)
def test_a_folder_that_holds_no_fitting_memaug_is_told(
    folders: dict[str, Path], tmp_path: Path, make: Callable[[Path], object], told: str
) -> None:
    make(tmp_path / "memaug")
    with pytest.raises(ModelMissing, match=told):
        remembered(folders, tmp_path / "memaug", RANDOM[:1])


def test_a_caption_says_what_was_read_of_the_pictures(qwen: VideoLlm) -> None:
    seen = caption(qwen, RANDOM[:1] * 2).token_report
    assert seen is not None
    assert (seen.given, seen.read) == (36, 19)
    assert local.DEFAULT.window == 8
