"""The id of a video: what its bytes say, whatever its name or place.

Knows bytes. Knows nothing of containers: it must work before and without PyAV."""

from __future__ import annotations

import hashlib
from pathlib import Path

from agent_tools.media.plain_file import open_plain

_WHOLE_BYTES = 256 << 20  # up to here every byte counts
_BLOCK_BYTES = 1 << 20
_BLOCKS = 64


def content_id(path: Path) -> str:
    """12 hex digits: BLAKE2b of the size and the whole content up to 256 MiB, above that of the size and 64 blocks
    of 1 MiB spread evenly, the first and the last MiB among them.

    Raises: SourceNotFound: no plain file is there, it may not be read, or the path leads through a link.
    """
    with open_plain(path) as file:
        size = file.size
        digest = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=6)
        if size <= _WHOLE_BYTES:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        else:
            for number in range(_BLOCKS):
                file.seek(number * (size - _BLOCK_BYTES) // (_BLOCKS - 1))
                digest.update(file.read(_BLOCK_BYTES))
    return digest.hexdigest()
