"""One local file is read and nothing else, whatever its name or content asks for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent_tools.errors import SourceNotFound, UnreadableVideo
from agent_tools.media import probe, sample


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("list.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n"),
        ("list.ffconcat", "ffconcat version 1.0\nfile '{url}'\n"),
        ("list.txt", "file '{url}'\n"),
        ("stream.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"),
        (
            "show.mpd",
            '<?xml version="1.0"?>\n<MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{url}</BaseURL></MPD>',
        ),
        ("graph.mp4", "testsrc=size=320x180"),
        ("bom.mp4", "\ufeff#EXTM3U\n{url}\n"),
    ],
)
def test_files_that_point_to_other_files_are_refused(name: str, text: str, steady: Path, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_text(text.format(url=f"file://{steady}"), encoding="utf-8")
    with pytest.raises(UnreadableVideo, match=r"playlist|holds text"):
        probe(path)


def test_file_name_is_never_taken_for_a_protocol_or_a_pattern(steady: Path, tmp_path: Path) -> None:
    for name in (
        "concat:a|b.mp4",
        "http:",
        "subfile,,start,0,end,9,,:x.mp4",
        "%03d.mp4",
        "-i.mp4",
        "a b'ü.mp4",
        "?x#y.mp4",
    ):
        path = tmp_path / name
        path.write_bytes(steady.read_bytes())
        assert probe(path).video is not None, name


def test_relative_path_that_looks_like_a_protocol_is_a_file(
    steady: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pipe:0").write_bytes(steady.read_bytes())
    assert len(list(sample(probe(Path("pipe:0")), end_s=2))) == 2


def test_pictures_are_no_video(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("frame001.png", "frame%03d.jpg"):
        Image.new("RGB", (64, 64), (200, 10, 10)).save(tmp_path / name)
        with pytest.raises(UnreadableVideo, match="not in a known container"):
            probe(tmp_path / name)


def test_random_bytes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "noise.mkv"
    path.write_bytes(os.urandom(1 << 16))
    with pytest.raises(UnreadableVideo, match=r"noise\.mkv"):
        probe(path)


def test_missing_file_and_folder_are_no_source(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.mp4", tmp_path):
        with pytest.raises(SourceNotFound):
            probe(path)


def test_control_characters_of_a_name_do_not_reach_the_message(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[31m\u202eb.mp4"
    path.write_bytes(b"")
    with pytest.raises(UnreadableVideo) as caught:
        probe(path)
    assert str(caught.value).startswith("ab.mp4 is empty")
