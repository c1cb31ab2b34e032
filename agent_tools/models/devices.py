"""Chooses where a model runs and in which precision, and cuts its input into batches that fit the memory.

One setting overrides the choice. The numbers for cuda and mps are rules, not measurements."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from agent_tools.errors import EngineError, InvalidArgument

if TYPE_CHECKING:
    import torch

Made = TypeVar("Made")
PRECISIONS = ("fp32", "bf16", "fp16")
MEMORY_SHARE = 0.25  # of the free memory that one batch may take; the decoder and other encoders need the rest
MAX_BATCH = 64  # items; larger batches make no encoder faster, on any device


@dataclass(frozen=True)
class Device:
    """A torch device and the precision of the weights on it."""

    name: str  # cpu, cuda, cuda:1, mps
    precision: str  # fp32, bf16 or fp16

    @property
    def kind(self) -> str:
        return self.name.partition(":")[0]

    @property
    def dtype(self) -> torch.dtype:
        import torch

        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[self.precision]

    @property
    def described(self) -> str:
        return f"{self.name}/{self.precision}"


def choose(setting: str = "auto") -> Device:
    """The device of a setting: "auto", a device ("cpu", "cuda:1", "mps"), or a device and precision ("cpu/bf16").

    auto takes cuda, else mps, else cpu. Without a precision: bf16 on mps and on a cuda device or a processor that
    computes in it natively (AMX or AVX512-BF16), fp16 on other cuda devices, fp32 on other processors.
    Raises: InvalidArgument: no such device or precision, or a device that this machine does not have.
    """
    name, _, precision = setting.strip().lower().partition("/")
    if name == "cpu" and precision in PRECISIONS:
        return Device(name, precision)  # without torch, which takes seconds to load

    import torch

    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name in ("", "auto"):
        name = next(kind for kind, is_present in present.items() if is_present)
    kind, _, number = name.partition(":")
    if kind not in present or (number and not number.isdecimal()) or precision not in ("", *PRECISIONS):
        raise InvalidArgument(
            f"device is {setting!r}; it must be auto, cpu, cuda, cuda:1 or mps. To fix the precision, add /fp32, "
            "/bf16 or /fp16."
        )
    if not present[kind] or (kind == "cuda" and number and int(number) >= torch.cuda.device_count()):
        raise InvalidArgument(f"device is {setting!r}, which this machine does not have. Set it to auto or cpu.")
    return Device(name, precision or _native(kind))


def batch_size(bytes_each: int, device: Device) -> int:
    """Items that one batch may hold: a quarter of the free memory divided by `bytes_each`, from 1 to 64."""
    return max(1, min(MAX_BATCH, int(MEMORY_SHARE * free_bytes(device)) // max(1, bytes_each)))


def free_bytes(device: Device) -> int:
    """Memory that is free on the device, in bytes; 2 GB if the system does not say."""
    import torch

    if device.kind == "cuda":
        return int(torch.cuda.mem_get_info(device.name)[0])
    if device.kind == "mps":
        return int(torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory())
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/meminfo", encoding="ascii") as meminfo:
        for line in meminfo:
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 2_000_000_000


def in_batches(make: Callable[[Any], Made], items: Any, size: int, what: str) -> Iterator[Made]:
    """make() of consecutive batches of at most `size` items; one that does not fit the memory is halved.

    Args:
        items: a sequence or an array, cut along its first axis.
        what: the model's name, for the message.
    Raises: EngineError: a single item does not fit.
    """
    first = 0
    while first < len(items):
        batch = items[first : first + size]
        try:
            made = make(batch)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
            _release()
            if len(batch) == 1:
                raise too_little_memory(what) from error
            size = max(1, len(batch) // 2)
            continue
        yield made
        first += len(batch)


def out_of_memory(error: BaseException) -> bool:
    """Whether an error means that memory ran out: torch's own error on a GPU, the text of a RuntimeError elsewhere."""
    import torch

    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    words = str(error).lower()
    return isinstance(error, RuntimeError) and ("out of memory" in words or "can't allocate memory" in words)


def too_little_memory(what: str) -> EngineError:
    return EngineError(
        f"{what} ran out of memory on this machine. Close other programs, choose a smaller model, set the device to "
        "cpu, or start with --profile lite."
    )


def _release() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()


def _native(kind: str) -> str:
    import torch

    if kind == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
    if kind == "mps":
        return "bf16"
    cpu: Any = torch.cpu
    asks = (getattr(cpu, name, None) for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported"))
    return "bf16" if any(ask() for ask in asks if ask is not None) else "fp32"
