"""The data folder and the cache: where each thing that outlives a process lies.

Every path under the two folders is named here and nowhere else, so that a reader finds what writes and what deletes
it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

STORE_FILE = "memory.sqlite3"
PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600  # permissions of all that is made in the data folder


def make_private_folder(folder: Path) -> None:
    """Make the folder and the ones above it for their owner alone; one that is there keeps its permissions.

    Raises: OSError: it cannot be made."""
    for path in (*reversed(folder.parents), folder):
        path.mkdir(PRIVATE_FOLDER, exist_ok=True)


def open_private(path: str | Path, flags: int) -> int:
    """`opener` of open(): a new file is for its owner alone."""
    return os.open(path, flags, PRIVATE_FILE)


@dataclass(frozen=True)
class CacheFolder:
    """The cache that all data folders of a user share. What lies in it is made again where it is missing."""

    root: Path

    @property
    def checked_weights(self) -> Path:
        """Which files of weights were checked, so that each is hashed once."""
        return self.root / "checked-weights.json"

    @property
    def weights(self) -> Path:
        """Models that were unpacked or joined once out of packages."""
        return self.root / "weights"


@dataclass(frozen=True)
class HomeFolder:
    """The data folder that `--home` names. A property is a path; nothing is made or read by asking for it."""

    root: Path

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return self.root / STORE_FILE

    @property
    def backups(self) -> Path:
        """Stores that a restore has replaced."""
        return self.root / "backups"

    @property
    def exports(self) -> Path:
        """Notes that were written to files before their video was removed."""
        return self.root / "exports"

    @property
    def evals(self) -> Path:
        """Runs of benchmarks, a folder each."""
        return self.root / "evals"

    @property
    def downloads(self) -> Path:
        """Video files that --allow-urls has fetched."""
        return self.root / "downloads"

    @property
    def calibrations(self) -> Path:
        """This home's own calibrations; they win over those of the package."""
        return self.root / "calibrations"

    # -- logs

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def worker_log(self) -> Path:
        return self.logs / "worker.log"

    @property
    def worker_errors(self) -> Path:
        """What a worker wrote to stderr, such as a native crash."""
        return self.logs / "worker.err"

    @property
    def looker_errors(self) -> Path:
        """The same of the process that opens videos for zoom."""
        return self.logs / "looker.err"

    # -- of one video

    @property
    def work(self) -> Path:
        return self.root / "work"

    def unread_pictures(self, video_id: str) -> Path:
        """Pictures that wait to be read by OCR."""
        return self.work / video_id

    def reindexed(self, video_id: str) -> Path:
        """A home of its own, in which channels are made again beside those that are searched."""
        return self.work / f"{video_id}.new"

    def keeper(self, video_id: str, next_k: int) -> Path:
        """By which an interrupted frames pass goes on from frame `next_k` of the grid: what it compares frames with."""
        return self.work / f"{video_id}.keeper-{next_k}"

    def keepers(self, video_id: str) -> Iterator[Path]:
        """The same files that are there, whatever frame they belong to."""
        return self.work.glob(f"{video_id}.keeper-*")

    @property
    def tokens(self) -> Path:
        return self.root / "tokens"

    def token_file(self, video_id: str, producer: str, digest: str = "") -> Path:
        """The picture vectors of a video by one frame encoder.

        Args:
            digest: of the file's content, for one that another machine made."""
        mark = hashlib.blake2b(producer.encode(), digest_size=4).hexdigest()
        return self.tokens / (f"{video_id}-{mark}-{digest}.tokens" if digest else f"{video_id}-{mark}.tokens")

    def token_files(self, video_id: str) -> Iterator[Path]:
        """The token files of a video that are there, of every encoder."""
        return self.tokens.glob(f"{video_id}-*.tokens")
