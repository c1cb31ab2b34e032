"""The program that reads a page with a video: `python -m agent_tools.service.library.page_program`, by yt-dlp.

It is a process of its own, so that it can be ended at any moment. It reads one PageRequest as JSON from stdin and
writes lines of JSON to stdout: {"bytes": n, "of": n} on its way, and at last {"page": {...}}, {"file": name} or
{"error": kind, "why": text}. It connects to public addresses only, starts no other program, and reads neither cookies
nor settings of yt-dlp: an audit hook refuses what would."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent_tools.errors import AgentToolsError, LimitReached, SourceNotAllowed, SourceNotFound
from agent_tools.service.library.addresses import is_public
from agent_tools.service.library.pages import MOST_ITEMS, PageInfo, PageRequest, title_of
from agent_tools.untrusted import clean

HIGHEST_PX = 1080
MOST_LANGUAGES = 4
CONNECTS = ("socket.connect", "socket.sendto", "socket.sendmsg")
STARTS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.system", "os.spawn", "os.startfile", "pty.spawn")
FORMATS = (
    f"bv*[height<=?{HIGHEST_PX}][protocol!=mhtml]+ba/b[height<=?{HIGHEST_PX}]/b"  # the last: nothing is that small
)


class Guard:
    """An audit hook: what this process must not do raises. It stays until the process ends."""

    def __init__(self, permitted: Sequence[str]) -> None:
        self.refused = ""  # the last address, for the message
        self._permitted = frozenset(permitted)
        sys.addaudithook(self._watch)

    def _watch(self, event: str, args: tuple[Any, ...]) -> None:
        if event in CONNECTS:
            self._check(args[-1])
        elif event in STARTS:
            raise PermissionError(f"{event}: no other program is started for a page")

    def _check(self, address: object) -> None:
        if address is None:
            return  # of a socket that is connected
        host = str(address[0]) if isinstance(address, tuple) else ""
        if host not in self._permitted and not (host and is_public(host)):
            self.refused = host or "a socket of this machine"
            raise PermissionError(f"{self.refused} is no public address")


class _Silent:
    """yt-dlp's logger: its words go nowhere, because stdout is for lines of JSON."""

    def debug(self, _: str) -> None: ...
    def info(self, _: str) -> None: ...
    def warning(self, _: str) -> None: ...
    def error(self, _: str) -> None: ...


def main() -> None:
    os.umask(0o077)
    request = PageRequest(**json.load(sys.stdin))
    guard = Guard(request.permitted)
    try:
        from yt_dlp import YoutubeDL
        from yt_dlp.utils import YoutubeDLError

        try:
            with YoutubeDL(_options(request)) as reader:
                _tell(_described(reader, request) if request.item is None else _fetched(reader, request))
        except YoutubeDLError as error:
            if guard.refused:
                raise SourceNotAllowed(
                    f"the page leads to {guard.refused}, in a private network. Only public addresses are fetched."
                ) from error
            raise SourceNotFound(
                f"yt-dlp finds no video there: {clean(str(error).partition('; please')[0], 200)}."
            ) from error
    except AgentToolsError as error:
        _tell({"error": error.code, "why": str(error)})


def _tell(line: Mapping[str, Any]) -> None:
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def _options(request: PageRequest) -> dict[str, Any]:
    options: dict[str, Any] = {
        "quiet": True,
        "noprogress": True,
        "logger": _Silent(),
        "cachedir": False,
        "proxy": "",  # none, whatever the environment says
        "ffmpeg_location": os.path.join(request.folder, "none"),  # no other program joins or mends
        "fixup": "never",
        "format": FORMATS,
        "noplaylist": True,  # a video's address that also names a list means the video
        "socket_timeout": 30,
        "updatetime": False,
        "outtmpl": {"default": os.path.join(request.folder, "film.%(ext)s")},
    }
    if request.item is None:
        return options | {"extract_flat": "in_playlist", "playlistend": MOST_ITEMS + 1}
    return options | {"playlist_items": str(request.item), "progress_hooks": [lambda state: _progress(state, request)]}


def _progress(state: Mapping[str, Any], request: PageRequest) -> None:
    """Raises: LimitReached: the file is larger than is allowed. BrokenPipeError: nobody waits for it any more."""
    done = int(state.get("downloaded_bytes") or 0)
    if done > request.largest:
        raise LimitReached(f"the video is larger than {request.largest / 1e9:.0f} GB.")
    _tell({"bytes": done, "of": state.get("total_bytes") or state.get("total_bytes_estimate")})


