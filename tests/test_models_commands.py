"""`agent-tools models` and `doctor` as a user reads them: what is here, what lacks, and each fault with its remedy."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from agent_tools import cli
from agent_tools.models.hub import catalogue
from agent_tools.models.hub.catalogue import LITE, STANDARD
from agent_tools.models.whisper import base_weights
from tests.models import checkpoints

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No model of this machine's own cache counts."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.xlm_roberta(tmp_path_factory.mktemp("models") / "tiny-e5")


def lines(*arguments: str) -> list[str]:
    return CliRunner().invoke(cli.app, list(arguments)).stdout.splitlines()


def doctor(home: Path, *arguments: str) -> list[str]:
    return lines("doctor", "--home", str(home), *arguments)


def test_models_list_says_what_lacks_and_the_command_that_gets_it(tmp_path: Path, encoder: Path) -> None:
    found = lines("models", "list", "--models", f"text={encoder}")
    lacking = [model for model in STANDARD.models if model.from_hub and model.role != "text"]
    heads = {line.partition(" ")[0]: line for line in found if not line.startswith(" ")}
    assert heads["lite"] == "lite (all here; what auto means now)"
    assert f"({len(lacking)} not here; " in heads["standard"]
    assert heads["standard"].endswith(f"agent-tools models pull standard --models text={encoder})")
    rows = [line.split() for line in found if line.startswith(" ")]
    assert [row[0] for row in rows[: len(LITE.models)]] == [model.role for model in LITE.models]
    assert ["text", "on", "this", "machine", "-", "as", "its", "publisher", "says", str(encoder)] in rows
    assert found[-1] == f"Looked in {tmp_path / 'cache'}."


def test_a_model_of_a_cache_is_listed_with_the_commit_it_was_pulled_at(tmp_path: Path, encoder: Path) -> None:
    repository = tmp_path / "cache" / "models--intfloat--multilingual-e5-small"
    shutil.copytree(encoder, repository / "snapshots" / ("ab" * 20))
    (repository / "refs").mkdir()
    (repository / "refs" / "agent-tools").write_text("ab" * 20)
    shown = [line for line in lines("models", "list") if "multilingual-e5-small" in line]
    assert all(line.endswith("intfloat/multilingual-e5-small@abababab") for line in shown)
    assert len(shown) == 2


def test_doctor_says_of_a_lacking_profile_what_it_takes(tmp_path: Path) -> None:
    found = doctor(tmp_path / "home", "--profile", "standard")
    wrong = [line for line in found if line.startswith("!!")]
    hub = [model for model in STANDARD.models if model.from_hub]
    assert [line.split(": ")[0] for line in wrong] == [
        *(f"!!  no model for {model.role}" for model in hub),
        "!!  get the missing models (2.5 GB) with",
    ]
    assert wrong[-1].endswith("agent-tools models pull standard")
    assert f"looked for in {tmp_path / 'cache'}" in "\n".join(found)


def test_doctor_loads_no_torch_on_lite(tmp_path: Path) -> None:
    """It takes seconds to load, and lite has no model that needs it."""
    code = (
        "import sys; from pathlib import Path; from agent_tools.settings import Settings;"
        "from agent_tools.service.doctor import checkup;"
        f"list(checkup(Settings.load(home=Path({str(tmp_path / 'home')!r}), profile='lite')));"
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=120, check=False).returncode == 0


def test_doctor_reads_well_on_lite(tmp_path: Path) -> None:
    found = doctor(tmp_path / "home")
    assert not [line for line in found if line.startswith("!!")]
    assert "ok  profile auto means lite" in found
    assert any(line.startswith("ok  speech model whisper-base@d01c3014/") for line in found)
    assert any(line.endswith("frames, screen_text, speech") for line in found)
    assert any(
        line.startswith(f"ok  memory at {tmp_path / 'home'}: ok; 0.") and line.endswith(": empty") for line in found
    )


@pytest.mark.parametrize(("gone", "told"), [(False, "the two packages join to 1000 bytes"), (True, "is not installed")])
def test_doctor_finds_a_truncated_and_a_missing_speech_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: bool, told: str
) -> None:
    monkeypatch.setenv("AGENT_TOOLS_CACHE", str(tmp_path / "cache"))  # where nothing was unpacked before
    found = base_weights.package_folder
    for package, name in base_weights.PARTS:
        folder = found(package)
        assert folder is not None
        (tmp_path / package / "data").mkdir(parents=True)
        for path in (folder / "data").iterdir():
            if path.name in base_weights.BESIDE:
                shutil.copy(path, tmp_path / package / "data" / path.name)
        (tmp_path / package / "data" / name).write_bytes(b"\0" * 500)
    if gone:
        monkeypatch.setattr(catalogue, "package_folder", lambda name: None if "part2" in name else found(name))
    else:
        monkeypatch.setattr(base_weights, "package_folder", lambda name: tmp_path / name)
    lines = doctor(tmp_path / "home", "--profile", "lite")
    (wrong,) = [line for line in lines if line.startswith("!!")]
    assert "speech" in wrong
    assert told in wrong
    assert "pip install" in wrong


def test_models_list_shows_that_lite_hears(monkeypatch: pytest.MonkeyPatch) -> None:
    (row, *_) = [line.split() for line in lines("models", "list") if line.split()[0] == "speech"]
    assert row == ["speech", "installed", "145", "MB", "MIT", "whisper-base"]
    found = catalogue.package_folder
    monkeypatch.setattr(catalogue, "package_folder", lambda name: None if "part2" in name else found(name))
    (row, *_) = [line.split() for line in lines("models", "list") if line.split()[0] == "speech"]
    assert row[1:3] == ["not", "here"]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        ("nothing", "no model for text: {} is not a folder. Name the folder that holds the model's config.json."),
        ("empty", "no model for text: {}: {} holds no config.json, so it is no model folder."),
        ("pickles", "no model for text: {}: {} holds its weights as pickles only, which can run code"),
        ("half", "no model for text: {}: {} holds no weights (*.safetensors)."),
        ("another family", "{} holds a dinov2 model; texts are encoded by bert"),
        ("broken", "does not load as XLMRobertaModel:"),
    ],
)
def test_a_folder_that_holds_no_model_is_called_what_it_is(tmp_path: Path, encoder: Path, make: str, told: str) -> None:
    folder = tmp_path / make.replace(" ", "-")
    if make == "another family":
        checkpoints.dinov2(folder)
    elif make != "nothing":
        shutil.copytree(encoder, folder)
        if make == "empty":
            (folder / "config.json").unlink()
        weights = folder / "model.safetensors"
        if make == "broken":
            weights.write_bytes(weights.read_bytes()[:2000])
        else:
            weights.unlink()
        if make == "pickles":
            (folder / "pytorch_model.bin").write_bytes(b"never opened")
    found = doctor(tmp_path / "home", "--models", f"text={folder}", "--profile", "lite")
    wrong = [line for line in found if line.startswith("!!")]
    assert len(wrong) == 1, found
    assert told.format(folder, folder) in wrong[0]


def test_too_little_memory_is_called_so(tmp_path: Path, encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import transformers

    def full(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")

    monkeypatch.setattr(transformers.XLMRobertaModel, "from_pretrained", full)
    wrong = [line for line in doctor(tmp_path / "home", "--models", f"text={encoder}") if line.startswith("!!")]
    assert wrong == [
        f"!!  EngineError: {encoder.name} ran out of memory on this machine. Close other programs, choose a smaller "
        "model, set the device to cpu, or start with --profile lite."
    ]


def test_a_pull_without_a_network_names_the_ways_around(tmp_path: Path) -> None:
    environment = {**os.environ, "HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "0"}
    command = [sys.executable, "-m", "agent_tools", "models", "pull", "standard", "--yes"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("ModelMissing: The hub did not answer for google/siglip2-base-patch16-224 (ConnectError).")
    assert "copy the model's folder here and name it with the setting models" in line


def test_pull_looks_where_list_looks(tmp_path: Path, encoder: Path) -> None:
    """A model in a folder of --model-dirs is here: no hub is asked, which in a test could not answer."""
    shutil.copytree(encoder, tmp_path / "models" / "acme" / "tiny-e5")
    where = ("--models", "text=acme/tiny-e5", "--model-dirs", str(tmp_path / "models"))
    assert lines("models", "list", *where)[0].startswith("lite (all here")
    assert lines("models", "pull", "lite", *where) == ["All models of lite are here."]
