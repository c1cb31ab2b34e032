from __future__ import annotations

from pathlib import Path
from types import ModuleType
from typing import Any

import av
import numpy as np
import pytest

from agent_tools.media import last_time, probe
from agent_tools.media.languages import is_language, language_of


def test_probe_says_what_the_file_holds(steady: Path) -> None:
    found = probe(steady)
    assert found.video is not None
    assert (found.video.codec, found.video.width, found.video.height, found.video.fps) == ("h264", 320, 180, 25.0)
    assert found.duration_s == pytest.approx(20.0, abs=0.1)
    assert found.origin_s == pytest.approx(0.0)
    assert [audio.codec for audio in found.audio] == ["aac"]
    assert "mp4" in found.container


@pytest.mark.parametrize("suffix", [".mkv", ".ts"])
def test_length_counts_from_the_first_picture(suffix: str, drawing: ModuleType, tmp_path: Path) -> None:
    found = probe(drawing.draw(tmp_path / f"v{suffix}", drawing.even_times(100, 25, start_s=3.2)))
    assert found.origin_s == pytest.approx(3.2, abs=0.001)
    assert found.duration_s == pytest.approx(4.0, abs=0.05)
    assert last_time(found) == pytest.approx(4.0, abs=0.05)


def test_real_end_of_a_cut_file_is_found_by_reading(steady: Path, drawing: ModuleType, tmp_path: Path) -> None:
    found = probe(drawing.cut(tmp_path / "cut.mp4", steady, 0.5))
    assert found.duration_s == pytest.approx(20.0, abs=0.1)
    assert 5 < last_time(found) < 16


def test_larger_of_two_video_streams_is_the_film(drawing: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        streams: list[Any] = []
        for width, height in ((160, 90), (320, 180)):
            stream: Any = container.add_stream("libx264", rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            streams.append(stream)
        for number in range(25):
            for stream in streams:
                rgb = drawing.numbered(number, stream.width, stream.height)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        for stream in streams:
            container.mux(stream.encode(None))
    found = probe(path).video
    assert found is not None
    assert (found.index, found.width) == (1, 320)


def test_metadata_is_untrusted_text_made_harmless(drawing: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "v.mkv"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "A\x1b[31m talk\u202e with \u200btricks"
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((64, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode(None))
    texts = {key.lower(): text for key, text in probe(path).metadata.items()}
    assert texts["title"] == "A talk with tricks"


@pytest.mark.parametrize(
    ("code", "language"),
    [("eng", "en"), ("en", "en"), ("pt_BR", "pt-br"), ("ger", "de"), ("und", None), ("", None), (None, None)],
)
def test_language_codes_become_comparable(code: str | None, language: str | None) -> None:
    assert language_of(code) == language


def test_words_of_file_names_are_languages_only_when_known() -> None:
    assert [word for word in ("en", "eng", "zh-TW", "sdh", "final", "2", "forced") if is_language(word)] == [
        "en",
        "eng",
        "zh-TW",
    ]
