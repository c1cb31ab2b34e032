from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from agent_tools import models
from agent_tools.errors import InvalidArgument, ModelMissing
from agent_tools.models import profiles
from agent_tools.models.profiles import FULL, LITE, STANDARD, Model, ModelSettings, missing, resolve


def put(folder: Path, model: Model, weights: str = "model.safetensors") -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / weights).write_bytes(b"")


def test_lite_needs_nothing_but_what_is_installed() -> None:
    assert LITE.size_bytes == 0
    assert missing(LITE, []) == []
    assert LITE.model("speech") is None


@pytest.mark.parametrize("name", ["lite", "standard", "full"])
def test_every_model_has_a_licence_and_a_size_or_is_our_own(name: str) -> None:
    profile = models.PROFILES[name]
    assert profile.name == name
    for model in profile.models:
        assert model.licence
        assert model.size_bytes > 0 or model.package == ""
    assert profile.model("screen_text") == LITE.model("screen_text")


def test_lite_constructs_its_three_models() -> None:
    settings = ModelSettings("lite")
    assert models.text_encoder(settings).producer == "minilm-l6-v2@53aa5117/1"
    assert not models.frame_encoder(settings).has_text_side
    assert models.ocr(settings).producer.startswith("rapidocr")


@pytest.mark.parametrize("name", ["standard", "full"])
@pytest.mark.parametrize("constructor", [models.text_encoder, models.frame_encoder])
def test_missing_weights_name_the_model_its_size_and_the_command(constructor, name: str) -> None:
    with pytest.raises(ModelMissing) as caught:
        constructor(ModelSettings(name))
    message = str(caught.value)
    assert f"agent-tools models pull {name}" in message
    assert "--profile lite" in message
    assert "GB" in message or "MB" in message


def test_weights_that_are_there_are_never_called_missing(tmp_path: Path) -> None:
    model = STANDARD.model("text")
    assert model is not None
    put(tmp_path / model.name.replace("/", "--"), model)
    with pytest.raises(ModelMissing, match="is here, but this version has no loader"):
        models.text_encoder(ModelSettings("standard", folders=(tmp_path,)))


def test_the_ocr_is_the_same_in_every_profile() -> None:
    assert models.ocr(ModelSettings("full")).producer == models.ocr(ModelSettings("lite")).producer


def test_an_unknown_profile_names_those_there_are() -> None:
    with pytest.raises(InvalidArgument, match="auto, lite, standard, full"):
        resolve(ModelSettings("huge"))


def test_auto_is_lite_without_the_files_of_standard(tmp_path: Path) -> None:
    assert resolve(ModelSettings(folders=(tmp_path, tmp_path / "not there"))) is LITE


@pytest.mark.parametrize("place", ["{flat}", "{name}", "models--{flat}/snapshots/abc123"])
def test_auto_is_standard_once_all_its_files_lie_there(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loadable = replace(STANDARD, loadable=True)
    monkeypatch.setattr(profiles, "STANDARD", loadable)
    settings = ModelSettings(folders=(tmp_path,))
    hub = [model for model in STANDARD.models if model.from_hub]
    for model in hub:
        assert resolve(settings) is LITE
        folder = tmp_path / place.format(flat=model.name.replace("/", "--"), name=model.name)
        put(folder, model, "model.bin" if model.role == "speech" else "model.safetensors")
    assert missing(STANDARD, settings.folders) == []
    assert resolve(settings) is loadable


def test_auto_never_chooses_what_cannot_be_loaded(tmp_path: Path) -> None:
    for model in STANDARD.models:
        if model.from_hub:
            put(tmp_path / model.name, model)
    assert missing(STANDARD, [tmp_path]) == []
    assert resolve(ModelSettings(folders=(tmp_path,))) is LITE


def test_a_folder_without_weights_is_not_a_model(tmp_path: Path) -> None:
    model = FULL.model("redundancy")
    assert model is not None
    (tmp_path / model.name).mkdir(parents=True)
    (tmp_path / model.name / "config.json").write_text("{}")
    (tmp_path / model.name / "pytorch_model.bin").write_bytes(b"pickled: never loaded")
    assert model in missing(FULL, [tmp_path])


def test_importing_the_package_loads_no_model_library() -> None:
    code = (
        "import sys, agent_tools.models\n"
        "heavy = {'torch', 'transformers', 'rapidocr', 'onnxruntime', 'cv2', 'numpy'}\n"
        "assert not heavy & set(sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
