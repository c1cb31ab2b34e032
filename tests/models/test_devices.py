from __future__ import annotations

import numpy as np
import pytest
import torch

from agent_tools.errors import EngineError, InvalidArgument
from agent_tools.models import devices
from agent_tools.models.devices import Device, batch_size, choose, in_batches


def test_auto_takes_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert choose().kind == "cpu"
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert choose() == Device("mps", "bf16")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert choose() == Device("cuda", "bf16")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: False)
    assert choose("auto") == Device("cuda", "fp16")


def test_one_setting_overrides_device_and_precision() -> None:
    assert choose("cpu/fp32") == Device("cpu", "fp32")
    assert choose("CPU/BF16").dtype == torch.bfloat16
    assert choose("cpu").precision in devices.PRECISIONS
    assert choose("cpu/fp32").described == "cpu/fp32"


@pytest.mark.parametrize("setting", ["tpu", "cpu/int8", "cuda:x", "cuda/"])
def test_what_is_no_device_is_refused(setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InvalidArgument, match="device is"):
        choose(setting)


def test_a_device_that_is_not_there_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InvalidArgument, match=r"this machine does not have\. Set it to auto or cpu"):
        choose("cuda")


def test_batches_fit_a_quarter_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "free_bytes", lambda _: 4000)
    cpu = Device("cpu", "fp32")
    assert [batch_size(size, cpu) for size in (1, 100, 400, 5000)] == [64, 10, 2, 1]
    monkeypatch.undo()
    assert devices.free_bytes(cpu) > 1_000_000


ERRORS = [
    torch.OutOfMemoryError("CUDA out of memory"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 800 bytes"),
    MemoryError(),
]


@pytest.mark.parametrize("error", ERRORS, ids=["gpu", "cpu", "python"])
def test_a_batch_that_does_not_fit_is_halved_until_it_does(error: BaseException) -> None:
    def make(batch: np.ndarray) -> list[int]:
        if len(batch) > 3:
            raise error
        return list(batch)

    made = [int(item) for batch in in_batches(make, np.arange(8), 8, "m") for item in batch]
    assert made == list(range(8))


@pytest.mark.parametrize("error", ERRORS, ids=["gpu", "cpu", "python"])
def test_one_item_that_does_not_fit_says_what_to_do(error: BaseException) -> None:
    def make(_: object) -> None:
        raise error

    with pytest.raises(EngineError, match=r"tiny@1 ran out of memory .* --profile lite"):
        list(in_batches(make, [1, 2], 2, "tiny@1"))


def test_other_errors_pass() -> None:
    def make(_: object) -> None:
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="shapes"):
        list(in_batches(make, [1], 1, "m"))


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_what_a_failed_batch_held_is_given_back_before_the_next(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    emptied: list[str] = []
    for name, there in (("cuda", torch.cuda), ("mps", torch.backends.mps)):
        monkeypatch.setattr(there, "is_available", lambda name=name: name == kind)
        monkeypatch.setattr(getattr(torch, name), "empty_cache", lambda name=name: emptied.append(name))

    def make(batch: list[int]) -> list[int]:
        if len(batch) > 1:
            raise MemoryError
        return batch

    assert list(in_batches(make, [1, 2], 2, "m")) == [[1], [2]]
    assert emptied == [kind]
