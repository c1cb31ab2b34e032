"""Starting ingest workers: processes of their own, detached, that outlive the server or command that started them.

A worker ends when no job is left."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

from agent_tools.home import HomeFolder, make_private_folder, open_private
from agent_tools.ingestion.worker import alive, held, lives
from agent_tools.settings import Settings, worker_environment
from agent_tools.store import Store


class Workers:
    """Starts a worker when jobs wait and none lives."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._started: subprocess.Popen[bytes] | None = None

    def ensure(self, store: Store) -> bool:
        """Start a worker if there is open work that no living worker holds, and no other process is starting one.

        A shared memory whose workers live is left to them: they may have better machines, and channels of their own.

        Returns: whether one was started."""
        with self._lock:
            if self._started is not None:
                self._started.poll()  # one that has ended is collected, so it does not seem alive
            jobs = store.open_jobs()
            if not jobs or any(held(job, store.now()) for job in jobs):
                return False
            if store.shared and any(lives(name) for name in store.workers_seen()):
                return False
            if not store.worker_may_start(os.getpid(), alive):
                return False
            self._started = self._start()
            store.worker_starts(self._started.pid)
            return True

    def join(self) -> None:
        """Wait until the worker that was started here ends, as it does when no work is left."""
        if self._started is not None:
            self._started.wait()

    def _start(self) -> subprocess.Popen[bytes]:
        log_file = HomeFolder(self.settings.home).worker_errors
        make_private_folder(log_file.parent)
        detached = (
            {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
            if sys.platform == "win32"
            else {"start_new_session": True}
        )
        with open(log_file, "ab", opener=open_private) as errors:
            return subprocess.Popen(
                [sys.executable, "-m", "agent_tools", "work"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                env=worker_environment(self.settings),
                cwd=self.settings.home,
                **detached,
            )
