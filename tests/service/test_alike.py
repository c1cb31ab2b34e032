"""What a reply says of many videos at once: phrases that differ only in numbers are one."""

from __future__ import annotations

import pytest

from agent_tools.service.replies.alike import counted, summed

MISSED = "words may be missed in {} s of moving pictures"


@pytest.mark.parametrize(
    ("phrases", "said"),
    [
        ([], []),
        (["all"], [("all", 1)]),
        (["running", "all", "all"], [("all", 2), ("running", 1)]),
        ([MISSED.format(11), MISSED.format(5), MISSED.format(110)], [(MISSED.format("5 to 110"), 3)]),
        ([MISSED.format(5), MISSED.format(5)], [(MISSED.format(5), 2)]),
        (["searched to 1:02:00", "searched to 0:30:00"], [("searched to 0:30:00 to 1:02:00", 2)]),
        (
            ["0.06 lies between 0.1 and 0.5", "0.4 lies between 0.1 and 0.5"],
            [("0.06 to 0.4 lies between 0.1 and 0.5", 2)],
        ),
        (
            ["made by encoder-v2@1/1", "made by encoder-v3@1/1"],
            [("made by encoder-v2@1/1", 1), ("made by encoder-v3@1/1", 1)],
        ),
    ],
)
def test_phrases_that_differ_in_numbers_are_one(phrases: list[str], said: list[tuple[str, int]]) -> None:
    assert counted(phrases) == said


def test_phrases_that_are_counted_already_say_the_same() -> None:
    said = [MISSED.format(5), "all", MISSED.format(9), "all", MISSED.format(5), "all"]
    assert summed({MISSED.format(5): 2, "all": 3, MISSED.format(9): 1}) == counted(said)
