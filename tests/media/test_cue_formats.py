"""Subtitle files of each known format give the same cues, and their speakers, whatever their name says."""

from __future__ import annotations

import json

import pytest

from agent_tools.media import Cue
from agent_tools.media.cue_cleaning import drop_repeats, is_telemetry, sounds_apart, with_speakers
from agent_tools.media.cue_formats import NotSubtitles, language_in, parse

ASS = "[Script Info]\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
TEXTS = ["We open the valve.", "Then we close it again."]
CUES = [Cue(1.0, 4.5, TEXTS[0]), Cue(7.0, 10.5, TEXTS[1])]
TTML = (
    '<?xml version="1.0"?><tt xmlns="http://www.w3.org/ns/ttml" xmlns:ttp="http://www.w3.org/ns/ttml#parameter" '
    'xml:lang="en" {rates}><body{body}><div>{cues}</div></body></tt>'
)
SAMI = (
    "<SAMI><BODY><SYNC Start=1000><P>We open the valve.</P><SYNC Start=4500><P>&nbsp;</P>"
    "<SYNC Start=7000><P>Then we close it again.</P><SYNC Start=10500><P>&nbsp;</P></BODY></SAMI>"
)


def pairs(cue: str, starts: tuple[str, str], ends: tuple[str, str]) -> str:
    """Two cues of TEXTS: `cue` is the form of one, with START, END and TEXT in it."""
    return "".join(
        cue.replace("START", start).replace("END", end).replace("TEXT", text)
        for start, end, text in zip(starts, ends, TEXTS, strict=True)
    )


def spelled_by_aws(cue: Cue) -> list[dict[str, object]]:
    """The words of a cue, and its full stop, as AWS writes them."""
    words = cue.text.rstrip(".").split()
    step_s = (cue.end_s - cue.start_s) / len(words)
    items: list[dict[str, object]] = [
        {
            "type": "pronunciation",
            "start_time": str(cue.start_s + step_s * n),
            "end_time": str(cue.start_s + step_s * (n + 1)),
            "alternatives": [{"content": word}],
        }
        for n, word in enumerate(words)
    ]
    return [*items, {"type": "punctuation", "alternatives": [{"content": "."}]}]


