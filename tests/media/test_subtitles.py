from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest

from agent_tools.media import Cue, probe, read_subtitles
from agent_tools.media.cue_cleaning import drop_repeats
from agent_tools.media.cue_formats import parse
from agent_tools.media.encodings import decode_text

LINES = [f"Sentence number {n} of the talk." for n in range(20)]


def srt(lines: list[str], shift_s: float = 0.0) -> str:
    def clock(seconds: float) -> str:
        whole = round(seconds * 1000)
        return f"{whole // 3_600_000:02d}:{whole // 60_000 % 60:02d}:{whole // 1000 % 60:02d},{whole % 1000:03d}"

    return "\n".join(
        f"{n + 1}\n{clock(2 * n + shift_s)} --> {clock(2 * n + 1.5 + shift_s)}\n{line}\n"
        for n, line in enumerate(lines)
    )


@pytest.fixture
def talk(steady: Path, tmp_path: Path) -> Path:
    path = tmp_path / "talk.mp4"
    path.write_bytes(steady.read_bytes())
    return path


def sources(path: Path) -> list[tuple[str | None, str]]:
    return [(track.language, track.source) for track in read_subtitles(probe(path))]


def test_sidecars_are_read_with_the_language_of_their_name(talk: Path) -> None:
    talk.with_name("talk.en.srt").write_text(srt(LINES))
    talk.with_name("talk.pt-BR.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nOlá a todos\n")
    talk.with_name("talk2.en.srt").write_text(srt(["another video's"]))
    talk.with_name("other.srt").write_text(srt(["another video's"]))
    tracks = read_subtitles(probe(talk))
    assert [(t.language, t.source, t.kind) for t in tracks] == [
        ("en", "talk.en.srt", "sidecar"),
        ("pt-br", "talk.pt-BR.vtt", "sidecar"),
    ]
    assert tracks[0].cues[3] == Cue(6.0, 7.5, LINES[3])
    assert tracks[1].cues == [Cue(1.0, 2.0, "Olá a todos")]


def test_one_track_per_language_is_kept_the_fullest(talk: Path) -> None:
    talk.with_name("talk.en.srt").write_text(srt(LINES))
    talk.with_name("talk.eng.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nshort\n")
    talk.with_name("talk.en.forced.srt").write_text(srt([line + " and much more of it" for line in LINES]))
    assert sources(talk) == [("en", "talk.en.srt")]


def test_track_without_language_that_repeats_another_is_merged(talk: Path) -> None:
    talk.with_name("talk.en.srt").write_text(srt(LINES))
    talk.with_name("talk.srt").write_text(srt([*LINES[:19], "But the last one differs."], shift_s=0.4))
    assert sources(talk) == [("en", "talk.en.srt")]
    talk.with_name("talk.srt").write_text(srt([*LINES[:16], *"abcd"]))
    assert len(sources(talk)) == 2, "80 % equal is another track"


def test_same_texts_at_other_times_are_another_track(talk: Path) -> None:
    talk.with_name("talk.srt").write_text(srt(LINES))
    talk.with_name("talk.vtt").write_text("WEBVTT\n\n" + srt(LINES, shift_s=5).replace(",", "."))
    assert len(sources(talk)) == 2


