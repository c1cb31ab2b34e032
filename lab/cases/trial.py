"""One case: its files in a temporary memory, taken in within this process, and short questions to the tools."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from typer.testing import CliRunner

from agent_tools.cli import app
from agent_tools.errors import AgentToolsError
from agent_tools.evals.films.demo_video import draw
from agent_tools.home import STORE_FILE
from agent_tools.ingestion.worker import work
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.workers import Workers
from agent_tools.service.list_episodes import list_episodes
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.zoom_segment import Zoomed, ZoomRequest, zoom_segment
from agent_tools.settings import Settings
from agent_tools.store import Entry
from agent_tools.types import GroundReply, Hit, IngestReply, ListReply

MODELS_S = 120.0  # how long a search waits for the sentence encoder


class Wrong(Exception):
    """The product gave another value than the right one."""


class _NoWorkers(Workers):
    """Starts no process: the jobs are done here."""

    def ensure(self, store: object) -> bool:
        return False


class Trial:
    """A copy of the case's files, a memory of its own, and the answers of the tools. Use it in a `with` block.

    Attributes:
        whole: try the case at its full size, which may take long.
        figures: what was measured, for the case's line."""

    def __init__(self, folder: Path, place: Path, *, whole: bool = False) -> None:
        self.films, self.whole = place / "films", whole
        self.figures: list[str] = []
        shutil.copytree(folder, self.films)
        for path in (self.films, *self.films.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)
        self._open(Settings.load({}, home=place / "home", allow=(self.films,), profile="lite"))

    def _open(self, settings: Settings) -> None:
        self.settings = settings
        self.library = Library(self.settings, by_hand=True)
        self.library.workers = _NoWorkers(self.settings)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.library.close()

    def ingest(self, name: str = "", channels: Sequence[str] = ("subtitles",)) -> IngestReply:
        """Take in one file of the case, or all of them by "", and return the reply once all is done."""
        source = str(self.films / name) if name else str(self.films)
        wanted = list(channels) or None
        try:
            ingest_video(self.library, source, channels=wanted, wait_s=0)
            work(self.settings)
            return ingest_video(self.library, source, channels=wanted, wait_s=0)
        except AgentToolsError as error:
            raise Wrong(f"{name}: {error.described}") from error

    @contextmanager
    def allowing(self, folder: Path) -> Iterator[Trial]:
        """The same memory, of which another folder is the only one that may be read."""
        other = object.__new__(Trial)
        other.films, other.whole, other.figures = folder, self.whole, self.figures
        other._open(replace(self.settings, allow=(folder,)))
        with other:
            yield other

    def drawn(self, name: str, seconds: float = 60.0, seed: int = 0) -> str:
        """The name of a film that is drawn among the case's files."""
        draw(self.films / name, seed, seconds)
        return name

    def refused(self, source: str) -> str:
        """The sentence that refuses a source. Raises: Wrong: it is taken."""
        try:
            ingest_video(self.library, source, wait_s=0)
        except AgentToolsError as error:
            return error.described
        raise Wrong(f"{source} is taken")

    def text(self, name: str) -> str:
        """The content of a file of the case."""
        return (self.films / name).read_text("utf-8")

    def entries(self, video: str, channel: str = "subtitles") -> list[Entry]:
        return self.library.store.entries(self.library.video(video).id, channels=(channel,))

    def length_s(self, video: str) -> float:
        return self.library.video(video).duration_s or 0.0

    def ground(self, video: str, event: str) -> GroundReply:
        return ground_event(self.library, event=event, video_id=video)

    def hits(self, query: str, video: str = "", limit: int = 8) -> list[Hit]:
        videos = [video] if video else None
        request = SearchRequest(query=query, video_ids=videos, limit=limit)
        reply = retrieve_memory(self.library, request, wait_s=MODELS_S)
        return reply.hits

    def zoom(self, video: str) -> Zoomed:
        return zoom_segment(self.library, ZoomRequest(video_id=video))

    def list(self, video: str = "") -> ListReply:
        return list_episodes(self.library, video_id=video)

    def command(self, name: str, *arguments: str) -> str:
        """What a command of agent-tools prints about this memory."""
        result = CliRunner().invoke(app, [name, *arguments, "--home", str(self.settings.home)])
        if result.exit_code:
            raise Wrong(f"agent-tools {name} ends with {result.exit_code}: {result.output} {result.exception}")
        return result.stdout

    def memory_bytes(self) -> bytes:
        """All that stands in the memory's file and its log."""
        files = sorted(self.settings.home.glob(f"{STORE_FILE}*"))
        return b"".join(path.read_bytes() for path in files)

    def said_of(self, video: str, channel: str = "subtitles") -> str:
        """All that list_episodes says of a channel: its phrase in the coverage, not_known, and the gaps' reasons."""
        reply = self.list(video)
        phrase = getattr(reply.coverage.channels, channel) if reply.coverage else ""
        missing = [f"{one.why} {one.remedy}" for one in reply.not_known or [] if one.channel == channel]
        gaps = [gap.why for gap in (reply.coverage.gaps if reply.coverage else []) if gap.channel in (None, channel)]
        return " | ".join([str(phrase), *missing, *gaps])


def equal(what: str, found: object, right: object) -> None:
    """Raises: Wrong: they are not equal."""
    if found != right:
        raise Wrong(f"{what}: {found!r}, right is {right!r}")


def holds(what: str, fact: bool) -> None:
    """Raises: Wrong: it is not so."""
    if not fact:
        raise Wrong(what)


def near(what: str, found: float, right: float, within: float = 0.3) -> None:
    """Raises: Wrong: they differ by more than `within`."""
    if abs(found - right) > within:
        raise Wrong(f"{what}: {found:g}, right is {right:g}")
