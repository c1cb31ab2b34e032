"""A Whisper model, loaded by faster-whisper on the device that CTranslate2 can use."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from agent_tools.errors import ModelMissing
from agent_tools.models.devices import Device, out_of_memory, too_little_memory
from agent_tools.models.hub.folders import Found

log = logging.getLogger("agent_tools")
REMEDY = "Install it with: pip install 'faster-whisper>=1.2,<2'"


def loaded(found: Found, device: Device, threads: int, files: Mapping[str, bytes] | None) -> Any:
    """A faster_whisper.WhisperModel.

    Args:
        files: the model's files by name, in the place of the folder's.
    Raises: ModelMissing: faster-whisper is not installed, or a file is missing or broken. EngineError: too little
        memory.
    """
    try:
        from faster_whisper import WhisperModel
    except ImportError as error:
        raise ModelMissing(f"The package faster-whisper is not installed. {REMEDY}") from error
    for name in ("model.bin", "tokenizer.json"):  # without a tokenizer the library would ask the hub
        if not (name in files if files is not None else (found.folder / name).is_file()):
            raise ModelMissing(
                f"{found.folder} holds no {name}: it is no Whisper model in CTranslate2's format. Name one such as "
                "Systran/faster-whisper-small, or convert it with ct2-transformers-converter."
            )
    kind, number = ("cuda", int(device.name.partition(":")[2] or 0)) if device.kind == "cuda" else ("cpu", 0)
    if kind == "cuda" and (why := _no_cuda()):
        log.warning("speech is transcribed on the processor: CTranslate2 cannot use CUDA here: %s", why)
        kind, number = "cpu", 0
    try:
        return WhisperModel(
            str(found.folder),
            device=kind,
            device_index=number,
            compute_type=_compute_type(kind),
            cpu_threads=threads,
            local_files_only=True,
            files=dict(files) if files is not None else None,
        )
    except (RuntimeError, ValueError, OSError) as error:
        if out_of_memory(error):
            raise too_little_memory(found.name) from error
        raise ModelMissing(f"{found.folder} does not load as a Whisper model: {error} Get it again.") from error
    except Exception as error:  # tokenizers raises a bare Exception for any file it cannot read
        raise ModelMissing(f"{found.folder} does not hold a readable tokenizer: {error}") from error


def _no_cuda() -> str:
    """Why CTranslate2 cannot compute on CUDA; "" where it can. It brings libraries of its own, besides torch's."""
    import ctranslate2

    try:
        ctranslate2.get_supported_compute_types("cuda")
    except (RuntimeError, ValueError) as error:
        return str(error)
    return ""


def _compute_type(kind: str) -> str:
    import ctranslate2

    there = ctranslate2.get_supported_compute_types(kind)
    wanted = ("float16", "int8_float16", "float32") if kind == "cuda" else ("int8", "int8_float32", "float32")
    return next((name for name in wanted if name in there), "default")