CLOCKS = ("00:00:01.000", "00:00:07.000"), ("00:00:04.500", "00:00:10.500")
FORMS = {
    "srt": (".srt", pairs("1\nSTART --> END\nTEXT\n\n", *CLOCKS)),
    "srt with commas": (
        ".srt",
        pairs("1\nSTART --> END\nTEXT\n\n", *CLOCKS).replace(".000", ",000").replace(".500", ",500"),
    ),
    "srt with one digit": (
        ".srt",
        pairs("1\nSTART --> END\nTEXT\n\n", ("0:0:1,0", "0:0:7,0"), ("0:0:4,5", "0:0:10,5")),
    ),
    "srt with a thin arrow": (".srt", pairs("1\nSTART -> END\nTEXT\n\n", *CLOCKS)),
    "srt with spaces of a translator": (
        ".srt",
        pairs(
            "1\nSTART --> END\nTEXT\n\n", ("00: 00: 01, 000", "00: 00: 07, 000"), ("00: 00: 04, 500", "00:00:10 ,500")
        ),
    ),
    "srt with frames": (
        ".srt",
        pairs("1\nSTART --> END\nTEXT\n\n", ("00:00:01:00", "00:00:07:00"), ("00:00:04:12", "00:00:10:12")),
    ),
    "srt without numbers": (".srt", pairs("START --> END\nTEXT\n\n", *CLOCKS)),
    "srt with line ends of Windows": (".srt", pairs("1\nSTART --> END\nTEXT\n\n", *CLOCKS).replace("\n", "\r\n")),
    "WebVTT under a wrong name": (".srt", "WEBVTT\n\n" + pairs("START --> END align:start\nTEXT\n\n", *CLOCKS)),
    "WebVTT with names like notes": (".vtt", "WEBVTT\n\n" + pairs("NOTE 12\nSTART --> END\nTEXT\n\n", *CLOCKS)),
    "SubRip under the name of WebVTT": (".vtt", pairs("1\nSTART --> END\nTEXT\n\n", *CLOCKS)),
    "SBV": (".sbv", pairs("START,END\nTEXT\n\n", ("0:00:01.000", "0:00:07.000"), ("0:00:04.500", "0:00:10.500"))),
    "LRC": (
        ".lrc",
        "[ar:Nobody]\n[00:01.00]We open the valve.\n[00:04.50]\n[00:07.00]Then we close it again.\n[00:10.50]\n",
    ),
    "Whisper's lines": (".txt", pairs("[START --> END]  TEXT\n", *CLOCKS)),
    "MicroDVD": (".sub", "{25}{112}We open the valve.\n{175}{262}Then we close it again.\n"),
    "TTML": (".ttml", TTML.format(rates="", body="", cues=pairs('<p begin="START" end="END">TEXT</p>', *CLOCKS))),
    "TTML with offsets": (
        ".dfxp",
        TTML.format(
            rates="", body=' begin="1s"', cues=pairs('<p begin="START" dur="3500ms">TEXT</p>', ("0s", "6s"), ("", ""))
        ),
    ),
    "TTML with frames": (
        ".ttml",
        TTML.format(
            rates='ttp:frameRate="24"',
            body="",
            cues=pairs('<p begin="START" end="END">TEXT</p>', ("24f", "00:00:07:00"), ("108f", "00:00:10:12")),
        ),
    ),
    "YouTube's XML": (
        ".srv1",
        "<transcript>" + pairs('<text start="START" dur="3.5">TEXT</text>', ("1", "7"), ("", "")) + "</transcript>",
    ),
    "Whisper's JSON": (".json", {"segments": [{"start": c.start_s, "end": c.end_s, "text": c.text} for c in CUES]}),
    "whisper.cpp": (
        ".json",
        {
            "transcription": [
                {"offsets": {"from": c.start_s * 1000, "to": c.end_s * 1000}, "text": c.text} for c in CUES
            ]
        },
    ),
    "Hugging Face": (".json", {"chunks": [{"timestamp": [c.start_s, c.end_s], "text": c.text} for c in CUES]}),
    "YouTube's JSON": (
        ".json3",
        {
            "events": [
                {"id": 1},
                *({"tStartMs": c.start_s * 1000, "dDurationMs": 3500, "segs": [{"utf8": c.text}]} for c in CUES),
            ]
        },
    ),
    "AssemblyAI, with a line break in its text": (
        ".json",
        {
            "text": "We open the valve.\nThen we close it again.",
            "utterances": [{"start": c.start_s * 1000, "end": c.end_s * 1000, "text": c.text} for c in CUES],
        },
    ),
    "AWS": (".json", {"results": {"items": [item for cue in CUES for item in spelled_by_aws(cue)]}}),
    "Google's speech service": (
        ".json",
        {
            "results": [
                {
                    "alternatives": [
                        {"transcript": c.text, "words": [{"startTime": f"{c.start_s}s", "endTime": f"{c.end_s}s"}]}
                    ]
                }
                for c in CUES
            ]
        },
    ),
    "Azure": (
        ".json",
        {
            "recognizedPhrases": [
                {"offsetInTicks": c.start_s * 1e7, "durationInTicks": 3.5e7, "nBest": [{"display": c.text}]}
                for c in CUES
            ]
        },
    ),
    "Whisper's table": (
        ".tsv",
        "start\tend\ttext\n" + pairs("START\tEND\tTEXT\n", ("1000", "7000"), ("4500", "10500")),
    ),
    "an editor's table": (
        ".csv",
        "Speaker,In,Out,Transcript\n"
        + pairs('Ann,START,END,"TEXT"\n', ("0:00:01.0", "0:00:07.0"), ("0:04.5", "0:10.5")),
    ),
    "MPL2": (".mpl", "[10][45]We open the valve.\n[70][105]Then we close it again.\n"),
    "pieces with durations": (".json", [{"start": c.start_s, "duration": 3.5, "text": c.text} for c in CUES]),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_format_gives_the_same_cues(form: str) -> None:
    suffix, text = FORMS[form]
    found = drop_repeats(parse(text if isinstance(text, str) else json.dumps(text), suffix, 25.0))
    assert [cue.text for cue in found] == TEXTS
    for cue, right in zip(found, CUES, strict=True):
        assert (cue.start_s, cue.end_s) == pytest.approx((right.start_s, right.end_s), abs=0.03)


@pytest.mark.parametrize(
    "text",
    [
        "[00:00:01] Ann Berg: We open the valve.\n[00:00:07] Ole: Then we close it again.\n",
        "Ann Berg  0:01\nWe open the valve.\n\nOle  0:07\nThen we close it again.\n",
        "Transcript of 3 May\n\n(0:01) Ann Berg: We open the valve.\n(0:07) Ole: Then we close it again.\n",
        "Ann Berg [00:00:01]\nWe open the valve.\nOle [00:00:07]\nThen we close it again.\n",
    ],
)
def test_transcripts_with_one_time_for_each_text_name_their_speakers(text: str) -> None:
    found = with_speakers(parse(text, ".txt"))
    assert [(c.start_s, c.text, c.speaker) for c in found] == [(1.0, TEXTS[0], "Ann Berg"), (7.0, TEXTS[1], "Ole")]


def test_a_text_with_one_time_lasts_as_long_as_it_takes_to_say() -> None:
    first, last = parse(f"0:01 {'word ' * 40}\n1:00 {'word ' * 4}\n", ".txt")
    assert first.end_s == pytest.approx(21.0, abs=0.2)
    assert last.end_s == 64.0


def test_a_note_that_names_some_times_is_no_transcript() -> None:
    with pytest.raises(NotSubtitles):
        parse("We met at the dam.\n10:30 Ann came.\nThen we talked\nabout many things\nuntil it rained.\n", ".txt")


def test_a_cue_from_before_the_film_goes_on_into_it() -> None:
    (cue, _) = parse("1\n-00:00:02,000 --> 00:00:01,500\nHello\n\n2\n00:00:02,000 --> 00:00:03,000\nyou\n", ".srt")
    assert (cue.start_s, cue.end_s, cue.text) == (0.0, 1.5, "Hello")


def test_sami_gives_the_texts_at_their_starts() -> None:
    assert [(cue.start_s, cue.text) for cue in drop_repeats(parse(SAMI, ".smi"))] == [(1.0, TEXTS[0]), (7.0, TEXTS[1])]


def test_times_without_milliseconds_are_whole_seconds() -> None:
    (cue,) = parse("1\n00:00:01 --> 00:00:04\nHello\n", ".srt")
    assert (cue.start_s, cue.end_s) == (1.0, 4.0)


@pytest.mark.parametrize("text", ["", "Just a few words.\n", '{"title": "talk"}', "<html><p>no</p></html>", "[1, 2]"])
def test_a_text_without_times_is_told_as_no_subtitles(text: str) -> None:
    for suffix in (".srt", ".vtt", ".json", ".ttml", ".txt", ".ass", ".lrc"):
        with pytest.raises(NotSubtitles):
            parse(text, suffix)


def test_a_document_that_grows_without_end_is_refused() -> None:
    entities = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 12))
    body = TTML.format(rates="", body="", cues='<p begin="1s">&a11;</p>').partition("?>")[2]
    bomb = f'<!DOCTYPE tt [<!ENTITY a0 "x">{entities}]>{body}'
    with pytest.raises(NotSubtitles):
        parse(bomb, ".ttml")


