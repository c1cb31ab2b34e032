from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from agent_tools.errors import ModelMissing, ShapeError
from agent_tools.models.devices import Device
from agent_tools.models.hub.folders import Found, Reference, locate
from agent_tools.models.image_text import ImageText
from agent_tools.models.preprocess import PictureRule
from tests.models import checkpoints

pytestmark = pytest.mark.slow

CPU = Device("cpu", "fp32")


@pytest.fixture(scope="module")
def siglip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.siglip(tmp_path_factory.mktemp("models") / "tiny-siglip")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.clip(tmp_path_factory.mktemp("models") / "tiny-clip")


def loaded(folder: Path) -> ImageText:
    return ImageText(locate(Reference(folder.name, folder=folder), [], "Get it."), device=CPU)


def photographs(count: int, width: int, height: int) -> np.ndarray:
    """Soft pictures with sharp edges, so that a filter's rounding shows."""
    rng = np.random.default_rng(7)
    made = []
    for _ in range(count):
        small = rng.integers(0, 255, (5, 8, 3), dtype=np.uint8)
        picture = np.array(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))
        picture[height // 3 : height // 2, width // 4 : width // 2] = rng.integers(0, 255, 3)
        made.append(picture)
    return np.stack(made)


@pytest.mark.parametrize("family", ["siglip", "clip"])
@pytest.mark.parametrize(("width", "height"), [(320, 180), (90, 160), (33, 31), (20, 20)])
def test_pixels_equal_those_of_the_models_own_processor(
    family: str, width: int, height: int, request: pytest.FixtureRequest
) -> None:
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    folder = request.getfixturevalue(family)
    own = (SiglipImageProcessorPil if family == "siglip" else CLIPImageProcessorPil).from_pretrained(folder)
    pictures = photographs(3, width, height)
    rule = PictureRule.read(folder)
    ours = rule.prepare(pictures).numpy()
    theirs = np.stack(own([Image.fromarray(p) for p in pictures], return_tensors="np")["pixel_values"])
    assert ours.shape == theirs.shape
    assert np.abs(ours - theirs).max() < 1e-5


@pytest.mark.parametrize("family", ["siglip", "clip"])
def test_vectors_are_those_of_transformers_itself(family: str, request: pytest.FixtureRequest) -> None:
    from transformers import AutoModel, AutoTokenizer

    folder = request.getfixturevalue(family)
    encoder = loaded(folder)
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    pictures, texts = photographs(3, *encoder.size), ["a red triangle", "A Green CIRCLE", "it"]
    pixels = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
    rule = PictureRule.read(folder)
    pixels = (pixels / 255 - torch.tensor(rule.mean).view(3, 1, 1)) / torch.tensor(rule.std).view(3, 1, 1)
    padding = {"padding": "max_length", "max_length": 16} if family == "siglip" else {"padding": True}
    tokens = tokenizer([text.lower() for text in texts], return_tensors="pt", truncation=True, **padding)
    if family == "siglip":
        tokens.pop("attention_mask")
    tokens.pop("token_type_ids", None)
    with torch.no_grad():
        out = model(pixel_values=pixels, **tokens)
    vectors = encoder.encode(pictures), encoder.encode_text(texts)
    assert np.allclose(vectors[0], out.image_embeds, atol=1e-5)
    assert np.allclose(vectors[1], out.text_embeds, atol=1e-5)
    for found in vectors:
        assert found.shape == (3, encoder.dim)
        assert found.dtype == np.float32
        assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_the_decoders_own_scaling_gives_nearly_the_vector_of_the_processor(siglip: Path) -> None:
    """The ingest scales by swscale; the tolerance is stated on vectors: cosine at least .999 with random weights."""
    av = pytest.importorskip("av")
    encoder = loaded(siglip)
    pictures = photographs(4, 640, 360)
    width, height = encoder.size
    scaled = []
    for picture in pictures:
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        small = frame.reformat(width, height, format="rgb24", interpolation="BILINEAR")
        scaled.append(small.to_ndarray())
    cosines = (encoder.encode(np.stack(scaled)) * encoder.encode(pictures)).sum(axis=1)
    assert cosines.min() >= 0.999


def test_no_pictures_and_no_texts_give_no_vectors(siglip: Path) -> None:
    encoder = loaded(siglip)
    assert encoder.encode(np.zeros((0, 32, 32, 3), np.uint8)).shape == (0, encoder.dim)
    assert encoder.encode_text([]).shape == (0, encoder.dim)
    with pytest.raises(ShapeError, match="uint8"):
        encoder.encode(np.zeros((1, 32, 32, 3), np.float32))
    with pytest.raises(ShapeError, match="height, width, 3"):
        encoder.encode(np.zeros((1, 32, 32), np.uint8))


def test_it_says_what_it_is(siglip: Path, clip: Path) -> None:
    one, two = loaded(siglip), loaded(clip)
    assert one.has_text_side
    assert one.size == (32, 32)
    assert (one.dim, two.dim) == (32, 24)
    assert one.languages == "many"
    assert two.languages == "English"
    assert one.producer.startswith("tiny-siglip@")
    assert one.producer.endswith("/1")


def test_other_weights_in_the_same_folder_are_another_producer(siglip: Path, tmp_path: Path) -> None:
    folder = checkpoints.siglip(tmp_path / "tiny-siglip", seed=1)
    assert loaded(folder).producer != loaded(siglip).producer
    again = shutil.copytree(siglip, tmp_path / "copy" / "tiny-siglip")
    assert loaded(again).producer == loaded(siglip).producer


def test_a_snapshot_of_the_hubs_cache_names_its_commit(siglip: Path, tmp_path: Path) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    shutil.copytree(siglip, tmp_path / "models--org--tiny" / "snapshots" / commit)
    found = locate(Reference.of(f"org/tiny@{commit}"), [tmp_path], "")
    assert ImageText(found, device=CPU).producer == "org/tiny@01234567/1"


def test_another_family_is_refused_by_name(tmp_path: Path) -> None:
    folder = checkpoints.dinov2(tmp_path / "tiny-dino")
    with pytest.raises(ModelMissing, match="holds a dinov2 model; pictures are searched with siglip"):
        loaded(folder)


def test_lacking_weights_are_never_made_up(siglip: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = shutil.copytree(siglip, tmp_path / "cut")
    state = load_file(folder / "model.safetensors")
    state.pop("text_model.head.weight")
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelMissing, match=r"lacks 1 weights of SiglipModel, text_model\.head\.weight"):
        loaded(folder)


@pytest.mark.parametrize(
    ("file", "content", "why"),
    [
        ("model.safetensors", b"\x08\x00\x00\x00\x00\x00\x00\x00{broken}", "does not load as SiglipModel"),
        ("model.safetensors", None, r"no weights \(\*\.safetensors\)"),
        ("config.json", None, "no model folder"),
        ("config.json", b"[]", "holds no JSON object"),
        ("tokenizer.json", b"{", "readable tokenizer"),
        ("preprocessor_config.json", b'{"size": {"max_height": 5}}', "one fixed size"),
    ],
)
def test_a_broken_folder_says_which_file_it_is(
    siglip: Path, tmp_path: Path, file: str, content: bytes | None, why: str
) -> None:
    folder = shutil.copytree(siglip, tmp_path / "broken")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_bytes(content)
    with pytest.raises(ModelMissing, match=why):
        loaded(folder)


def test_a_pickle_is_never_opened(siglip: Path, tmp_path: Path) -> None:
    import pickle

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    folder = shutil.copytree(siglip, tmp_path / "pickled")
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ModelMissing, match="pickles only, which can run code and are never loaded"):
        loaded(folder)
    assert not (tmp_path / "sprung").exists()


