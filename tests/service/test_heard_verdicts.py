"""What speech may prove: what its model dropped forbids "absent", and what it doubts alone is never "present"."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_tools.evals.films.cue_lists import Film, Line, Remembered, lay_down
from agent_tools.ingestion.text_index import index_entries
from agent_tools.models.routed_text import RoutedText
from agent_tools.service.ground_event import ground_event
from agent_tools.service.library.library import Library
from agent_tools.store import EntryIn
from agent_tools.types import GroundReply
from tests.library import lite, opened

SAID = (
    "Welcome to the course on baking bread",
    "First we weigh the flour and the salt",
    "The dough has to rest for two hours",
    "Fold it every thirty minutes",
    "The oven must be very hot before you begin",
    "Steam gives the loaf a thin crust",
    "Let it cool on a rack",
    "Next week we make rolls",
)
LAST = "The kitchen cat is called Barnabas"
EACH_S = 10.0
FILM = Film("bread", EACH_S * (len(SAID) + 1), (), ())
MEANT = "the dough rests for two hours"
NOT_SAID = "the speaker says 'quarterly revenue forecast'"


@pytest.fixture
def heard(tmp_path: Path, routed: RoutedText, loaded_encoder: None) -> Iterator[Library]:
    """A library with one film whose speech was heard without a doubt or a gap."""
    with opened(lite(tmp_path / "home")) as library:
        assert library.models.text(120) is not None
        lay_down(library.store, FILM, Remembered(routed))
        store, video_id = library.store, FILM.video_id
        hear(library, *(Line(i * EACH_S, (i + 1) * EACH_S, text) for i, text in enumerate(SAID)))
        store.set_channel(video_id, "speech", state="done", producer="ears", done_to_s=FILM.duration_s, language="en")
        yield library


def hear(library: Library, *lines: Line, doubtful: bool = False) -> None:
    """Add lines to the film's speech, with their vectors."""
    extra = {"doubtful": True} if doubtful else {}
    entries = [EntryIn(line.start_s, line.end_s, line.text, extra) for line in lines]
    library.store.add_entries(FILM.video_id, "speech", "ears", entries)
    library.store.set_channel(FILM.video_id, "speech", entries=len(SAID) + len(lines))
    encoder = library.models.text(120)
    assert encoder is not None
    index_entries(library.store, FILM.video_id, encoder, lambda _: None)


def ask(library: Library, event: str, **where: float) -> GroundReply:
    return ground_event(library, event=event, video_id=FILM.video_id, max_tokens=3000, **where)  # type: ignore[arg-type]


def test_a_gap_of_speech_forbids_absent(heard: Library) -> None:
    assert ask(heard, NOT_SAID).verdict == "absent"
    heard.store.add_gap(FILM.video_id, "speech", 70.0, 71.5, "probably no speech (0.83)")  # under the 5 % for coverage
    reply = ask(heard, NOT_SAID)
    assert reply.verdict == "uncertain"
    assert (
        "not judged, though it could show this: speech (not heard at 0:01:10: probably no speech (0.83))" in reply.why
    )
    assert ask(heard, NOT_SAID, start_s=0.0, end_s=60.0).verdict == "absent"  # the gap lies outside


def test_a_blip_by_itself_is_too_short_for_a_quotation_of_many_letters(heard: Library) -> None:
    """Half a second holds no 24 letters. It may hold a short word, or the end of what is said just before it."""
    heard.store.add_gap(FILM.video_id, "speech", 84.0, 84.5, "probably no speech (0.66)")
    assert ask(heard, NOT_SAID).verdict == "absent"
    assert ask(heard, "the speaker says 'revenue'").verdict == "uncertain"
    assert ask(heard, "someone says that the forecast of revenue is bad").verdict != "absent"
    heard.store.add_gap(FILM.video_id, "speech", 84.9, 85.4, "probably no speech (0.66)")
    assert ask(heard, NOT_SAID).verdict == "uncertain"  # together they may hold it


def test_a_blip_beside_speech_may_be_a_part_of_it(heard: Library) -> None:
    heard.store.add_gap(FILM.video_id, "speech", 80.2, 80.7, "probably no speech (0.66)")
    assert ask(heard, NOT_SAID).verdict == "uncertain"


def test_a_gap_of_speech_does_not_matter_to_what_speech_cannot_show(heard: Library) -> None:
    heard.store.add_gap(FILM.video_id, "speech", 70.0, 71.5, "probably no speech (0.83)")
    assert "speech (" not in ask(heard, "a slide with the words 'quarterly revenue forecast'").why


@pytest.mark.parametrize("event", ["the speaker says 'cat is called Barnabas'", "the name of the kitchen cat"])
def test_doubtful_speech_alone_is_never_present(heard: Library, event: str) -> None:
    line = Line(FILM.duration_s - EACH_S, FILM.duration_s, LAST)
    hear(heard, line, doubtful=True)
    reply = ask(heard, event)
    assert reply.verdict == "uncertain"
    assert "only speech that the speech model is in doubt of" in reply.why
    assert reply.spans[0].start_s == line.start_s  # type: ignore[index]  # found and shown all the same


def test_the_same_speech_without_doubt_is_present(heard: Library) -> None:
    hear(heard, Line(FILM.duration_s - EACH_S, FILM.duration_s, LAST))
    assert ask(heard, "the speaker says 'cat is called Barnabas'").verdict == "present"


def test_doubtful_speech_does_not_weaken_what_is_heard_well(heard: Library) -> None:
    hear(heard, Line(FILM.duration_s - EACH_S, FILM.duration_s, "The dough has to rest for two hours"), doubtful=True)
    assert ask(heard, "the speaker says 'rest for two hours'").verdict == "present"


@pytest.mark.parametrize(("doubted_s", "verdict"), [(9.0, "absent"), (12.0, "uncertain")])
def test_doubt_in_much_of_what_is_said_forbids_absent_however_long_the_silence(
    heard: Library, doubted_s: float, verdict: str
) -> None:
    heard.store.update_video(FILM.video_id, duration_s=3600.0)
    heard.store.set_channel(FILM.video_id, "speech", done_to_s=3600.0)
    hear(heard, Line(100.0, 100.0 + doubted_s, LAST), doubtful=True)
    reply = ask(heard, NOT_SAID)
    assert reply.verdict == verdict
    assert ("13% of what is said in the span was heard with doubt" in reply.why) is (verdict == "uncertain")
