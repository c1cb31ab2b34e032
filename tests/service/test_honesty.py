"""What must not be called absent: words in several entries, texts in a language the encoder does not know.

And what an uncertain reply still says: where to look, why, and what was looked for. And that a reply shows the very
words that it was given for, however long the text around them is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest

from agent_tools.evals.films.cue_lists import Film, Line, Remembered, lay_down
from agent_tools.service.ground_event import AS_QUOTED, ground_event
from agent_tools.service.library.library import Library
from agent_tools.service.read_resource import read_resource
from agent_tools.service.remember import remember
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.search.comparable import SIXTEEN_ONLY
from agent_tools.service.verdicts.judgement import FOUND_APART, NO_TEXT
from agent_tools.store import ChannelDetail, Episode
from agent_tools.types import GroundReply
from tests.library import lite, opened

SAYING = "so we walk on through the quiet rooms of the old house"
Lay = Callable[[Film], str]


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with opened(lite(tmp_path_factory.mktemp("home"))) as made:
        assert made.models.text(120) is not None
        yield made


@pytest.fixture(scope="module")
def lay(library: Library) -> Lay:
    encoder = library.models.text(0)
    assert encoder is not None
    remembered = Remembered(encoder)
    return lambda film: lay_down(library.store, film, remembered)


def cues(*said: tuple[float, str], step_s: float = 5.0, length_s: float = 4.5) -> tuple[Line, ...]:
    """Every five seconds of five minutes the same sentence, but for what is said."""
    at = dict(said)
    lines = [Line(i * step_s, i * step_s + length_s, SAYING) for i in range(60) if i * step_s not in at]
    return tuple(sorted([*lines, *(Line(s, s + length_s, text) for s, text in said)], key=lambda line: line.start_s))


def judged(library: Library, video_id: str, event: str, channels: list[str] | None = None) -> GroundReply:
    return ground_event(library, event=event, video_id=video_id, channels=channels)


def test_quotations_that_stand_far_apart_are_named_and_never_absent(library: Library, lay: Lay) -> None:
    film = Film("apart", 300, cues((100, "these are the keys of attention"), (150, "and the values of attention")), ())
    reply = judged(library, lay(film), "the speaker says 'keys' and 'values'")
    assert (reply.verdict, reply.why) == ("uncertain", FOUND_APART)
    assert [span.start_s for span in reply.spans or []] == [100, 150]
    assert judged(library, film.video_id, "the speaker says 'keys' and 'zebras'").verdict == "absent"
    assert judged(library, film.video_id, "the speaker says 'keys' or 'zebras'").verdict == "present"


def test_a_score_without_a_calibration_is_called_raw_only_where_none_was_fitted(library: Library, lay: Lay) -> None:
    swedish = "någon säger att hunden är hungrig och inte vill äta"
    silent = lay(Film("silent", 300, (), ()))
    assert judged(library, silent, swedish).why == NO_TEXT
    assert judged(library, lay(Film("told", 300, cues(), ())), swedish).why == SIXTEEN_ONLY


def test_quotations_in_two_cues_that_follow_each_other_stand_together(library: Library, lay: Lay) -> None:
    film = Film("beside", 300, cues((100, "these are the keys of attention"), (105, "and the values of attention")), ())
    reply = judged(library, lay(film), "the speaker says 'keys' and 'values'")
    assert reply.verdict == "present"
    assert [(span.start_s, span.end_s) for span in reply.spans or []] == [(100, 109.5)]


def test_quotations_among_other_words_may_stand_apart_too(library: Library, lay: Lay) -> None:
    film = Film("among", 300, cues((100, "these are the keys of attention"), (150, "and the values of attention")), ())
    event = "a mathematician derives 'keys' and then 'values'"
    assert judged(library, lay(film), event, channels=["subtitles"]).verdict != "absent"


@pytest.mark.parametrize("words_of_a_cue", [1, 2, 5])
def test_words_are_found_over_as_many_cues_as_they_take(library: Library, lay: Lay, words_of_a_cue: int) -> None:
    words = "nobody ever saw the green comet over this quiet valley again".split()
    parts = [" ".join(words[i : i + words_of_a_cue]) for i in range(0, len(words), words_of_a_cue)]
    said = tuple(Line(100 + 0.5 * i, 100.45 + 0.5 * i, part) for i, part in enumerate(parts))
    film = Film(f"timed {words_of_a_cue}", 300, (*cues()[:20], *said, *cues()[30:]), ())
    reply = judged(library, lay(film), "the speaker says 'the green comet over this quiet valley'")
    assert reply.verdict == "present"
    assert 100 <= (reply.spans or [])[0].start_s < (reply.spans or [])[0].end_s <= 105.5


@pytest.mark.parametrize(
    ("language", "saying"),
    [
        ("sv", "Och så går vi vidare."),
        ("", "Έτσι συνεχίζουμε να περπατάμε."),
        ("", "Och så går vi med de andra genom huset, som inte är långt från staden."),
    ],
)
def test_meaning_is_not_judged_in_a_language_the_encoder_does_not_know(
    library: Library, lay: Lay, language: str, saying: str
) -> None:
    said = tuple(Line(5.0 * i, 5.0 * i + 4.5, saying) for i in range(60))
    film = Film(f"foreign {language} {saying}", 300, said, (), language=language)
    reply = judged(library, lay(film), "the speaker mentions a dragon")
    assert reply.verdict == "uncertain"
    assert reply.coverage is not None
    assert SIXTEEN_ONLY in (reply.coverage.channels.subtitles or "")


def test_of_two_channels_the_one_in_a_known_language_is_judged(library: Library, lay: Lay) -> None:
    slides = (Line(50, 90, "The dragon of the north"), Line(90, 200, "An introduction to the old house"))
    said = tuple(Line(5.0 * i, 5.0 * i + 4.5, "Och så går vi vidare.") for i in range(60))
    film = Film("both", 300, said, slides, language="sv")
    reply = judged(library, lay(film), "the dragon of the north", channels=["subtitles", "screen_text"])
    assert reply.judged == ["screen_text"]
    assert {one.channel: one.why for one in reply.not_judged or []} == {"subtitles": SIXTEEN_ONLY}
    assert (reply.spans or [])[0].start_s == 50
    gone = judged(library, film.video_id, "penguins on ice", channels=["subtitles", "screen_text"])
    assert gone.verdict == "uncertain"


@pytest.mark.parametrize(
    ("language", "saying", "event"),
    [
        ("de", "Der Drache schläft in der Höhle.", "the dragon sleeps in its cave"),
        ("en", "The dragon sleeps in its cave.", "el dragón duerme en la cueva"),
        ("ru", "Дракон спит в своей пещере.", "der Drache schläft in der Höhle"),
        ("ja", "竜は洞窟で眠っている。", "the dragon sleeps in its cave"),
    ],
)
def test_an_event_is_found_in_another_language(
    library: Library, lay: Lay, language: str, saying: str, event: str
) -> None:
    said = (*cues()[:20], Line(110, 114, saying), *cues()[30:])
    reply = judged(library, lay(Film(f"crossing {language}", 300, said, (), language=language)), event)
    assert reply.verdict != "absent"
    assert (reply.spans or [])[0].start_s == 110


def test_words_as_they_stand_are_judged_in_any_language(library: Library, lay: Lay) -> None:
    said = tuple(Line(5.0 * i, 5.0 * i + 4.5, "Und so gehen wir weiter.") for i in range(60))
    film = Film("verbatim", 300, said, (), language="de")
    assert judged(library, lay(film), "the speaker says 'Drache'").verdict == "absent"
    assert judged(library, film.video_id, "the speaker says 'gehen wir'").verdict == "present"


def test_a_search_says_which_channel_is_not_in_the_language_of_the_encoder(library: Library, lay: Lay) -> None:
    said = tuple(Line(5.0 * i, 5.0 * i + 4.5, "Och så går vi vidare.") for i in range(60))
    video_id = lay(Film("searched", 300, said, (), language="sv"))
    found = retrieve_memory(library, SearchRequest(query="a dragon", video_ids=[video_id]))
    assert found.coverage.channels.subtitles == f"all; {SIXTEEN_ONLY}"


def test_a_sight_in_a_video_without_texts_comes_with_episodes_to_look_at(library: Library, lay: Lay) -> None:
    video_id = lay(Film("silent", 300, (), ()))
    rows = [Episode(0, "", "", 50.0 * i, 50.0 * (i + 1), "", "", None) for i in range(6)]
    library.store.replace_episodes(video_id, "scene", rows)
    reply = judged(library, video_id, "a dog chews a bone")
    assert (reply.verdict, reply.spans) == ("uncertain", [])
    told = next(hint for hint in reply.hints if hint.startswith("Pictures were not judged. The scenes, to look at: "))
    uris = told.split(": ")[1].split()
    assert uris == [f"video://{video_id}#t={start},{start + 50}" for start in (0, 100, 200)]
    assert all(read_resource(library, uri) for uri in uris)


@pytest.mark.parametrize("event", ["the speaker says 'dragon'", "the speaker talks about the price of milk"])
def test_of_a_file_without_sound_the_reason_says_that_it_has_none(library: Library, lay: Lay, event: str) -> None:
    video_id = lay(Film("without sound", 300, (), ()))
    library.store.update_video(video_id, has_audio=False)
    library.store.set_channel(video_id, "speech", state="absent", detail=ChannelDetail(why="no audio"))
    reply = judged(library, video_id, event)
    assert (reply.verdict, reply.judged) == ("uncertain", [])
    assert reply.why is not None
    assert reply.why.startswith("nothing of the video could show this: subtitles (")
    assert ", speech (no audio)" in reply.why


def test_of_all_videos_each_names_its_best_moment_and_the_commonest_reason_is_told(library: Library, lay: Lay) -> None:
    near = ("the keeper feeds the penguins on the ice", "birds slide in the snow", "skaters on a lake")
    for number, text in enumerate((*near, "a train leaves for the mountains")):
        lay(Film(f"one of all {number}", 300, cues((100, text)), ()))
    reply = ground_event(library, event="penguins slide over ice", max_tokens=4000)
    assert reply.videos is not None
    mine = {one.title: one for one in reply.videos}
    assert (best := mine["one of all 0"].best) is not None
    assert best.start_s == 100
    uncertain = [one for one in reply.videos if one.verdict == "uncertain"]
    confidences = [one.best.confidence if one.best else 0.0 for one in uncertain]
    assert confidences == sorted(confidences, reverse=True)
    assert confidences[0] > 0
    assert sum(one.best is not None and one.best.confidence > 0 for one in reply.videos) >= 3
    counts = reply.counts
    assert counts is not None
    everything = counts.present + counts.absent + counts.uncertain
    assert everything == len(reply.videos) + (reply.omitted or 0)
    assert f"uncertain in {counts.uncertain}" in reply.summary
    told = f"uncertain: {counts.uncertain} of {everything} videos, [0-9]+ of them because: not judged, though"
    assert re.match(told, reply.hints[0])
    assert "frames (no words (lite))" in reply.hints[0]


def test_the_reply_holds_the_probability_behind_its_verdict(library: Library, lay: Lay) -> None:
    film = Film("probable", 300, cues((10, "one two three")), ())
    gone = judged(library, lay(film), "'zebra crossing' is mentioned")
    assert (gone.verdict, gone.spans, gone.best_rejected) == ("absent", [], None)
    assert gone.probability is not None
    assert 0 < gone.probability <= 0.1
    there = judged(library, film.video_id, "'two three' is mentioned")
    assert there.probability == (there.spans or [])[0].confidence


def test_a_quoted_sight_says_that_its_words_only_were_looked_for(library: Library, lay: Lay) -> None:
    video_id = lay(Film("quoted", 300, cues(), ()))
    assert AS_QUOTED in judged(library, video_id, "'a dog chews a bone'").hints
    assert AS_QUOTED not in judged(library, video_id, "the speaker says 'a dog chews a bone'").hints
    assert AS_QUOTED not in judged(library, video_id, "'the quiet rooms'").hints


def test_what_sticks_out_of_the_asked_span_is_returned_as_far_as_it_lies_inside(library: Library, lay: Lay) -> None:
    said = (*cues()[:20], Line(100, 160, "the green comet over this quiet valley"), *cues()[32:])
    video_id = lay(Film("cut", 300, said, ()))
    for event in ("the speaker says 'green comet'", "a green comet over a valley"):
        reply = ground_event(library, event=event, video_id=video_id, start_s=110, end_s=120, channels=["subtitles"])
        told = [*(reply.spans or []), *([reply.best_rejected] if reply.best_rejected else [])]
        assert told
        assert all(110 <= one.start_s < one.end_s <= 120 for one in told), told


@pytest.mark.parametrize("max_tokens", [200, 2000])
def test_a_hit_of_many_notes_shows_the_one_that_was_asked_for(library: Library, lay: Lay, max_tokens: int) -> None:
    film = Film("noted", 300, (Line(0, 4, SAYING),), ())
    lay(film)
    notes = [f"note {n} of server {server}" for n in range(10) for server in range(2)]
    for n, text in enumerate(notes):
        remember(library, video_id=film.video_id, start_s=n % 5, end_s=n % 5 + 1, text=text)
    for text in notes:
        reply = retrieve_memory(
            library, SearchRequest(query=f'"{text}"', video_ids=[film.video_id], max_tokens=max_tokens)
        )
        assert text in str(reply.hits)


def test_evidence_shows_the_words_that_were_asked_for_however_long_their_text_is(library: Library, lay: Lay) -> None:
    said = "and the speaker says on to many a step " * 10 + "before the attention bottleneck " + "is named " * 20
    film = Film("at length", 300, cues((100, said)), ())
    lay(film)
    for max_tokens in (2000, 220):
        event = "the speaker says 'attention bottleneck'"
        reply = ground_event(library, event=event, video_id=film.video_id, max_tokens=max_tokens)
        assert reply.verdict == "present"
        assert "attention bottleneck" in (reply.spans or [])[0].evidence


def test_a_hit_says_where_in_it_the_answer_begins(library: Library, lay: Lay) -> None:
    said = (
        (100, "attention has keys and it has values"),
        (104, "the values of attention are what is read"),
        (200, "rain"),
    )
    lay(Film("joined", 300, cues(*said), ()))
    reply = retrieve_memory(library, SearchRequest(query="the values of attention are what is read"))
    hit = reply.hits[0]
    assert (hit.start_s, hit.match_s) == (100, 104)
    assert reply.summary.endswith("; best: 1:44 in joined.")
    alone = retrieve_memory(library, SearchRequest(query="rain")).hits[0]
    assert (alone.start_s, alone.match_s) == (200, None)
