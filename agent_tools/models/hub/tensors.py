"""Weights as NumPy arrays that stay on disk until they are read: safetensors files, mapped.

Only what a forward pass touches comes into memory, and processes share it."""

from __future__ import annotations

import json
import mmap
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_tools.errors import ModelMissing

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DTYPES: dict[str, type[np.generic]] = {"F32": np.float32, "U8": np.uint8}
_LONGEST_HEADER = 10_000_000


def mapped(path: Path, remedy: str) -> dict[str, NDArray[Any]]:
    """Each float32 or uint8 tensor of a safetensors file by name, read-only; other types are left out.

    Raises: ModelMissing: the file is not there, or it is no safetensors file; the message ends in `remedy`."""
    try:
        with path.open("rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > _LONGEST_HEADER:
                raise ValueError("its header is too long")
            header = json.loads(file.read(size))
        whole = np.memmap(path, np.uint8, "r")
        arrays = {}
        for name, entry in header.items():
            dtype = _DTYPES.get(entry.get("dtype"))
            if name != "__metadata__" and dtype is not None:
                begin, end = entry["data_offsets"]
                arrays[name] = whole[8 + size + begin : 8 + size + end].view(dtype).reshape(entry["shape"])
    except (OSError, ValueError, KeyError, AttributeError, TypeError, struct.error) as error:
        raise ModelMissing(f"{path} does not read as safetensors: {error}. {remedy}") from error
    return arrays


def forget(array: NDArray[Any]) -> None:
    """Let the system take the memory of a mapped tensor back; who reads it again gets it from the file."""
    base: Any = array
    while isinstance(base, np.ndarray):
        base = base.base
    if isinstance(base, mmap.mmap) and hasattr(mmap, "MADV_DONTNEED"):
        start = array.ctypes.data - np.frombuffer(base, np.uint8).ctypes.data
        first, last = (
            -(-start // mmap.PAGESIZE) * mmap.PAGESIZE,
            (start + array.nbytes) // mmap.PAGESIZE * mmap.PAGESIZE,
        )
        if last > first:
            base.madvise(mmap.MADV_DONTNEED, first, last - first)
