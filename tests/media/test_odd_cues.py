"""Cues that programs write in odd ways: what was said is one text with whole words all the same."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_tools.media import probe, read_subtitles
from agent_tools.media.cue_cleaning import letters_joined, with_speakers
from agent_tools.media.cue_formats import parse
from agent_tools.media.cues import Cue

ASS = """[Script Info]
ScriptType: v4.00+

[V4+ Styles]
Format: Name, Fontname, Fontsize
Style: Default,Arial,20

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
"""
TTML = """<tt xmlns="http://www.w3.org/ns/ttml" xmlns:tts="http://www.w3.org/ns/ttml#styling"><body><div>
<p begin="1s" end="2s"><span tts:ruby="container"><span tts:ruby="base">灯台</span>
<span tts:ruby="text">とうだい</span></span>へ</p></div></body></tt>"""


def event(text: str, effect: str = "", kind: str = "Dialogue", ends: int = 2) -> str:
    return f"{kind}: 0,0:00:01.00,0:00:0{ends}.00,Default,,0,0,0,{effect},{text}\n"


def texts(content: str, suffix: str) -> list[str]:
    return [cue.text for cue in letters_joined(parse(content, suffix, 24.0))]


@pytest.mark.parametrize(
    "line",
    [
        "<ruby>灯<rt>とう</rt>台<rt>だい</rt></ruby>へ",
        "<ruby>灯台<rp>(</rp><rt>とうだい</rt><rp>)</rp></ruby>へ",
        '<ruby class="a">灯<rt>とう</rt>台</ruby>へ',
        "<ruby>灯台<rt>とうだい</ruby>へ",
    ],
)
def test_how_a_word_is_said_does_not_cut_it_in_two(line: str) -> None:
    assert texts(f"WEBVTT\n\n00:01.000 --> 00:02.000\n{line}\n", ".vtt") == ["灯台へ"]


def test_ttml_has_readings_too() -> None:
    assert texts(TTML.replace("\n", ""), ".ttml") == ["灯台へ"]


def test_letters_that_are_placed_one_by_one_are_one_sign() -> None:
    sign = "".join(event(f"{{\\pos({n},9)}}{letter}", "fx") for n, letter in enumerate("Harbour"))
    assert texts(ASS + sign + event("Good day", ends=3), ".ass") == ["Harbour", "Good day"]
    assert texts(ASS + event("Yes") + event("No"), ".ass") == ["Yes", "No"]
    answers = [Cue(1, 2, "No"), Cue(1, 2, "Oh"), Cue(3, 4, "No")]
    assert letters_joined(answers) == answers


def test_a_song_whose_syllables_are_effects_is_read_from_the_lines_they_were_made_of() -> None:
    made = "".join(event(syllable, "fx", ends=n + 2) for n, syllable in enumerate(("The ", "ket", "tle ", "sings")))
    sung = event(r"{\k20}The {\k30}ket{\k10}tle {\k40}sings", "karaoke", "Comment", 5)
    note = event("nobody sees this", "", "Comment")
    assert texts(ASS + note + sung + made + event("Good day", ends=6), ".ass") == ["The kettle sings", "Good day"]
    assert texts(ASS + note + event("a flash", "fx"), ".ass") == ["a flash"]


def test_a_file_that_counts_frames_says_at_which_rate() -> None:
    (cue,) = parse("{1}{1}12.5\n{25}{50}The kettle|sings\n", ".sub", 24.0)
    assert (cue.start_s, cue.end_s, cue.text) == (2.0, 4.0, "The kettle\nsings")
    (cue,) = parse("{24}{48}The kettle\n", ".sub", 24.0)
    assert (cue.start_s, cue.end_s) == (1.0, 2.0)


def test_an_arrow_for_another_speaker_is_no_text() -> None:
    found = with_speakers([Cue(0, 1, ">> Thank you."), Cue(1, 2, ">>> In other news"), Cue(2, 3, ">>")])
    assert [(cue.speaker, cue.text) for cue in found] == [("", "Thank you."), ("", "In other news"), ("", ">>")]


@pytest.mark.parametrize(
    ("name", "line", "language"),
    [
        ("film.hi.srt", "The kettle on the shelf is blue.", None),
        ("film.hi.srt", "यह केतली नीली है", "hi"),
        ("film.en.hi.srt", "The kettle on the shelf is blue.", "en"),
    ],
)
def test_hi_is_hindi_where_the_text_is(steady: Path, tmp_path: Path, name: str, line: str, language: str) -> None:
    (tmp_path / "film.mp4").hardlink_to(steady)
    (tmp_path / name).write_text(f"1\n00:00:01,000 --> 00:00:03,000\n{line}\n", "utf-8")
    (track,) = read_subtitles(probe(tmp_path / "film.mp4"))
    assert track.language == language
