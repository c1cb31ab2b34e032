"""The id of a video, made from its bytes alone, whatever its name or folder. It works without PyAV."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from agent_tools.media.plain_file import open_plain


@dataclass(frozen=True)
class HashedParts:
    """Which bytes of a file go into its id."""

    whole_bytes: int = 256 << 20  # up to this size every byte counts
    block_bytes: int = 1 << 20  # of a larger file, blocks of this size
    blocks: int = 64  # spread evenly, the first and the last block included


def content_id(path: Path, parts: HashedParts = HashedParts(), *, first_bytes: int | None = None) -> str:
    """12 hex digits: BLAKE2b of the size and the whole content up to 256 MiB, above that of the size and 64 blocks
    of 1 MiB spread evenly, the first and the last MiB among them.

    Args:
        parts: which bytes count. Another value gives other ids.
        first_bytes: the id that the file had when it was so long, if it has only grown since.
    Raises: SourceNotFound: there is no plain file, it may not be read, or the path leads through a link.
    """
    with open_plain(path) as file:
        size = file.size if first_bytes is None else min(first_bytes, file.size)
        digest = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=6)
        if size <= parts.whole_bytes:
            left = size
            while left and (block := file.read(min(left, parts.block_bytes))):
                digest.update(block)
                left -= len(block)
        else:
            for number in range(parts.blocks):
                file.seek(number * (size - parts.block_bytes) // (parts.blocks - 1))
                digest.update(file.read(parts.block_bytes))
    return digest.hexdigest()
