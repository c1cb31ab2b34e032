"""One vector for a segment: pooled by the question without weights, an adapter's with them, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from agent_tools.errors import InvalidArgument, ModelMissing
from agent_tools.models.profiles import ModelSettings, resolve, segment_reader
from tests.models import checkpoints

WIDTH = 16
FRAMES_MODEL = {"frames": "org/image-text"}


def unit(seed: int, count: int) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, WIDTH)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def reader(folder: Path | None = None) -> Any:
    models = FRAMES_MODEL | ({} if folder is None else {"adapter": str(folder)})
    return segment_reader(ModelSettings(profile="lite", overrides=models, device="cpu"), WIDTH)


def test_the_pooled_vector_leans_towards_the_frame_that_fits_the_question() -> None:
    question, others = unit(0, 1)[0], unit(1, 30)
    without = reader().read(others, question) @ question
    with_one = reader().read(np.concatenate([others, question[None]]), question) @ question
    assert with_one > 0.9 > without
    assert "analogue" in reader().name


def test_an_adapters_vector_changes_with_the_question_and_is_of_length_one(tmp_path: Path) -> None:
    adapter = reader(checkpoints.adapter(tmp_path / "adapter", WIDTH))
    one, other = (adapter.read(unit(1, 5), question) for question in unit(2, 2))
    assert np.linalg.norm(one) == pytest.approx(1.0, abs=1e-5)
    assert not np.allclose(one, other, atol=1e-3)
    assert adapter.name == str(tmp_path / "adapter") or adapter.name == "adapter"


@pytest.mark.parametrize(
    ("config", "said"),
    [({"model_type": "bert"}, "holds a bert model"), ({"dim": 8}, "from 8 to 16"), ({"hidden": 4}, "from 16 to 4")],
)
def test_a_folder_that_is_no_fitting_adapter_is_refused(tmp_path: Path, config: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelMissing, match=said):
        reader(checkpoints.adapter(tmp_path / "adapter", WIDTH, **config))


def test_an_adapter_without_an_image_text_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="adapter reads vectors that words can be compared with"):
        resolve(ModelSettings(profile="lite", overrides={"adapter": str(tmp_path)}))