def test_sidecar_link_to_another_folder_is_not_read(talk: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    secret = tmp_path / "elsewhere" / "secret.srt"
    secret.write_text(srt(LINES))
    talk.with_name("talk.srt").symlink_to(secret)
    problems: list[str] = []
    assert read_subtitles(probe(talk), problems.append) == []
    assert "link" in problems[0]


def test_broken_sidecar_is_told_and_costs_nothing_else(talk: Path) -> None:
    talk.with_name("talk.en.srt").write_text(srt(LINES))
    talk.with_name("talk.de.ass").write_bytes(b"\0\1\2 no subtitles")
    problems: list[str] = []
    assert [t.language for t in read_subtitles(probe(talk), problems.append)] == ["en"]
    assert problems == [] or "talk.de.ass" in problems[0]


def test_chapter_files_are_no_subtitles(talk: Path) -> None:
    talk.with_name("talk.chapters.en.vtt").write_text("WEBVTT\n\n00:01.000 --> 00:02.000\nPrologue\n")
    assert sources(talk) == []


def test_embedded_track_counts_from_the_first_picture(tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 64, "yuv420p"
        text: Any = container.add_stream("srt")
        text.metadata["language"] = "fre"
        text.codec_context.subtitle_header = b"[Script Info]\n\n[Events]\n"
        for number in range(100):
            frame = av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")
            frame.pts = number + 75  # 3 s late
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        for start_s in (4.0, 5.5):
            packet = av.Packet(f"<i>bonjour</i> à {start_s:g}".encode())
            packet.stream, packet.time_base = text, Fraction(1, 1000)
            packet.pts = packet.dts = int(start_s * 1000)
            packet.duration = 1000
            container.mux(packet)
    (track,) = read_subtitles(probe(path))
    assert (track.language, track.source, track.kind) == ("fr", "stream 1", "embedded")
    assert [(round(c.start_s, 3), round(c.end_s, 3), c.text) for c in track.cues] == [
        (1.0, 2.0, "bonjour à 4"),
        (2.5, 3.5, "bonjour à 5.5"),
    ]


@pytest.mark.parametrize(
    ("suffix", "text", "plain"),
    [
        (".srt", '1\n00:00:01,000 --> 00:00:02,000\n{\\an8}<font color="#f00">Hot</font> <b>tea</b>\n', "Hot tea"),
        (".srt", "1\n00:00:01,000 --> 00:00:02,000\nif a < b and b > c\n", "if a < b and b > c"),
        (".vtt", "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Bob>so<00:01.5><c.x> we</c> &amp; you\n", "so we & you"),
        (".vtt", "WEBVTT\n\nintro\n00:01.000 --> 00:02.000 line:80%\nHello\n\nNOTE a remark\n", "Hello"),
        (
            ".ass",
            "[Script Info]\nScriptType: v4.00+\n\n[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, "
            "MarginV, Effect, Text\nDialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{\\i1}Good{\\i0}\\Nday\n"
            "Dialogue: 0,0:00:03.00,0:00:04.00,Default,,0,0,0,,{\\p1}m 0 0 l 9 9{\\p0}\n",
            "Good day",
        ),
    ],
)
def test_tags_notes_and_drawings_are_gone(suffix: str, text: str, plain: str) -> None:
    (cue,) = drop_repeats(parse(text, suffix))
    assert (cue.start_s, cue.end_s, cue.text) == (1.0, 2.0, plain)


@pytest.mark.parametrize(
    ("encoding", "lines"),
    [
        ("cp1251", ("Маяк стоит на скале и светит всю ночь", "Смотритель забыл очки в лодке")),
        ("koi8_r", ("Маяк стоит на скале и светит всю ночь", "Смотритель забыл очки в лодке")),
        ("cp1253", ("Ο φάρος στέκεται στον βράχο", "ο φύλακας ξέχασε τα γυαλιά του")),
        ("cp1255", ("המגדלור עומד על הסלע", "השומר שכח את המשקפיים")),
        ("cp1256", ("ذهب الحارس الى المنارة", "نسي نظارته في القارب")),
        ("cp874", ("ผู้ดูแลประภาคารลืมแว่นตา", "พรุ่งนี้ไปกรุงเทพ")),
        ("cp932", ("灯台守は眼鏡を忘れた", "明日は東京へ行きます")),
        ("cp949", ("등대지기가 안경을 잊었다", "내일 서울에 간다")),
        ("gb18030", ("灯塔看守人忘了眼镜", "他明天去北京开会")),
        ("big5", ("燈塔看守人忘了眼鏡", "他明天去臺北開會")),
        ("cp1252", ("Der Schlüssel liegt über der Tür", "Ça va, garçon? L'été à la forêt")),
    ],
)
def test_an_old_encoding_that_nothing_names_is_known_by_its_letters(encoding: str, lines: tuple[str, ...]) -> None:
    text = srt([*lines, "[music]"])
    assert decode_text(text.encode(encoding)) == text


def test_a_language_may_have_two_old_encodings() -> None:
    text = srt(["燈塔看守人忘了眼鏡", "他明天去臺北開會"])
    assert decode_text(text.encode("big5"), "zh") == text
    assert decode_text(text.encode("gb18030"), "zh-tw") == text


def test_every_encoding_gives_the_same_letters() -> None:
    text = "Füße, naïve café – déjà vu"
    for encoding in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252"):
        assert decode_text(text.encode(encoding)) == text, encoding
    assert decode_text("Слева мы видим".encode("cp1251"), "ru") == "Слева мы видим"
    assert decode_text("左に見える".encode("cp932"), "ja") == "左に見える"


def test_rolling_captions_say_each_line_once() -> None:
    rolled = [
        Cue(0.0, 2.0, "so today we talk"),
        Cue(2.0, 2.01, "so today we talk"),
        Cue(2.01, 4.0, "so today we talk\nabout attention"),
        Cue(4.0, 4.01, "about attention"),
        Cue(4.01, 6.0, "about attention\nand its keys"),
    ]
    assert [(c.start_s, c.text) for c in drop_repeats(rolled)] == [
        (0.0, "so today we talk"),
        (2.01, "about attention"),
        (4.01, "and its keys"),
    ]


def test_line_that_grows_by_words_is_said_once() -> None:
    grown = [Cue(n, n + 1.0, " ".join(["we", "keep", "every", "key"][: n + 1])) for n in range(4)]
    assert " ".join(c.text for c in drop_repeats(grown)) == "we keep every key"


def test_same_words_said_again_later_are_kept() -> None:
    cues = [Cue(0, 1, "No."), Cue(5, 6, "No."), Cue(6, 7, "Yes.\nNo."), Cue(7, 8, "Never.")]
    assert [c.text for c in drop_repeats(cues)] == ["No.", "No.", "Yes. No.", "Never."]


def test_overlapping_speakers_are_both_kept() -> None:
    cues = [Cue(0, 4, "- Where are you?"), Cue(1, 3, "- Here!")]
    assert [c.text for c in drop_repeats(cues)] == ["- Where are you?", "- Here!"]


def test_hidden_characters_do_not_survive() -> None:
    assert drop_repeats([Cue(0, 1, "a\u202eb\x1b[31mc\u200bd"), Cue(2, 3, "\u200b")]) == [Cue(0, 1, "abcd")]


def test_a_track_of_too_many_cues_is_read_in_part_and_quickly(tmp_path: Path, drawing: ModuleType) -> None:
    video = drawing.draw(tmp_path / "talk.mp4", drawing.even_times(20, 10), size=(96, 54))
    shapes = {
        "different": (f"1\n00:00:00,{n % 1000:03d} --> 00:00:00,{n % 1000:03d}\nword {n}\n\n" for n in range(20_000)),
        "all the same": ("1\n00:00:01,000 --> 00:00:01,000\nword\n\n" for _ in range(20_000)),
        "lines": (f"1\n00:00:0{n},000 --> 00:00:0{n + 1},000\n" + "line\n" * 20_000 + "\n" for n in range(2)),
    }
    for shape, cues in shapes.items():
        (tmp_path / "talk.srt").write_text("".join(cues), encoding="utf-8")
        tracks = read_subtitles(probe(video))
        assert sum(len(track.cues) for track in tracks) <= 5_000, shape
        assert (tracks[0].read_to_s is not None) == (shape == "different"), shape


@pytest.mark.parametrize(
    ("shift_s", "count", "first_s", "told"),
    [
        (36_002.0, 5, 2.0, "moved by 10:00:00"),  # a tape's start
        (79_047.0, 5, 0.0, "moved by 21:57:27"),  # the time of the day
        (36_002.0, 20, None, "none inside the film"),  # longer than the film
        (0.0, 5, 0.0, ""),
    ],
)
def test_cues_behind_the_end_are_moved_or_told(
    talk: Path, shift_s: float, count: int, first_s: float | None, told: str
) -> None:
    talk.with_name("talk.srt").write_text(srt(LINES[:count], shift_s=shift_s))
    problems: list[str] = []
    tracks = read_subtitles(probe(talk), problems.append)
    assert [track.cues[0].start_s for track in tracks] == ([] if first_s is None else [pytest.approx(first_s)])
    assert told in " ".join(problems)
    assert bool(problems) == bool(told)