def test_voice_tags_name_the_speaker_of_each_part() -> None:
    text = "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Mara Quist>Done.</v>\n<v.loud Ole>Not yet.</v>\n"
    assert [(cue.speaker, cue.text.strip()) for cue in parse(text, ".vtt")] == [
        ("Mara Quist", "Done."),
        ("Ole", "Not yet."),
    ]


def test_names_in_scripts_and_transcripts_are_speakers() -> None:
    ass = ASS + "Dialogue: 0,0:00:01.00,0:00:02.00,Default,Aiko,0,0,0,,Good day\n"
    assert [(cue.speaker, cue.text) for cue in parse(ass, ".ass")] == [("Aiko", "Good day")]
    spoken = json.dumps({"segments": [{"start": 1, "end": 2, "text": "Hi.", "speaker": "SPEAKER_01"}]})
    assert parse(spoken, ".json")[0].speaker == "SPEAKER_01"


@pytest.mark.parametrize(
    ("texts", "speakers"),
    [
        (
            ["Mara Quist: Hello.", "Ole Brandt: Hi.", "Mara Quist: So.", "Ole Brandt: Yes."],
            ["Mara Quist", "Ole Brandt"] * 2,
        ),
        ([">> MARA: Hello.", "OLE: Hi."], ["MARA", "OLE"]),
        (["Listen: the pump stops.", "It is 14:30 now.", "See http://example.org"], ["", "", ""]),
        (["Note: one.", "Note: two."], ["", ""]),
    ],
)
def test_labels_before_the_text_name_the_speaker(texts: list[str], speakers: list[str]) -> None:
    found = with_speakers([Cue(n, n + 1.0, text) for n, text in enumerate(texts)])
    assert [cue.speaker for cue in found] == speakers
    assert all((cue.text == text) == (not cue.speaker) for cue, text in zip(found, texts, strict=True))


