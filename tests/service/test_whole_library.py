"""ground_event over a library says of each video what it says of that video alone."""

from __future__ import annotations

import dataclasses

import pytest

from agent_tools.evals.films.cue_lists import Film, Line, Remembered, lay_down
from agent_tools.grounding import named
from agent_tools.ingestion.text_index import index_entries
from agent_tools.models.minilm import MiniLM
from agent_tools.models.routed_text import RoutedText
from agent_tools.progress import silent
from agent_tools.service.library.library import Library
from agent_tools.service.verdicts.event_search import survey_of
from agent_tools.service.verdicts.judgement import Judgement, reach, with_spans
from agent_tools.service.verdicts.meaning_evidence import Survey
from agent_tools.store import ChannelDetail, EntryIn
from tests.library import OpenLibrary

WORDS = "the old ferry crosses a grey river at dawn while nobody on the bank looks up from the nets".split()
GERMAN = "Die alte Mühle am Fluss steht still, und niemand weiß, wann sie wieder mahlt"
GREEK = "Το παλιό καράβι περνά το ποτάμι πριν από την αυγή"  # no encoder of lite understands it
SLIDE = "Crop rotation / Wheat after clover / Yield in tonnes per hectare / Prof. Ada Brandt"

EVENTS = (
    "a boat brings the fishermen home",
    "a professor talks about wheat",
    'a "ferry" crosses the river',
    "someone mentions the harbour",
    "'wheat after clover' on a slide",
    "eine Mühle steht am Fluss",
    "ένα παλιό καράβι περνά το ποτάμι",
)
QUOTED = (
    *("'ferry'", "'the old ferry crosses'", "'grey river dawn'", "'looks up from the nets'", "'ferries'", "'cross'"),
    *("'Whaet after clover'", "'Wheatafterclover' on a slide", "'Prof. Ada Brant' on a slide", "'Ad'", "'tonnes'"),
    *("'ferry' and 'harbour'", "'ferry' or 'harbour'", "'old' and 'dawn'", "'harbour' and 'quay'", "'nobody the on'"),
    *("the speaker says 'the boat brings the fishermen home'", "somebody says 'fishermen hone'", "'boat' is said"),
    *("'12 tonnes'", "'Mühle'", "'Muehle'", "'die alte Mühle'", "'dawn' on a slide", "'καράβι'", "'steht still'"),
    *("'grey' river with 'old' boats", 'a "harbour" crosses the river', "a man says 'dawn' to 'nobody'", "'grae'"),
    *("'greyriver'", "'crozzes'", "'rivre'", "'Wheet aftr clovar' on a slide", "somebody says 'fihsermen hume in'"),
    *("'colour of the river'", "'gray river'", "'zeen'", "'e'", "'\N{HIRAGANA LETTER A}'", "'!!'", "'old-ferry'"),
)


def line(number: int) -> str:
    return " ".join(WORDS[(number * 5 + at * (1 + number % 3)) % len(WORDS)] for at in range(8))


@pytest.fixture
def library(open_library: OpenLibrary, routed: RoutedText, minilm: MiniLM, loaded_encoder: None) -> Library:
    """Videos of all kinds: long and short, of slides, doubtful speech, another language, older vectors, no texts."""
    made = open_library()
    assert made.models.text(60) is not None
    store, encoder = made.store, Remembered(routed)
    long = tuple(Line(4.0 * i, 4.0 * i + 3.5, line(i)) for i in range(90))
    told = Line(100.0, 103.5, "the boat brings the fishermen home in the evening")
    lay_down(store, Film("long", 360, (*long[:25], told, *long[26:]), ()), encoder)
    lay_down(store, Film("twice", 360, (*long, *long[:3]), ()), encoder)
    slides = tuple(
        Line(20.0 * i, 20.0 * i + 20, SLIDE if i % 4 == 0 else f"{line(i)} / {line(i + 7)}") for i in range(9)
    )
    lay_down(store, Film("slides", 180, long[:6], slides), encoder)
    lay_down(store, Film("German", 60, tuple(Line(5.0 * i, 5.0 * i + 4, GERMAN) for i in range(12)), (), "de"), encoder)
    lay_down(store, Film("Greek", 60, tuple(Line(5.0 * i, 5.0 * i + 4, GREEK) for i in range(12)), (), "el"), encoder)
    for number in range(8):
        lay_down(
            store, Film(f"clip {number}", 12, (Line(1, 4, line(number)), Line(6, 9, line(number + 40))), ()), encoder
        )
    heard = Film("heard", 40, (), ())
    lay_down(store, heard, encoder)
    spoken = [EntryIn(8.0 * i, 8.0 * i + 7, line(i), {"doubtful": True} if i % 2 else {}) for i in range(4)]
    store.add_entries(heard.video_id, "speech", "ears", [*spoken, EntryIn(33, 38, told.text, {"doubtful": True})])
    store.set_channel(heard.video_id, "speech", state="done", producer="ears", entries=5, done_to_s=40.0, language="en")
    index_entries(store, heard.video_id, routed, lambda _: None)
    older = Film("older", 60, long[:14], ())
    lay_down(store, older, Remembered(minilm))
    detail = ChannelDetail(vectors=(minilm.producer,))
    store.set_channel(older.video_id, "subtitles", state="done", detail=detail)
    lay_down(store, Film("silent", 30, (), ()), encoder)
    return made


def test_a_video_is_judged_alike_alone_and_among_others(library: Library) -> None:
    scopes = library.everything()
    seen = set()
    for event in (*EVENTS, *QUOTED):
        survey = survey_of(library, scopes, event, None)
        assert (survey.quoted is not None) == bool(named(event).words and verbatim(event))
        alone = Survey(survey.crowds)  # what is usual in short ones is a matter of all
        for scope in scopes:
            reached = [reach(library, scope, event, None, silent, survey=how) for how in (survey, alone)]
            assert reached[0].confidence == pytest.approx(reached[1].confidence, abs=1e-6), (event, scope.video.title)
            one, other = (with_spans(library, each, 3, silent) for each in reached)
            assert facts(one) == facts(other), (event, scope.video.title)
            seen.add((one.kind, one.verdict.verdict))
    assert {("calibrated", "present"), ("calibrated", "absent"), ("raw", "uncertain")} <= seen


def verbatim(event: str) -> bool:
    rule = named(event).rule
    return rule is None or rule.verbatim


def facts(one: Judgement) -> dict[str, object]:
    return {**dataclasses.asdict(one), "probability": None if one.probability is None else round(one.probability, 5)}
