"""Pages with a video, and lists of videos, read by yt-dlp (extra `web`) in a process of its own; see page_program.

What a page holds is said before anything is fetched: title, length, size and licence."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from agent_tools import errors
from agent_tools.errors import AgentToolsError, SourceNotFound
from agent_tools.home import make_private_folder
from agent_tools.media.names import SUFFIXES
from agent_tools.settings import PREFIX
from agent_tools.timeline import clock
from agent_tools.untrusted import clean

MOST_ITEMS = 50  # of a list; the others are left out, and the description says so
PROGRAM = "agent_tools.service.library.page_program"
TITLE_LENGTH = 200


def pages_are_read() -> bool:
    """Whether yt-dlp is installed."""
    return importlib.util.find_spec("yt_dlp") is not None


@dataclass(frozen=True)
class PageRequest:
    """What page_program does: describe a page, or fetch one of its videos into a folder."""

    url: str
    folder: str
    item: int | None = None  # None describes; else the place in the list, from 1
    largest: int = 1 << 34  # bytes
    permitted: tuple[str, ...] = ()  # addresses besides the public ones


@dataclass(frozen=True)
class PageInfo:
    """What a page holds, as it says of itself: untrusted."""

    title: str
    duration_s: float | None = None
    size_bytes: int | None = None
    licence: str = ""
    titles: tuple[str, ...] = ()  # of the videos of a list; empty: the page is of one video
    more: bool = False  # the list is longer than MOST_ITEMS

    @staticmethod
    def fields_of(info: Mapping[str, Any], size_bytes: int | None) -> dict[str, Any]:
        """The fields out of what yt-dlp found."""
        length = info.get("duration")
        return {
            "title": title_of(info),
            "duration_s": float(length) if isinstance(length, int | float) else None,
            "size_bytes": size_bytes,
            "licence": clean(str(info.get("license") or ""), TITLE_LENGTH),
        }

    @property
    def described(self) -> str:
        """The line that is said first."""
        if self.titles:
            first = "the first " if self.more else ""
            what = [f"a list, {first}{len(self.titles)} videos"]
        else:
            what = []
        what.append("length not stated" if self.duration_s is None else clock(self.duration_s))
        what.append(
            "size not stated" if self.size_bytes is None else f"about {max(1, round(self.size_bytes / 1e6))} MB"
        )
        what.append(f"licence: {self.licence}" if self.licence else "no licence stated")
        return f"{self.title or 'Without a title'!r}: {', '.join(what)}"


def title_of(info: Mapping[str, Any]) -> str:
    """The title that yt-dlp found; without the number that its plain readers put behind the title of an only film."""
    title = str(info.get("title") or "")
    return clean(title.removesuffix(" (1)") if info.get("extractor") in ("generic", "html5") else title, TITLE_LENGTH)


class Pages:
    """Runs page_program. Thread-safe: each call is a process of its own.

    Args:
        folder: where files come to lie.
        permitted: addresses that pages may lead to besides the public ones.
    """

    def __init__(self, folder: Path, permitted: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self._permitted = permitted

    def describe(self, url: str, begun: Callable[[subprocess.Popen[str]], None]) -> PageInfo:
        """Raises: SourceNotFound, SourceNotAllowed: as page_program says."""
        with self._room() as room:
            page = self._run(PageRequest(url, str(room), permitted=self._permitted), begun, _unheard)["page"]
        return PageInfo(**{**page, "titles": tuple(page.get("titles", ()))})

    def fetch(
        self,
        url: str,
        item: int,
        name: str,
        largest: int,
        begun: Callable[[subprocess.Popen[str]], None],
        on_bytes: Callable[[int, int | None], None],
    ) -> Path:
        """Fetch a video of the page to `name`.* in the folder, with its captions beside it.

        Raises: SourceNotFound, SourceNotAllowed, LimitReached, DecodeError: as page_program says."""
        with self._room() as room:
            request = PageRequest(url, str(room), item, largest, self._permitted)
            film = room / str(self._run(request, begun, on_bytes)["file"])
            whole = self.folder / (name + (film.suffix if film.suffix in SUFFIXES else ".mp4"))
            for caption in room.glob("film.*"):
                if caption != film and caption.suffix in (".vtt", ".srt"):
                    os.replace(caption, self.folder / (name + caption.name.removeprefix("film")))
            os.replace(film, whole)  # last: who finds it finds its captions
        return whole

    @contextlib.contextmanager
    def _room(self) -> Iterator[Path]:
        """A folder for one run, whose end takes what lies in it."""
        room = self.folder / f"{os.getpid()}-{secrets.token_hex(4)}.part"
        make_private_folder(room)
        try:
            yield room
        finally:
            shutil.rmtree(room, ignore_errors=True)

    def _run(
        self,
        request: PageRequest,
        begun: Callable[[subprocess.Popen[str]], None],
        on_bytes: Callable[[int, int | None], None],
    ) -> dict[str, Any]:
        environment = {name: text for name, text in os.environ.items() if not name.startswith(PREFIX)}
        command = [sys.executable, "-m", PROGRAM]
        with subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={**environment, "YTDLP_NO_PLUGINS": "1", "PYTHONSAFEPATH": "1"},
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            begun(process)
            try:
                with contextlib.suppress(BrokenPipeError):  # it was ended already
                    process.stdin.write(json.dumps(asdict(request)))
                    process.stdin.close()
                for text in process.stdout:
                    line = json.loads(text)
                    if "bytes" in line:
                        on_bytes(line["bytes"], line["of"])
                    elif "error" in line:
                        raise _error(line)
                    else:
                        return dict(line)
            finally:
                process.kill()
        raise SourceNotFound("the program that reads pages ended without an answer. Give the address again.")


def _unheard(_done: int, _of: int | None) -> None:
    """For a page that is only described."""


def _error(line: Mapping[str, str]) -> AgentToolsError:
    """The error of this program's tree that a line names."""
    kind = getattr(errors, line["error"], SourceNotFound)
    return kind(line["why"]) if issubclass(kind, AgentToolsError) else SourceNotFound(line["why"])