def test_a_sound_for_the_deaf_is_a_cue_of_its_own() -> None:
    cues = sounds_apart([Cue(1, 2, "[door creaks] Come in."), Cue(3, 4, "[music]"), Cue(5, 6, "We (all of us) go.")])
    assert [cue.text for cue in cues] == ["[door creaks]", "Come in.", "[music]", "We (all of us) go."]


def test_a_sign_that_is_drawn_again_for_each_picture_is_one_cue() -> None:
    frames = [
        f"Dialogue: 0,0:00:{5 + n / 25:05.2f},0:00:{5 + (n + 1) / 25:05.2f},Sign,,0,0,0,,{{\\pos({n},9)}}{text}"
        for n in range(50)
        for text in ("Harbour Office", "Closed")
    ]
    spoken = "Dialogue: 0,0:00:05.50,0:00:06.50,Default,,0,0,0,,Good day"
    found = drop_repeats(parse(ASS + "\n".join([*frames, spoken]), ".ass"))
    assert {(cue.start_s, cue.end_s, cue.text) for cue in found} == {
        (5.0, 7.0, "Closed"),
        (5.0, 7.0, "Harbour Office"),
        (5.5, 6.5, "Good day"),
    }


def test_a_line_of_spaces_does_not_cut_a_block_of_automatic_captions() -> None:
    text = (
        "WEBVTT\nKind: captions\nLanguage: en\n\n00:00:00.500 --> 00:00:05.500 align:start\n \n"
        "the<00:00:00.900><c> turbine</c>\n\n00:00:05.500 --> 00:00:05.510\nthe turbine\n \n\n"
        "00:00:05.510 --> 00:00:10.000\nthe turbine\nwas<00:00:05.910><c> shut</c>\n"
    )
    found = drop_repeats(parse(text, ".vtt"))
    assert [(cue.start_s, cue.text) for cue in found] == [(0.5, "the turbine"), (5.51, "was shut")]
    assert found[0].end_s == pytest.approx(5.5, abs=0.02)
    assert language_in(text) == "en"


def test_entities_are_decoded_twice_only_where_a_program_has_escaped_twice() -> None:
    twice = "WEBVTT\n\n00:01.000 --> 00:02.000\nTom &amp;amp; Ann don&amp;#39;t\n"
    once = "WEBVTT\n\n00:01.000 --> 00:02.000\nwrite &amp;amp; for an &lt;ampersand&gt;\n"
    assert parse(twice, ".vtt")[0].text.strip() == "Tom & Ann don't"
    assert parse(once, ".vtt")[0].text.strip() == "write &amp; for an <ampersand>"


def test_a_map_of_clocks_moves_the_cues() -> None:
    def segment(ticks: int, text: str) -> str:
        return f"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:{ticks},LOCAL:00:00:00.000\n\n00:01.000 --> 00:02.000\n{text}\n\n"

    joined = segment(900_000, "one") + segment(900_000 + 6 * 90_000, "two")
    assert [cue.start_s for cue in parse(joined, ".vtt")] == [1.0, 7.0]
    assert [cue.start_s for cue in parse(joined, ".vtt", origin_s=8.0)] == [3.0, 9.0]


READINGS = [
    "SrtCnt : {n}, DiffTime : 33ms\n2026-11-03 14:30:00.{n:03d}\n[iso : 100] [shutter : 1/1000.0] [ev : 0] [lat: 10.4]",
    "F/2.8, SS 206.14, ISO 100, EV 0, GPS (15.0, -20.25, {n}), D 20.{n}m, H 10.00m, H.S 0.00m/s",
    "HOME(149.0251,-20.2532) 2017.08.05 14:11:51\nGPS(149.0251,-20.2533,16) BAROMETER:1.9\nISO:100 Fnum:2.{n}",
]


@pytest.mark.parametrize("reading", READINGS)
def test_readings_of_a_camera_are_no_speech(reading: str) -> None:
    assert is_telemetry([Cue(n / 30, (n + 1) / 30, reading.format(n=n)) for n in range(60)])


def test_speech_with_numbers_is_no_telemetry() -> None:
    said = [
        "In 2026 we had 14 ships, 230 people and 12 ports.",
        "Chapter 3, verses 4, 5 and 6 say the same.",
        "2 + 2 = 4, and 3 + 3 = 6, so 4 + 6 = 10.",
        "The train leaves at 14:30 from platform 9.",
    ]
    assert not is_telemetry([Cue(n, n + 1.0, text) for n, text in enumerate(said)])
    assert not is_telemetry([])
