"""Opens a media file so that FFmpeg reads this one local file and nothing else."""

from __future__ import annotations

from pathlib import Path

import av
import av.container

from agent_tools.errors import UnreadableVideo
from agent_tools.media.plain_file import Plain, open_plain
from agent_tools.untrusted import clean

# Demuxers that read one file. Left out on purpose: playlists and scripts (hls, dash, concat, sdp, rtsp, imf, lavfi),
# which name other files or hosts, and image2, which reads %d in a file name as a pattern for more files.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2",
    "matroska,webm",
    *(
        "avi",
        "mpegts",
        "mpeg",
        "mpegvideo",
        "m4v",
        "h264",
        "hevc",
        "vvc",
        "obu",
        "ivf",
        "flv",
        "live_flv",
        "asf",
        "asf_o",
    ),
    *("ogg", "rm", "mxf", "nut", "dv", "gxf", "wtv", "dhav", "yuv4mpegpipe", "gif"),
    *("wav", "w64", "mp3", "flac", "aac", "ac3", "eac3", "dts", "aiff", "au", "caf", "amr", "ape", "wv", "tta", "mpc8"),
)
# FFmpeg gets the opened file, so it needs no protocol, and the list of protocols is empty.
_OPTIONS = {"protocol_whitelist": "none", "format_whitelist": ",".join(FORMATS)}
_READ_BYTES = 1 << 16  # per read of FFmpeg: larger reads make seeking slow
_PLAYLISTS = (b"#extm3u", b"ffconcat", b"[playlist]", b"v=0", b"<mpd", b"<smoothstreamingmedia", b"<asx")
_KNOWN = "MP4, MOV, Matroska, WebM, AVI, MPEG-TS, Ogg, FLV, GIF or a sound file"


def open_media(path: Path) -> av.container.InputContainer:
    """The opened container of one local file, by its real path.

    Raises:
        SourceNotFound: there is no file, it may not be read, or the path leads through a link.
        UnreadableVideo: it is empty, text or a playlist, has an unknown container, or is cut so that its index is
            missing.
    """
    file = open_plain(path)
    head = _head(path, file)
    try:
        container = av.open(file, "r", options=dict(_OPTIONS), metadata_errors="replace", buffer_size=_READ_BYTES)
    except av.FFmpegError as error:
        raise _refusal(path, head) from error
    if container.format.name not in FORMATS:  # format_whitelist matches single names: "mp4" would do for a longer list
        container.close()
        raise _refusal(path, head)
    return container


def name_of(path: Path) -> str:
    """The file's name as messages show it."""
    return clean(path.name, 120) or "the file"


def _head(path: Path, file: Plain) -> bytes:
    head = file.read(4096)
    file.seek(0)
    if not head:
        raise UnreadableVideo(f"{name_of(path)} is empty (0 bytes). Copy or download it again.")
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if start.startswith(_PLAYLISTS) or b"<mpd" in start:
        raise UnreadableVideo(
            f"{name_of(path)} is a playlist, which points to other files. Give the video file itself, "
            "or join the pieces into one file first."
        )
    return head


def _refusal(path: Path, head: bytes) -> UnreadableVideo:
    name = name_of(path)
    if _is_text(head):
        return UnreadableVideo(f"{name} holds text, not video. Give a video or sound file ({_KNOWN}).")
    if head[4:8] in (b"ftyp", b"moov", b"mdat", b"free", b"wide", b"skip"):
        return UnreadableVideo(
            f"{name} is an MP4 or MOV file without a readable index (moov): it was cut off or damaged. "
            "Copy or record it again, or rebuild the index with a repair tool."
        )
    if head.startswith(b"\x1a\x45\xdf\xa3"):
        return UnreadableVideo(f"{name} is a Matroska or WebM file with a damaged header. Copy it again, or remux it.")
    return UnreadableVideo(
        f"{name} is not in a known container ({_KNOWN}), or its first bytes are damaged. Convert it to MP4 first."
    )


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:  # a character cut by the read is still text
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character.isspace() for character in text)