def _described(reader: Any, request: PageRequest) -> dict[str, Any]:
    found = reader.extract_info(request.url, download=False)
    entries = found.get("entries")
    if entries is None:
        return {"page": PageInfo.fields_of(found, _size(reader, found))}
    listed = [entry for entry in entries if entry]
    if not listed:
        raise SourceNotFound("yt-dlp finds no video there: an empty list.")
    shown = listed[:MOST_ITEMS]
    lengths = [entry.get("duration") for entry in shown]
    whole_s = sum(lengths) if all(isinstance(one, int | float) for one in lengths) else None
    return {
        "page": PageInfo.fields_of({"title": found.get("title"), "duration": whole_s}, None)
        | {"titles": [clean(str(one.get("title") or ""), 200) for one in shown], "more": len(listed) > MOST_ITEMS}
    }


def _size(reader: Any, info: Mapping[str, Any]) -> int | None:
    """The bytes of what would be fetched, where the page or its server says so."""
    parts = info.get("requested_formats") or [info]
    sizes = [part.get("filesize") or part.get("filesize_approx") or _asked_size(reader, part) for part in parts]
    return sum(int(size or 0) for size in sizes) if all(sizes) else None


def _asked_size(reader: Any, part: Mapping[str, Any]) -> int | None:
    from yt_dlp.networking import Request
    from yt_dlp.networking.exceptions import RequestError

    if part.get("protocol") not in ("http", "https") or not part.get("url"):
        return None
    try:
        headers = reader.urlopen(Request(part["url"], method="HEAD", headers=part.get("http_headers") or {})).headers
    except RequestError:
        return None
    length = headers.get("Content-Length", "")
    return int(length) if length.isdigit() else None


def _fetched(reader: Any, request: PageRequest) -> dict[str, Any]:
    """The film with its captions in the folder, one file `film.*` and `film.LANGUAGE.*`."""
    first = _only(reader.extract_info(request.url, download=False))
    if first.get("is_live"):
        raise SourceNotFound("a live stream has no end. Give its address again when it is over, or record it.")
    reader.params.update(_captions(first))
    info = _only(reader.extract_info(request.url, download=True))
    folder = Path(request.folder)
    files = [Path(part["filepath"]) for part in info.get("requested_formats") or [] if part.get("filepath")]
    files = files or [Path(one["filepath"]) for one in info.get("requested_downloads") or []]
    files = [path for path in files if path.is_file()]
    if not files:
        raise SourceNotFound("yt-dlp fetched no file there.")
    return {"file": _whole(folder, files, info).name}


def _only(info: Any) -> Any:
    entries = info.get("entries")
    found = info if entries is None else next((entry for entry in entries if entry), None)
    if found is None:
        raise SourceNotFound("this part of the list is not there any more.")
    return found


def _captions(info: Mapping[str, Any]) -> dict[str, Any]:
    """yt-dlp's options for the captions of a video: those that people made, else the automatic ones of its language."""
    spoken = str(info.get("language") or "").split("-")[0]
    made = [name for name in info.get("subtitles") or {} if name != "live_chat"]
    made.sort(key=lambda name: (name.split("-")[0] != spoken, name.split("-")[0] != "en", name))
    if made:
        return {"writesubtitles": True, "subtitleslangs": made[:MOST_LANGUAGES], "subtitlesformat": "vtt/srt/best"}
    heard = [name for name in info.get("automatic_captions") or {} if spoken and name in (f"{spoken}-orig", spoken)]
    if heard:
        return {"writeautomaticsub": True, "subtitleslangs": sorted(heard)[-1:], "subtitlesformat": "vtt/srt/best"}
    return {}


def _whole(folder: Path, files: Sequence[Path], info: Mapping[str, Any]) -> Path:
    """One file of picture and sound, with title and chapters; a single file that does not join stays as it came.

    Raises: DecodeError: picture and sound came apart and do not join."""
    from agent_tools.errors import DecodeError
    from agent_tools.media.joined_streams import join_streams
    from agent_tools.media.streams import Chapter

    chapters = [
        Chapter(float(one["start_time"]), float(one["end_time"]), clean(str(one.get("title") or ""), 200))
        for one in info.get("chapters") or []
        if one.get("end_time") and one["end_time"] > one["start_time"]
    ]
    target = folder / "joined.mkv"
    try:
        join_streams(files, target, title_of(info), chapters)
    except DecodeError:
        target.unlink(missing_ok=True)
        if len(files) > 1:
            raise
        return files[0]
    for path in files:
        path.unlink()
    return target.rename(folder / "film.mkv")


if __name__ == "__main__":
    main()
