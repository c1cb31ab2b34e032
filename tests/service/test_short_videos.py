"""An event asked of many short videos is one decision: what is usual is taken from all of them."""

from __future__ import annotations

import pytest

from agent_tools.ingestion.text_index import index_entries
from agent_tools.service import ground_event as grounding
from agent_tools.service.ground_event import ground_event
from agent_tools.service.library.library import Library
from agent_tools.store import EntryIn
from tests.library import OpenLibrary

NOUNS = ("goose", "violin", "lamp")
VERBS = ("sings", "falls", "burns", "leaks", "stops", "glows", "jumps", "sinks", "rolls", "breaks")


@pytest.fixture
def clips(open_library: OpenLibrary, loaded_encoder: None) -> Library:
    """A clip for each noun and verb, which says one sentence."""
    library = open_library()
    encoder = library.models.text(60)
    assert encoder is not None
    for number, (noun, verb) in enumerate((noun, verb) for noun in NOUNS for verb in VERBS):
        video = f"{number:012x}"
        library.store.add_video(video, f"{noun} {verb}", 1)
        library.store.update_video(video, duration_s=2.0, has_audio=False)
        library.store.add_entries(
            video, "subtitles", "file", [EntryIn(0.2, 1.8, f"The wet {noun} {verb} in the garden.")]
        )
        index_entries(library.store, video, encoder, lambda _: None)
        library.store.set_channel(video, "subtitles", state="done", entries=1, done_to_s=2.0, language="en")
        for name in ("frames", "speech", "screen_text"):
            library.store.set_channel(video, name, state="absent", done_to_s=2.0)
    return library


def test_of_many_clips_those_that_say_the_event_are_present_and_no_others(clips: Library) -> None:
    for event, present in (
        ("a goose sings", ["goose sings"]),
        ("a violin breaks", ["violin breaks"]),
        ("a lamp flies", []),
    ):
        reply = ground_event(clips, event=event, max_tokens=20_000)
        assert [one.title for one in reply.videos or [] if one.verdict == "present"] == present
        assert reply.counts is not None
        assert reply.counts.absent > len(NOUNS) * len(VERBS) / 2


def test_spans_are_looked_for_only_in_videos_that_fit_the_reply(
    clips: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[str] = []
    with_spans = grounding.with_spans
    monkeypatch.setattr(
        grounding,
        "with_spans",
        lambda library, one, *rest: looked.append(one.scope.video.id) or with_spans(library, one, *rest),
    )
    event = 'someone says "garden"'
    short = ground_event(clips, event=event, max_tokens=300)
    assert short.counts is not None
    assert short.counts.present == len(NOUNS) * len(VERBS)
    assert len(short.videos or []) < len(looked) == 300 // grounding.LEAST_TOKENS
    monkeypatch.setattr(grounding, "LEAST_TOKENS", 1)
    assert ground_event(clips, event=event, max_tokens=300) == short
