"""The id of a video: what its bytes say, whatever its name or place.

Knows bytes. Knows nothing of containers: it must work before and without PyAV."""

from __future__ import annotations

import hashlib
from pathlib import Path

from agent_tools.errors import SourceNotFound

_WHOLE_BYTES = 256 << 20  # up to here every byte counts
_BLOCK_BYTES = 1 << 20
_BLOCKS = 64


def content_id(path: Path) -> str:
    """12 hex digits: BLAKE2b of the size and the whole content up to 256 MiB, above that of the size and 64 blocks
    of 1 MiB spread evenly, the first and the last MiB among them.

    Raises: SourceNotFound: no regular file is there, or it may not be read.
    """
    try:
        if not path.is_file():
            raise SourceNotFound(f"No file at '{path}'. Give the path of a video file that exists.")
        with path.open("rb") as file:
            size = path.stat().st_size
            digest = hashlib.blake2b(size.to_bytes(8, "little"), digest_size=6)
            if size <= _WHOLE_BYTES:
                while block := file.read(_BLOCK_BYTES):
                    digest.update(block)
            else:
                for number in range(_BLOCKS):
                    file.seek(number * (size - _BLOCK_BYTES) // (_BLOCKS - 1))
                    digest.update(file.read(_BLOCK_BYTES))
    except OSError as error:
        raise SourceNotFound(f"'{path}' cannot be read: {error.strerror}. Check its permissions.") from error
    return digest.hexdigest()
