"""Letters out of what models write."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.evals.benchmarks.answers import chosen_letter

OPTIONS = ("A dog barks", "the red kettle", "In the cellar", "B flat", "none of these")

SAID = [
    ("B", "B"),
    ("b", "B"),
    (" (C) ", "C"),
    ("D.", "D"),
    ("C)", "C"),
    ("**E**", "E"),
    ("`B`", "B"),
    ("Ｂ", "B"),
    ("B. the red kettle", "B"),
    ("(C) In the cellar", "C"),
    ("C: it was dark there", "C"),
    ("C - it was dark there", "C"),
    ("Answer: B", "B"),
    ("answer: b", "B"),
    ("The answer is B.", "B"),
    ("The correct answer is option (C).", "C"),
    ("The best option is D", "D"),
    ("Final answer: **C**", "C"),
    ("I choose E.", "E"),
    ("I would go with option B, the kettle.", "B"),
    ('{"answer": "D", "why": "seen at 0:10"}', "D"),
    ("<answer>C</answer>", "C"),
    ("$\\boxed{B}$", "B"),
    ("\\boxed{\\text{D}}", "D"),
    ("<think>A looks right. Answer: A</think>\nB", "B"),
    ("A looks right, thinking. Answer: A</think> Answer: D", "D"),
    ("At first B seemed right.\n\nAnswer: C", "C"),
    ("Answer: A\nNo, wait.\nAnswer: C", "C"),
    ("Answer: C\nThat is what the subtitles say.", "C"),
    ("Between A and C. Final answer: C", "C"),
    ("the red kettle", "B"),
    ("In the cellar.", "C"),
    ("A dog barks", "A"),
    ("What was seen fits (E).", "E"),
    ("It must be B", "B"),
    # none
    ("", ""),
    ("<think>Answer: B", ""),
    ("I do not know.", ""),
    ("A man walks by", ""),
    ("Answer: A or B", ""),
    ("Either B or C", ""),
    ("Answer: G", ""),
    ("Answer: a man walks into the room", ""),
    ("The answer depends on what follows", ""),
    ("The video cannot be seen", ""),
    ("Did I see it?", ""),
    ("I cannot answer a question", ""),
    ("The answer is a mystery", ""),
    ("The correct choice is a", "A"),
]


@pytest.mark.parametrize(("text", "letter"), SAID)
def test_the_letter_that_a_text_settles_on(text: str, letter: str) -> None:
    assert chosen_letter(text, OPTIONS, "ABCDE") == letter


@given(st.text(max_size=200))
def test_any_text_gives_a_letter_of_the_options_or_none(text: str) -> None:
    assert chosen_letter(text, OPTIONS[:3], "ABC") in ("", "A", "B", "C")


@given(st.sampled_from("ABCDE"), st.sampled_from(["Answer: {}", "The answer is {}.", "({})", "**{}**", "{}. so"]))
def test_a_plain_answer_is_read_whatever_its_letter(letter: str, form: str) -> None:
    assert chosen_letter(form.format(letter), OPTIONS, "ABCDE") == letter
