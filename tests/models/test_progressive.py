"""Dropout between the layers of tiny random models: what each layer reads, and that nothing else changes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import DynamicCache

from agent_tools.models.devices import Device
from agent_tools.models.hub.folders import Reference, locate
from agent_tools.models.video_llm import progressive
from agent_tools.models.video_llm.generation import Prompt, write
from agent_tools.models.video_llm.local import VideoLlm
from agent_tools.models.video_llm.progressive import StagedDecoder, can_stage, cuts_of, load
from agent_tools.models.video_llm.questions import dense_prompt
from agent_tools.models.video_llm.visual_tokens import TokenSettings
from tests.models import checkpoints

STAGES = TokenSettings().stages
PICTURES = [np.random.default_rng(i).integers(0, 255, (90, 160, 3), dtype=np.uint8) for i in range(6)]
PROMPT = dense_prompt("a red triangle", PICTURES)
FAMILIES = ["qwen2_vl", "qwen2_5_vl", *(["smolvlm"] if find_spec("num2words") else [])]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, VideoLlm]:
    home = tmp_path_factory.mktemp("models")
    made = {
        "qwen2_vl": checkpoints.qwen2_vl(home / "old", side=168, layers=4),
        "qwen2_5_vl": checkpoints.qwen2_vl(home / "new", side=168, layers=4, newer=True),
    }
    if "smolvlm" in FAMILIES:
        made["smolvlm"] = checkpoints.smolvlm(home / "smol", layers=4)
    return {name: loaded(folder) for name, folder in made.items()}


def loaded(folder: Path, **settings: Any) -> VideoLlm:
    found = locate(Reference.of(str(folder)), [], "")
    return VideoLlm(found, device=Device("cpu", "fp32"), tokens=TokenSettings(threshold=1.5, **settings))


def read(model: VideoLlm) -> Prompt:
    with torch.inference_mode():
        found = model._read(model._inputs(PROMPT), len(PICTURES), 4)
    assert found is not None
    return found[0]


def staged(model: VideoLlm) -> StagedDecoder:
    assert model._staged is not None
    return model._staged


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_run_one_by_one_are_the_model(models: dict[str, VideoLlm], family: str) -> None:
    model = models[family]
    prompt = read(model)
    everything = int(prompt.visual.sum()) if prompt.visual is not None else 0
    cut = Prompt(prompt.embeds, prompt.positions, prompt.visual, {1: everything, 3: everything})
    with torch.inference_mode():
        whole = write(model._model, prompt, 6)
        ours = write(model._model, cut, 6, staged(model))
    assert ours.ids == whole.ids
    for one, other in zip(ours.logits, whole.logits, strict=True):
        assert torch.allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_each_layer_reads_what_the_schedule_leaves_it(models: dict[str, VideoLlm], family: str) -> None:
    model = models[family]
    prompt = read(model)
    assert prompt.visual is not None
    seen = int(prompt.visual.sum())
    text = len(prompt.embeds) - seen
    cache = DynamicCache()
    with torch.inference_mode():
        hidden = staged(model)(prompt.embeds[None], prompt.positions, cache, prompt.visual, cuts_of(4, seen, STAGES))
    lengths = [layer.keys.shape[2] for layer in cache.layers]
    assert lengths == [text + seen, *[text + seen * 3 // 4] * 2, text + seen // 4]
    assert hidden.shape[1] == lengths[-1]


@pytest.mark.parametrize("family", FAMILIES)
def test_later_cuts_go_by_the_attention_that_the_model_pays(
    models: dict[str, VideoLlm], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = models[family]
    prompt, decoder = read(model), staged(model)._decoder
    asked: list[Tensor | None] = []
    drop = progressive.drop_tokens

    def spy(count: int, keep: int, scores: Tensor | None = None) -> Tensor:
        asked.append(scores)
        return drop(count, keep, scores)

    monkeypatch.setattr(progressive, "drop_tokens", spy)
    assert prompt.visual is not None
    everything = int(prompt.visual.sum())
    with torch.inference_mode():
        staged(model)(
            prompt.embeds[None], prompt.positions, DynamicCache(), prompt.visual, {1: everything, 3: everything // 4}
        )
    assert asked[0] is None  # the first cut is even
    assert asked[1] is not None
    paid: list[Tensor] = []
    attention = decoder.layers[2].self_attn
    hook = attention.register_forward_hook(lambda _module, _inputs, out: paid.append(out[1]))
    monkeypatch.setattr(decoder.config, "_attn_implementation", "eager")
    with torch.inference_mode():
        decoder(inputs_embeds=prompt.embeds[None], position_ids=prompt.positions, use_cache=False)
    hook.remove()
    assert torch.allclose(asked[1], paid[0][0].mean(dim=0)[-1][prompt.visual], atol=1e-5)


def test_the_schedule_is_that_of_the_paper_on_its_depth() -> None:
    assert cuts_of(28, 8192, STAGES) == {4: 6144, 18: 2048}
    assert load(28, STAGES) == pytest.approx((4 + 14 * 0.75 + 10 * 0.25) / 28)
    assert cuts_of(1, 100, STAGES) == {}
    assert load(1, STAGES) == 1.0


def test_over_the_budget_the_layers_read_no_more_than_it_in_the_mean(tmp_path: Path) -> None:
    model = loaded(checkpoints.qwen2_vl(tmp_path / "tiny", side=168, layers=4), most_tokens=40, low_tokens=9)
    answer = model.answer(PROMPT, 3)
    assert answer.token_report is not None
    assert answer.token_report.steps == (("vision tower", 108), ("spatial pruning", 108), ("merging", 54))
    assert answer.token_report.layers == ((1, 40), (3, 13))
    assert (54 + 40 + 40 + 13) / 4 <= 40
    assert answer.token_report.described.endswith("merging 54, from layer 1 on 40, from layer 3 on 13 tokens")
    assert answer == model.answer(PROMPT, 3)


def test_a_model_that_cannot_be_taken_apart_is_thinned_evenly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = checkpoints.qwen2_vl(tmp_path / "tiny", side=168, layers=4)
    whole = loaded(folder)
    assert whole._layout is not None
    assert can_stage(whole._layout.decoder)
    monkeypatch.setattr(whole._layout.decoder.config, "layer_types", ["full_attention", "sliding_attention"])
    assert not can_stage(whole._layout.decoder)
    monkeypatch.setattr("agent_tools.models.video_llm.local.can_stage", lambda decoder: False)
    answer = loaded(folder, most_tokens=40, low_tokens=9).answer(PROMPT, 3)
    assert answer.token_report is not None
    assert (answer.token_report.steps[-1], answer.token_report.layers) == (("dropout", 40), ())
