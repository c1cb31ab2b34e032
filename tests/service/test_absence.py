"""When "not found" may become "absent": only where each channel that could show the event would have shown it."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest

from agent_tools.evals.films.cue_lists import Film, Line, Remembered, lay_down
from agent_tools.models.readable import LEAST_LETTER_PX, LONG_SIDE
from agent_tools.service.ground_event import ground_event
from agent_tools.service.library.library import Library
from agent_tools.service.replies.missed_text import hidden_s, missed_px, unread_s
from agent_tools.service.verdicts.absence import Asked, Reach, why_not_shown
from agent_tools.store import ChannelRow, EntryIn, VideoRow
from agent_tools.store.channel_detail import ChannelDetail
from agent_tools.timeline import Span
from agent_tools.types import GroundReply
from tests.library import lite, opened

SAID, SHOWN = Reach("subtitles"), Reach("screen_text")
ZEBRA = Asked("'zebra' is said", ("zebra",))
SIGHT = Asked("a dog runs over the street", by_meaning=True)


@pytest.mark.parametrize(
    ("asked", "reach", "why"),
    [
        (ZEBRA, SAID, ""),
        (ZEBRA, SHOWN, ""),
        (SIGHT, SAID, ""),
        # script that the index does not handle
        (Asked("", ("ᓀᐦᐃᔭᐍᐏᐣ",)), SAID, "Canadian"),
        (Asked("", ("...",)), SAID, "no letters"),
        # scripts on pictures
        (Asked("", ("ซ่อม",)), SAID, ""),
        (Asked("", ("ซ่อม",)), SHOWN, "Thai letters on pictures cannot be read"),
        (Asked("", ("كتاب",)), SHOWN, "Arabic letters on pictures cannot be read"),
        (Asked("", ("किताब",)), SHOWN, "Devanagari letters on pictures cannot be read"),
        (Asked("", ("счёт",)), SHOWN, "Cyrillic letters on pictures cannot be read"),
        (Asked("", ("회의",)), SHOWN, "Hangul letters on pictures cannot be read"),
        (Asked("", ("τρένο",)), SHOWN, "Greek letters on pictures cannot be read"),
        (Asked("", ("zebra", "счёт")), SHOWN, "Cyrillic"),
        (Asked("", ("予算 2026",)), SHOWN, ""),
        (Asked("", ("café",)), SHOWN, ""),
        # letters of a script that is read but for them, and words beside them
        (Asked("", ("Biệt",)), SHOWN, "Vietnamese letters on pictures cannot be read"),
        (Asked("", ("Bie\u0323\u0302t",)), SHOWN, "Vietnamese letters on pictures cannot be read"),
        (Asked("", ("Biệt",)), SAID, ""),
        (Asked("", ("Biet",)), replace(SHOWN, alphabet="Vietnamese"), "it shows such words"),
        (SIGHT, replace(SHOWN, alphabet="Vietnamese"), ""),
        # words that the reader may have misread
        (
            Asked("", ("Mitigation",)),
            replace(SHOWN, texts=("The Mltiqation plan",)),
            "may have been read as 'mltiqation'",
        ),
        (Asked("", ("Mitigation",)), replace(SHOWN, texts=("The navigation plan",)), ""),
        (Asked("", ("plan",)), replace(SHOWN, texts=("The plane",)), ""),
        (Asked("", ("Mitigation",)), replace(SAID, texts=("The Mltiqation plan",)), ""),
        # letters lost by scaling: they matter for words on screen only
        (ZEBRA, replace(SHOWN, missed_px=44.0), "letters under 44 px were not readable"),
        (SIGHT, replace(SHOWN, missed_px=44.0), ""),
        # pictures in motion between two that were read: the same
        (ZEBRA, replace(SHOWN, unread_s=12.2), "words that stood shorter than 4 s may be missed in 13 s"),
        (ZEBRA, replace(SHOWN, hidden_s=3.5), "words over leaves, windows or the like may be missed in 4 s"),
        (SIGHT, replace(SHOWN, unread_s=12.2), ""),
        # gaps, as many as `decide` allows and more
        (ZEBRA, replace(SAID, missed_share=0.05), ""),
        (ZEBRA, replace(SAID, missed_share=0.2), "gaps in 20% of the span"),
        (SIGHT, Reach("speech", missed_share=0.2), "gaps in 20% of the span"),
        (ZEBRA, Reach("speech", unfinished=True), "not finished"),
        # speech in doubt
        (ZEBRA, Reach("speech", doubted_share=0.05), ""),
        (ZEBRA, Reach("speech", doubted_share=0.1), "speech in 10% of the span was heard with doubt"),
        # words that a speech model may have misheard, or written otherwise
        (Asked("", ("half past nine",)), Reach("speech", heard=("leave that half pass time",)), "as 'half pass time'"),
        (Asked("", ("half past nine",)), Reach("speech", heard=("we leave at midnight",)), ""),
        (ZEBRA, Reach("speech", heard=("the zebras",)), "heard as 'zebras'"),
        (ZEBRA, Reach("speech", heard=("the horse",)), ""),
        (Asked("", ("platform 4",)), Reach("speech", heard=("from here",)), "may be written in words"),
        (Asked("", ("half past nine",)), replace(SAID, other_forms=("leave that half pass time",)), ""),
        # inside longer words
        (ZEBRA, replace(SAID, other_forms=("die zebrastreifen dort",)), "'zebra' stands inside 'zebrastreifen'"),
        (Asked("", ("Streifen",)), replace(SAID, other_forms=("die Zebrastreifen dort",)), "'zebrastreifen'"),
        (ZEBRA, replace(SAID, other_forms=("ein Pferd",)), ""),
        (SIGHT, replace(SAID, other_forms=("ein Hund",)), ""),
        # the question's own language
        (
            Asked("der Hund läuft über die Straße und bellt", by_meaning=True),
            replace(SAID, languages="English"),
            "English",
        ),
        (Asked("собака бежит", by_meaning=True), replace(SAID, languages="English"), "English only"),
        (SIGHT, replace(SAID, languages="English"), ""),
        (Asked("der Hund läuft über die Straße und bellt", by_meaning=True), SAID, ""),
        # texts that were not compared by meaning: another producer made them, or their vectors are still missing
        (SIGHT, replace(SAID, uncompared=3), "3 of its texts have no vector of this server's model"),
        (ZEBRA, replace(SAID, uncompared=3), ""),
        (Asked("das Wort 'Hund'", ("Hund",)), replace(SAID, languages="English"), ""),
    ],
)
def test_a_channel_shows_the_event_or_says_why_it_may_not(asked: Asked, reach: Reach, why: str) -> None:
    found = why_not_shown(asked, reach)
    assert (why in found) if why else not found, found


@pytest.mark.parametrize(
    ("width", "height", "half_size", "px"),
    [
        (640, 360, 0, 0.0),
        (1280, 720, 0, 0.0),
        (1920, 1080, 0, 2 * LEAST_LETTER_PX),
        (1080, 1920, 0, 2 * LEAST_LETTER_PX),
        (3840, 2160, 0, 4 * LEAST_LETTER_PX),
        (960, 540, 3, 2 * LEAST_LETTER_PX),
        (None, None, 0, 0.0),
    ],
)
def test_letters_are_missed_where_pictures_are_scaled_down(
    width: int | None, height: int | None, half_size: int, px: float
) -> None:
    row = ChannelRow("v", "screen_text", detail=ChannelDetail(half_size=half_size))
    assert missed_px(row, VideoRow("v", "v", 0, width=width, height=height)) == pytest.approx(px)
    assert LONG_SIDE == 960


def test_only_what_was_not_read_in_the_asked_span_counts() -> None:
    row = ChannelRow("v", "screen_text", detail=ChannelDetail(unread=((2.0, 5.0), (9.0, 12.0))))
    assert unread_s(row, Span(0.0, 10.0)) == 4.0
    assert unread_s(row, Span(5.0, 9.0)) == 0.0


def test_a_hundredth_of_a_span_may_be_texture() -> None:
    row = ChannelRow("v", "screen_text", detail=ChannelDetail(hidden=((2.0, 3.0), (90.0, 91.0))))
    assert hidden_s(row, Span(0.0, 10.0)) == 1.0
    assert hidden_s(row, Span(0.0, 100.0)) == 2.0
    assert hidden_s(row, Span(0.0, 200.0)) == 0.0
    assert hidden_s(row, Span(4.0, 50.0)) == 0.0


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Library]:
    with opened(lite(tmp_path_factory.mktemp("home"))) as made:
        assert made.models.text(120) is not None
        yield made


def judged(library: Library, film: Film, event: str, **video: int) -> GroundReply:
    encoder = library.models.text(0)
    assert encoder is not None
    lay_down(library.store, film, Remembered(encoder))
    if video:
        library.store.update_video(film.video_id, **video)
    return ground_event(library, event=event, video_id=film.video_id)


SLIDES = tuple(Line(30.0 * i, 30.0 * i + 30, f"The quiet rooms of the old house, part {i}") for i in range(10))


def test_words_on_a_screen_of_2160p_are_never_absent(library: Library) -> None:
    asked = '"reconcile_ledger" is shown on screen'
    small = judged(library, Film("small", 300, (), SLIDES), asked)
    assert small.verdict == "absent", small.why
    large = judged(library, Film("large", 300, (), SLIDES), asked, width=3840, height=2160)
    assert large.verdict == "uncertain"
    assert f"letters under {math.ceil(4 * LEAST_LETTER_PX)} px were not readable" in (large.why or "")
    assert [one.channel for one in large.not_judged or []] == ["screen_text"]
    assert large.judged == []
    assert large.coverage is not None
    assert "were not readable" in (large.coverage.channels.screen_text or "")


def test_words_of_a_script_that_pictures_cannot_give_are_uncertain_there_and_absent_in_subtitles(
    library: Library,
) -> None:
    cues = tuple(Line(5.0 * i, 5.0 * i + 4.5, "วันนี้เราประชุม") for i in range(60))
    film = Film("thai", 300, cues, SLIDES, language="th")
    shown = judged(library, film, '"ซ่อม" is shown on screen')
    assert shown.verdict == "uncertain"
    assert "Thai letters on pictures cannot be read" in (shown.why or "")
    assert judged(library, film, '"ซ่อม" is said').verdict == "absent"
    assert judged(library, film, '"ประชุม" is said').verdict == "present"


def test_a_word_inside_a_longer_one_of_another_language_is_uncertain(library: Library) -> None:
    cues = tuple(Line(5.0 * i, 5.0 * i + 4.5, "Die Straßenbahnen fahren heute nicht.") for i in range(60))
    film = Film("compound", 300, cues, (), language="de")
    reply = judged(library, film, '"Straßen" is said')
    assert reply.verdict == "uncertain"
    assert "stands inside" in (reply.why or "")
    assert judged(library, film, '"Brücken" is said').verdict == "absent"


def test_a_name_may_stand_in_the_one_line_of_another_alphabet(library: Library) -> None:
    cues = [Line(5.0 * i, 5.0 * i + 4.5, "Dobro došli u našu kuću, sedite ovde.") for i in range(60)]
    cues[30] = Line(150.0, 154.5, "Идемо у Београд сутра")
    film = Film("two alphabets", 300, tuple(cues), (), language="sr")
    reply = judged(library, film, '"Beograd" is said')
    assert reply.verdict == "uncertain"
    assert "may stand there as 'Београд'" in (reply.why or "")
    assert judged(library, film, '"Zagreb" is said').verdict == "absent"


def test_texts_without_vectors_may_show_what_is_asked_by_meaning(library: Library) -> None:
    """Another producer wrote them, and its row does not say that it made no vectors."""
    cues = tuple(Line(5.0 * i, 5.0 * i + 4.5, "so we walk on through the quiet rooms") for i in range(60))
    asked = "somebody says that the dark water is frightening"
    film = Film("two producers", 300, cues, SLIDES)
    assert judged(library, film, asked).verdict == "absent"
    library.store.add_entries(film.video_id, "subtitles", "another", [EntryIn(6.0, 9.0, "the river frightens me")])
    reply = ground_event(library, event=asked, video_id=film.video_id)
    assert reply.verdict == "uncertain"
    assert "1 of its texts have no vector" in (reply.why or "")
    assert [one.channel for one in reply.not_judged or []] == ["subtitles"]


def test_captions_that_were_not_taken_may_hold_the_words_of_a_silent_film(library: Library) -> None:
    film = Film("silent", 300, (), SLIDES)
    assert judged(library, film, '"zebra"', has_audio=False).verdict == "absent"
    detail = ChannelDetail(not_taken=("captions in the pictures are of a kind (CEA-708) that is not read",))
    library.store.set_channel(film.video_id, "subtitles", state="absent", detail=detail)
    reply = ground_event(library, event='"zebra"', video_id=film.video_id)
    assert reply.verdict == "uncertain"
    assert "CEA-708" in (reply.why or "")
    assert ground_event(library, event='"zebra" is shown on screen', video_id=film.video_id).verdict == "absent"


def test_a_german_question_to_an_english_encoder_is_never_absent(library: Library) -> None:
    cues = tuple(Line(5.0 * i, 5.0 * i + 4.5, "so we walk on through the quiet rooms") for i in range(60))
    reply = judged(
        library, Film("asked in German", 300, cues, ()), "jemand sagt, dass der Hund nicht mit in die Stadt geht"
    )
    assert reply.verdict != "absent"


def test_a_sign_that_stands_long_does_not_decide_the_language_of_what_is_on_screen(library: Library) -> None:
    """It takes a fifth of the time, and two of a hundred words."""
    sign = Line(240.0, 300.0, "\u0388\u03be\u03bf\u03b4\u03bf\u03c2")
    reply = judged(library, Film("street", 300, (), (*SLIDES[:8], sign)), "quiet rooms of an old house")
    assert reply.confidence_kind == "calibrated", reply.why
    pages = tuple(
        Line(30.0 * i, 30.0 * i + 30, "\u03ae\u03c3\u03c5\u03c7\u03b1 \u03b4\u03c9\u03bc\u03ac\u03c4\u03b9\u03b1 " * 4)
        for i in range(5, 10)
    )
    reply = judged(library, Film("two languages", 300, (), (*SLIDES[:5], *pages)), "quiet rooms of an old house")
    assert reply.confidence_kind == "raw", reply.why  # compared by words alone
