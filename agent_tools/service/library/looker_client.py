"""Asking the looker: the process that opens videos for zoom, frames and clips, started on first use and kept.

The protocol is one JSON line for the request and one JSON line for the reply. A native crash ends the looker,
never the server. A cancelled call ends it too, and the next call starts another."""

from __future__ import annotations

import logging
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from agent_tools import errors
from agent_tools.errors import EngineError, RequestError, WorkerDied
from agent_tools.home import HomeFolder, make_private_folder, open_private
from agent_tools.ingestion.look_messages import (
    Clip,
    ClipRequest,
    Failure,
    KeptSheetsRequest,
    KeyTimesRequest,
    PicturesRequest,
    PlayableRequest,
    Reply,
    Request,
    SheetsRequest,
    Shot,
    Shots,
    Times,
    reply_of,
    to_line,
)
from agent_tools.settings import Settings, worker_environment

log = logging.getLogger("agent_tools")
LONGEST_CLIP_S = 180.0  # of a call; a clip is decoded, encoded and perhaps encoded again smaller
LONGEST_CALL_S = 60.0  # of any other call
POLL_S = 0.1
CHECK = Callable[[], None]  # raises where the call was cancelled


class Looker:
    """Client of the looker process. One call at a time; thread-safe."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def pictures(
        self,
        path: Path,
        times_s: Sequence[float],
        *,
        long_side: int,
        region: Sequence[float] | None = None,
        check: CHECK | None = None,
    ) -> list[Shot | None]:
        """The picture on screen at each time, as JPEG; None where nothing can be decoded.

        Args:
            long_side: most pixels of the longer side; smaller pictures are not enlarged.
            region: [x, y, w, h] in 0..1, cut out before scaling.
        """
        cut = None if region is None else tuple(region)
        return self._shots(PicturesRequest(str(path), tuple(times_s), long_side, cut), check)

    def sheets(self, path: Path, times_s: Sequence[float], *, cell: int, check: CHECK | None = None) -> list[Shot]:
        """Contact sheets of the pictures at these times, `cell` px on the longer side, the time written in each."""
        shots = self._shots(SheetsRequest(str(path), tuple(times_s), cell), check)
        return [shot for shot in shots if shot is not None]

    def nearest_keys(self, path: Path, times_s: Sequence[float], within_s: float) -> list[float]:
        """Each time, or that of the key frame nearest to it, where it is at most within_s away: cheaper to open."""
        reply = self._call(KeyTimesRequest(str(path), tuple(times_s), within_s), None)
        assert isinstance(reply, Times)
        return list(reply.times_s)

    def sheets_of(self, jpegs: Sequence[tuple[float, bytes]], *, cell: int, check: CHECK | None = None) -> list[Shot]:
        """Contact sheets of kept frames, given as (time, JPEG)."""
        shots = self._shots(KeptSheetsRequest(tuple(jpegs), cell), check)
        return [shot for shot in shots if shot is not None]

    def clip(self, path: Path, start_s: float, end_s: float, *, max_bytes: int, check: CHECK | None = None) -> bytes:
        """The span as MP4 of at most max_bytes."""
        reply = self._call(ClipRequest(str(path), start_s, end_s, max_bytes), check)
        assert isinstance(reply, Clip)
        return reply.data

    def playable(self, path: Path, start_s: float, end_s: float, *, max_bytes: int, check: CHECK | None = None) -> Clip:
        """The span, or its beginning, in a form that browsers play: it may begin earlier, at a key frame."""
        reply = self._call(PlayableRequest(str(path), start_s, end_s, max_bytes), check)
        assert isinstance(reply, Clip)
        return reply

    def close(self) -> None:
        with self._lock:
            self._end()

    def _shots(self, request: Request, check: CHECK | None) -> list[Shot | None]:
        reply = self._call(request, check)
        assert isinstance(reply, Shots)
        return list(reply.shots)

    def _call(self, request: Request, check: CHECK | None) -> Reply:
        while not self._lock.acquire(timeout=POLL_S):
            if check is not None:
                check()
        try:
            reply = self._exchange(self._started(), request, check)
        except BaseException:
            self._end()
            raise
        finally:
            self._lock.release()
        if isinstance(reply, Failure):
            kind = getattr(errors, reply.code, EngineError)
            raise (kind if issubclass(kind, (EngineError, RequestError)) else EngineError)(reply.message)
        return reply

    def _exchange(self, process: subprocess.Popen[bytes], request: Request, check: CHECK | None) -> Reply:
        assert process.stdin is not None
        longest_s = LONGEST_CLIP_S if isinstance(request, ClipRequest | PlayableRequest) else LONGEST_CALL_S
        deadline = time.monotonic() + longest_s
        try:
            process.stdin.write(to_line(request))
            process.stdin.flush()
        except OSError as error:
            raise WorkerDied("the process that opens videos is gone. Call again: a new one is started.") from error
        while True:
            if check is not None:
                check()
            try:
                line = self._answers.get(timeout=POLL_S)
            except queue.Empty:
                if time.monotonic() > deadline:
                    raise WorkerDied(
                        f"no answer within {longest_s:.0f} s. Ask for fewer frames or a shorter span."
                    ) from None
                continue
            if not line:
                file = "kept frames" if isinstance(request, KeptSheetsRequest) else Path(request.path).name
                raise WorkerDied(
                    f"the process that opens videos ended with {process.wait()} on {file}. "
                    "The file may be damaged at that span; other calls go on."
                )
            return reply_of(line)

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            log_file = HomeFolder(self._settings.home).looker_errors
            make_private_folder(log_file.parent)
            with open(log_file, "ab", opener=open_private) as errors_file:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "agent_tools", "look"],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors_file,
                    env=worker_environment(self._settings),
                    cwd=self._settings.home,
                )
            self._answers = queue.SimpleQueue()
            threading.Thread(target=_forward, args=(self._process, self._answers), daemon=True).start()
        return self._process

    def _end(self) -> None:
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError as error:
                    log.debug("closing the looker's pipe: %s", error)
        self._process = None


def _forward(process: subprocess.Popen[bytes], answers: queue.SimpleQueue[bytes]) -> None:
    """Lines of the looker into the queue; an empty one when it ends. A thread, because pipes have no time-out."""
    assert process.stdout is not None
    try:
        for line in process.stdout:
            answers.put(line)
    except ValueError:  # the pipe was closed by `close`
        log.debug("the looker's pipe was closed")
    answers.put(b"")
