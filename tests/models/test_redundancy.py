from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from agent_tools.compression import prune_frames
from agent_tools.errors import ModelMissing
from agent_tools.models.devices import Device
from agent_tools.models.hub.folders import Reference, locate
from agent_tools.models.redundancy import Redundancy
from tests.models import checkpoints

CPU = Device("cpu", "fp32")


def loaded(folder: Path) -> Redundancy:
    return Redundancy(locate(Reference.of(str(folder)), [], ""), device=CPU)


@pytest.fixture(scope="module")
def dinov2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.dinov2(tmp_path_factory.mktemp("models") / "tiny-dinov2")


def noise(count: int, size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 255, (count, size[1], size[0], 3), dtype=np.uint8)


def test_the_vector_is_all_patch_features_flattened_without_the_class_token(dinov2: Path) -> None:
    from transformers import AutoModel
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    encoder = loaded(dinov2)
    pictures = noise(3, encoder.size)
    own = BitImageProcessorPil.from_pretrained(dinov2, do_resize=False, do_center_crop=False)
    pixels = torch.from_numpy(np.stack(own(list(pictures), return_tensors="np")["pixel_values"])).float()
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(dinov2)(pixels).last_hidden_state[:, 1:].flatten(1)
    theirs = torch.nn.functional.normalize(hidden, dim=1).numpy()
    ours = encoder.encode(pictures)
    assert ours.shape == (3, encoder.dim) == (3, 16 * 32)
    assert np.allclose(ours, theirs, atol=1e-5)


def test_registers_are_no_part_of_the_picture(tmp_path: Path) -> None:
    for folder in (checkpoints.dinov2(tmp_path / "v2r", registers=3), checkpoints.dinov3(tmp_path / "v3")):
        encoder = loaded(folder)
        assert encoder.dim == 16 * 32
        assert encoder.encode(noise(2, encoder.size)).shape == (2, 16 * 32)


def test_it_has_no_text_side_and_the_threshold_of_longvu(dinov2: Path) -> None:
    encoder = loaded(dinov2)
    assert not encoder.has_text_side
    assert not hasattr(encoder, "encode_text")
    assert encoder.threshold == 0.83
    assert encoder.size == (28, 28)


def test_equal_frames_are_pruned_by_its_vectors(dinov2: Path) -> None:
    encoder = loaded(dinov2)
    still = np.repeat(noise(1, encoder.size), 16, axis=0)
    kept = prune_frames(torch.from_numpy(encoder.encode(still)), window=16, threshold=encoder.threshold)
    assert kept.tolist() == [8]


def test_no_pictures_give_no_vectors(dinov2: Path) -> None:
    encoder = loaded(dinov2)
    assert encoder.encode(noise(0, encoder.size)).shape == (0, encoder.dim)


def test_another_family_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="holds a siglip model; frames are pruned by dinov2"):
        loaded(checkpoints.siglip(tmp_path / "tiny-siglip"))
