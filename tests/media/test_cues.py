"""Cues written as SubRip and WebVTT are the same cues when they are read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent_tools.media import Cue, probe, read_subtitles
from agent_tools.media.cue_formats import parse
from agent_tools.media.cues import Form, subtitle_text

# Letters of several scripts, digits and marks; no tag, because SubRip has no way to say that a "<b>" is none.
TEXT = st.from_regex(r"[A-Za-zéßΩж漢ア0-9][A-Za-z0-9éßΩж漢ア ,.!?'%&:;()-]{0,40}[A-Za-z0-9.?!]", fullmatch=True)
CUES = st.lists(st.tuples(st.integers(0, 350_000_000), st.integers(1, 9_000), TEXT), min_size=1, max_size=8)


@pytest.mark.parametrize("form", ["srt", "vtt"])
@given(drawn=CUES)
def test_cues_are_read_back_to_the_millisecond(form: Form, drawn: list[tuple[int, int, str]]) -> None:
    cues = sorted((Cue(s / 1000, (s + n) / 1000, text) for s, n, text in drawn), key=lambda c: (c.start_s, c.end_s))
    found = parse(subtitle_text(cues, form), "." + form)
    assert [replace(cue, text=" ".join(cue.text.split())) for cue in found] == [
        replace(cue, text=" ".join(cue.text.split())) for cue in cues
    ]


def test_webvtt_keeps_what_looks_like_a_tag_or_an_arrow() -> None:
    cue = Cue(3.5, 4.25, "if a < b && b > c --> stop, <i>not</i> &amp; so on")
    assert "-->" not in subtitle_text([cue], "vtt").splitlines()[3]
    (found,) = parse(subtitle_text([cue], "vtt"), ".vtt")
    assert (found.start_s, found.end_s, found.text) == (cue.start_s, cue.end_s, cue.text)


def test_hours_minutes_and_an_instant_are_written_whole() -> None:
    lines = subtitle_text([Cue(36_001.0005, 36_001.0005, "late")], "srt").splitlines()
    assert lines == ["1", "10:00:01,000 --> 10:00:01,001", "late"]


@pytest.mark.parametrize("form", ["srt", "vtt"])
def test_a_file_beside_a_video_is_read_as_its_subtitles(form: Form, steady: Path, tmp_path: Path) -> None:
    video = tmp_path / "talk.mp4"
    video.hardlink_to(steady)
    cues = [Cue(0.04, 1.5, "we keep the keys"), Cue(1.501, 3.0, "and the values"), Cue(3.0, 19.999, "of every token")]
    (tmp_path / f"talk.en.{form}").write_text(subtitle_text(cues, form), encoding="utf-8")
    (track,) = read_subtitles(probe(video))
    assert (track.language, track.cues) == ("en", cues)