def test_remote_code_in_a_folder_is_never_run(siglip: Path, tmp_path: Path) -> None:
    import json

    folder = shutil.copytree(siglip, tmp_path / "coded")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoModel": "trap.Model", "AutoConfig": "trap.Config"}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Model: ...\nclass Config: ...\n")
    loaded(folder)
    assert not (tmp_path / "sprung").exists()


def test_memory_that_runs_out_halves_the_batch_and_gives_the_same_vectors(
    siglip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = loaded(siglip)
    pictures = photographs(5, *encoder.size)
    whole = encoder.encode(pictures)
    encode, sizes = encoder._encode, []

    def small(batch: np.ndarray) -> np.ndarray:
        sizes.append(len(batch))
        if len(batch) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB.")
        return encode(batch)

    monkeypatch.setattr(encoder, "_encode", small)
    monkeypatch.setattr(encoder, "_batch", 5)
    assert np.allclose(encoder.encode(pictures), whole, atol=1e-5)
    assert sizes == [5, 2, 2, 1]


def test_loading_connects_to_nothing_and_prints_nothing(siglip: Path) -> None:
    """In a process of its own, with the hub neither off by a switch nor reachable."""
    code = (
        "import socket, sys, numpy as np\n"
        "def refuse(*a, **k): raise AssertionError('connect')\n"
        "socket.socket.connect = socket.getaddrinfo = refuse\n"
        "from pathlib import Path\n"
        "from agent_tools.models.hub.folders import Reference, locate\n"
        "from agent_tools.models.image_text import ImageText\n"
        "encoder = ImageText(locate(Reference.of(sys.argv[1]), [], ''))\n"
        "encoder.encode(np.zeros((1, 32, 32, 3), np.uint8)); encoder.encode_text(['a'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(siglip)], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_a_found_model_without_a_commit_is_named_by_its_weights(siglip: Path) -> None:
    digest = Found(siglip, "tiny", None).producer("1")
    assert digest.startswith("tiny@")
    assert len(digest) == len("tiny@01234567/1")
