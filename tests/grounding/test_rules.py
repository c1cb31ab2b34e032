"""The published rules name a channel only where the whole event does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.grounding import RULES, could_show
from agent_tools.grounding.rules import CHANNELS, Rule, matching_rule, named

SCREEN, SPOKEN, TEXT = {"screen_text"}, {"speech", "subtitles"}, {"screen_text", "speech", "subtitles"}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_each_rule_matches_its_own_example_first(rule: Rule) -> None:
    assert matching_rule(rule.example) is rule
    assert rule.channels <= set(CHANNELS)


@pytest.mark.parametrize(
    ("event", "channels"),
    [
        ("'Mitigation' on a slide", SCREEN),
        ("“Mitigation” on the screen.", SCREEN),
        ('The word "Mitigation" appears on a slide', SCREEN),
        ("'KV cache' or 'attention' shown on the slides", SCREEN),
        ("a slide with the title 'Don't panic'", SCREEN),
        ("a slide titled Related Work", SCREEN),
        ("the word mitigation on a slide", SCREEN),
        ("the word acknowledgements on a slide", SCREEN),
        ("the term entropy appears on a slide", SCREEN),
        ("the on-screen text 'Chapter 2'", SCREEN),
        ("the speaker says 'entropy'", SPOKEN),
        ("Someone mentions the word «entropie»", SPOKEN),
        ("the speaker mentions gradient descent", SPOKEN),
        ("the lecturer talks about memory", SPOKEN),
        ("the lecturer says that keys are kept on a slide", SPOKEN),
        ("'entropy' is mentioned", SPOKEN),
        ("'thank you' in the transcript", SPOKEN),
        ("'thank you' in the subtitles", {"subtitles", "screen_text"}),
        ("the words 'No entry' are seen", {"screen_text", "frames", "captions"}),
        ("'KV cache'", TEXT),
        ("the phrase “never again”", TEXT),
        ("「混合メモリ」", TEXT),
    ],
)
def test_an_event_names_its_channel(event: str, channels: set[str]) -> None:
    assert could_show(event) == channels


@pytest.mark.parametrize(
    "event",
    [
        "a dog chews a bone",
        "a child on the slide",
        "a cat on the screen",
        "a diagram on the slide",
        "a word cloud on a slide",
        "the word wall on screen",
        "the word count on the screen",
        "the word appears on a slide",
        "the words fade out on screen",
        "the words turn red on the slide",
        "the phrase disappears on screen",
        "the term flashes twice on the screen",
        "the words scroll up on the screen",
        "the words are crossed out on the slide",
        "the word melts on the screen",
        "the word underlined on a slide",
        "the words gradient descent on a slide",
        "the screen that says welcome flashes red",
        "the man says yes jumps up",
        "the woman said hello waved",
        "she says goodbye walks away",
        "a picture of 'Rex' on a slide",
        "a dog named 'Rex' chews a bone",
        "'Mitigation' on a T-shirt",
        "'Mitigation' on a slide while the speaker waves",
        "someone writes 'hello' on the whiteboard",
        "the sign says 'stop'",
        "the sign says stop",
        "the man says hello while dancing",
        "she says hello waving",
        "she says goodbye on a beach",
        "she says nothing",
        "she says nothing and leaves",
        "nobody says 'yes'",
        "the speaker doesn't say 'yes'",
        "the speaker says 'yes' and sits down",
        "the lecturer says that it works while pointing at the board",
        "the dogs' bones and the cats' tails",
        "rock 'n' roll dancers",
        "a slide",
        "the speaker says",
        "",
        "Q on a slide",
    ],
)
def test_a_doubt_leaves_every_channel(event: str) -> None:
    assert could_show(event) == set(CHANNELS)


@pytest.mark.parametrize(
    ("event", "words", "verbatim"),
    [
        ("'Mitigation' on a slide", ("Mitigation",), True),
        ("'KV cache' or “attention” shown on the slides", ("KV cache", "attention"), True),
        ("a slide titled Related Work", ("related work",), True),
        ("the word mitigation on a slide", ("mitigation",), True),
        ("the speaker mentions gradient descent", ("gradient descent",), False),
        ("the lecturer says that keys are kept", ("keys are kept",), False),
        ("a dog named 'Rex' chews a bone", ("Rex",), None),
        ("a dog chews a bone", (), None),
    ],
)
def test_an_event_names_its_words(event: str, words: tuple[str, ...], verbatim: bool | None) -> None:
    found = named(event)
    assert found.words == words
    assert (found.rule.verbatim if found.rule else None) == verbatim


def test_two_quotations_are_asked_for_together_unless_or_stands_between_them() -> None:
    assert named("'a' and 'b' on a slide").all_of_them
    assert not named("'a' or 'b' on a slide").all_of_them
    assert not named("'a', 'b' or 'c' on a slide").all_of_them
    assert not named("'a', or 'b' on a slide").all_of_them


def test_narrowed_channels_narrow_the_answer_and_never_empty_it() -> None:
    assert could_show("a dog chews a bone", ["subtitles"]) == {"subtitles"}
    assert could_show("'KV cache'", ["subtitles", "frames"]) == {"subtitles"}
    assert could_show("'KV cache' on a slide", ["subtitles", "frames"]) == {"subtitles", "frames"}


@given(st.text(max_size=60) | st.from_regex(r"(the|a) (man|slide) (says|with) '?[a-z\x00' ]{0,20}'?( and runs)?"))
def test_any_text_gives_some_channel(event: str) -> None:
    assert could_show(event)
    assert could_show(event) <= set(CHANNELS)


@given(st.sampled_from([rule.example for rule in RULES]), st.sampled_from(["while a dog runs", "and a man waves"]))
def test_an_example_with_something_to_see_beside_it_names_no_channel(example: str, seen: str) -> None:
    assert could_show(f"{example} {seen}") == set(CHANNELS)
