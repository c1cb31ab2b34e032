from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from agent_tools.errors import ModelMissing
from agent_tools.models.devices import Device
from agent_tools.models.hub.folders import Reference, locate
from agent_tools.models.minilm import MiniLM, model_folder
from agent_tools.models.sentences import Sentences, pooling, prefixes
from tests.models import checkpoints

CPU = Device("cpu", "fp32")
TEXTS = ["a man is eating food", "der hund läuft", "", "katze " * 90, "a man is eating food"]


def loaded(folder: Path, **more: int) -> Sentences:
    return Sentences(locate(Reference.of(str(folder)), [], ""), device=CPU, **more)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.xlm_roberta(tmp_path_factory.mktemp("models") / "tiny-multilingual")


def written(folder: Path, name: str, value: object) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(value))


def by_hand(folder: Path, text: str, cls: bool = False) -> np.ndarray:
    from transformers import AutoModel, AutoTokenizer

    tokens = AutoTokenizer.from_pretrained(folder)(text, return_tensors="pt", truncation=True, max_length=33)
    with torch.no_grad():
        hidden = AutoModel.from_pretrained(folder)(tokens.input_ids, tokens.attention_mask).last_hidden_state[0]
    vector = hidden[0] if cls else hidden.mean(0)
    return (vector / vector.norm()).numpy()


def test_a_batch_gives_each_text_the_vector_it_has_alone(plain: Path) -> None:
    vectors = loaded(plain).encode(TEXTS)
    assert vectors.shape == (5, 32)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert np.allclose(vector, by_hand(plain, text), atol=1e-5)
    assert loaded(plain).encode([]).shape == (0, 32)


def test_without_prefixes_questions_and_entries_are_alike(plain: Path) -> None:
    encoder = loaded(plain)
    assert np.array_equal(encoder.encode(["the dog"]), encoder.encode(["the dog"], query=True))


def test_e5_puts_its_prefixes_before_questions_and_entries(plain: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(plain, tmp_path / "multilingual-e5-tiny")
    encoder = loaded(folder)
    assert np.allclose(encoder.encode(["katze"])[0], by_hand(folder, "passage: katze"), atol=1e-5)
    assert np.allclose(encoder.encode(["katze"], query=True)[0], by_hand(folder, "query: katze"), atol=1e-5)
    assert encoder.producer.endswith("/mean-prefixed")
    assert encoder.producer.partition("/")[0] != loaded(plain).producer.partition("/")[0]


def test_pooling_and_prefixes_are_read_from_the_folder(plain: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(plain, tmp_path / "own")
    written(folder, "1_Pooling/config.json", {"word_embedding_dimension": 32, "pooling_mode_cls_token": True})
    written(folder, "config_sentence_transformers.json", {"prompts": {"query": "here: ", "document": ""}})
    encoder = loaded(folder)
    assert np.allclose(encoder.encode(["katze"])[0], by_hand(folder, "katze", cls=True), atol=1e-5)
    assert np.allclose(encoder.encode(["katze"], query=True)[0], by_hand(folder, "here: katze", cls=True), atol=1e-5)
    assert encoder.producer.endswith("/cls-plain")


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode": "cls"}, "cls"),
        ({"pooling_mode_max_tokens": True, "pooling_mode_mean_tokens": False}, None),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True}, None),
        ({}, None),
    ],
)
def test_a_pooling_that_is_not_known_is_refused(tmp_path: Path, config: dict[str, object], told: str | None) -> None:
    written(tmp_path, "1_Pooling/config.json", config)
    if told is None:
        with pytest.raises(ModelMissing, match="another pooling than mean or cls"):
            pooling(tmp_path)
    else:
        assert pooling(tmp_path) == told


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("intfloat/multilingual-e5-small", ("query: ", "passage: ")),
        ("multilingual-e5-base", ("query: ", "passage: ")),
        ("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", ("", "")),
    ],
)
def test_prefixes_follow_the_card_where_the_folder_is_silent(tmp_path: Path, name: str, told: tuple[str, str]) -> None:
    assert prefixes(tmp_path, name, {}) == told


def test_a_text_longer_than_the_model_sees_is_cut(plain: Path) -> None:
    encoder = loaded(plain)
    long, longer = encoder.encode(["katze " * 60, "katze " * 60 + "hund"])
    assert np.allclose(long, longer, atol=1e-6)


def test_the_vocabulary_tells_whether_it_is_multilingual(plain: Path) -> None:
    assert loaded(plain).languages == "English"
    assert loaded(plain, large_vocabulary=10).languages == "many"


def test_the_general_loader_agrees_with_the_pinned_minilm(minilm: MiniLM) -> None:
    folder = model_folder()
    assert folder is not None
    texts = ["A man is eating pasta.", "query without a prefix", "two " * 300]
    assert np.allclose(loaded(folder).encode(texts), minilm.encode(texts), atol=1e-5)


def test_another_family_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ModelMissing, match="holds a clip model; texts are encoded by bert"):
        loaded(checkpoints.clip(tmp_path / "tiny-clip"))
