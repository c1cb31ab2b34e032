"""What the reader of screen text can read, compared with the character list inside its model."""

from __future__ import annotations

import onnxruntime
import pytest
import regex

from agent_tools.models.hub.weights import package_folder
from agent_tools.models.readable import OTHER_SCRIPTS, SCRIPTS, alphabet_unread, unreadable
from agent_tools.store.spelling import HANDLED


@pytest.fixture(scope="module")
def characters() -> str:
    package = package_folder("rapidocr")
    assert package is not None
    model = onnxruntime.InferenceSession(str(package / "models" / "PP-OCRv6_rec_small.onnx"))
    return str(model.get_modelmeta().custom_metadata_map["character"])


def letters(script: str, characters: str) -> set[str]:
    return set(regex.findall(rf"[\p{{{script}}}&&\p{{L}}]", characters, regex.V1))


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_model_holds_the_letters_of_the_scripts_that_count_as_read(script: str, characters: str) -> None:
    assert len(letters(script, characters)) >= 80


@pytest.mark.parametrize("script", OTHER_SCRIPTS)
def test_the_model_holds_no_letters_of_other_scripts_but_greek_ones_for_formulas(script: str, characters: str) -> None:
    held = letters(script, characters)
    assert not held if script != "Greek" else "ά" not in held


def test_of_latin_letters_the_model_lacks_those_that_count_as_not_held(characters: str) -> None:
    latin = [chr(code) for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)) if chr(code).isalpha()]
    assert [letter for letter in latin if unreadable(letter)] == [one for one in latin if one not in characters]


@pytest.mark.parametrize(
    ("text", "alphabet"),
    [("Biệt thự", "Vietnamese"), ("NƯỚC", "Vietnamese"), ("Đà Nẵng", "Vietnamese"), ("Straße", "")],
)
def test_texts_tell_an_alphabet_that_is_not_read_whole(text: str, alphabet: str) -> None:
    assert alphabet_unread(["Budget 2026", text]) == alphabet


def test_every_script_that_the_index_handles_is_in_one_of_the_lists() -> None:
    assert {*SCRIPTS, *OTHER_SCRIPTS, "Common", "Inherited"} == set(HANDLED)


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Zoë's café, 42 %", ""),
        ("予算カタひら", ""),
        ("the word счёт", "Cyrillic"),
        ("𐎀", "other"),
        ("ก", "Thai"),
    ],
)
def test_a_text_is_readable_if_all_its_letters_are(text: str, script: str) -> None:
    assert unreadable(text) == script
