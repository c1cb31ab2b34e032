"""The engines on a device like Apple's, played on the processor: it has no float64, and its tensors do not meet the
processor's. What is computed there is what is computed here."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from agent_tools.budget import FrameOffer, pack
from agent_tools.memory import Chunk, InMemoryMemoryStore, MemAug, Memory, memory_tokens, retrieve
from agent_tools.memory.chunks import Bank
from agent_tools.memory.recurrence import contextualise

MOVES = (Tensor.to, Tensor.cpu)


class There(Tensor):
    """A tensor on the other device; an index may come from the processor, and so may a number without dimensions."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = list(_tensors((args, kwargs)))
        if func not in (*MOVES, Tensor.__getitem__) and any(type(one) is Tensor and one.ndim for one in given):
            raise RuntimeError(f"{func.__name__}: expected all tensors to be on the same device")
        with torch._C.DisableTorchFunctionSubclass():
            found = func(*args, **kwargs)
            here = func is Tensor.cpu or (func is Tensor.to and not isinstance(args[-1], There))
            return found.as_subclass(Tensor) if here else _moved(found)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (tuple, list, dict)):
        for part in value.values() if isinstance(value, dict) else value:
            yield from _tensors(part)


def _moved(found: Any) -> Any:
    if isinstance(found, Tensor):
        if found.dtype == torch.float64:
            raise TypeError(
                "Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64."
            )
        return found.as_subclass(There)
    return type(found)(map(_moved, found)) if type(found) in (tuple, list) else found


def there(tensor: Tensor) -> Tensor:
    return tensor.as_subclass(There)


@pytest.fixture
def draw() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def test_the_device_played_here_refuses_what_it_does_not_have() -> None:
    with pytest.raises(TypeError, match="float64"):
        there(torch.ones(2)).double()
    with pytest.raises(RuntimeError, match="same device"):
        there(torch.ones(2)) + torch.ones(2)
    assert type(there(torch.ones(2)).cpu()) is Tensor
    assert type(torch.ones(2).to(there(torch.ones(1)))) is There


@pytest.mark.parametrize("query_there", [True, False])
def test_chunks_are_searched_as_on_the_processor(draw: torch.Generator, query_there: bool) -> None:
    parts = [torch.randn(7, 16, generator=draw) for _ in range(5)]
    query = torch.randn(16, generator=draw)
    here = [Chunk(memory_tokens(part), part, 7 * i) for i, part in enumerate(parts)]
    away = [Chunk(memory_tokens(there(part)), there(part), 7 * i) for i, part in enumerate(parts)]
    asked = there(query) if query_there else query
    for top_chunks in (2, 8):
        assert retrieve(asked, Bank(away), top_chunks, 5) == retrieve(query, here, top_chunks, 5)


def test_memories_are_written_and_found_as_on_the_processor(draw: torch.Generator) -> None:
    vectors = [torch.randn(4, 16, generator=draw) for _ in range(3)]
    query = torch.randn(16, generator=draw)
    found = []
    for put in (lambda tensor: tensor, there):
        store = InMemoryMemoryStore()
        store.write(
            "v", [Memory("chunk", 60.0 * i, 60.0 * (i + 1), "", put(one), "m") for i, one in enumerate(vectors)]
        )
        hits = store.retrieve(put(query), 3)
        contexts = [one.context.cpu().tolist() for one in hits if one.context is not None]
        found.append(([(one.memory.start_s, one.score) for one in hits], contexts))
    assert found[0] == found[1]
    assert contextualise(vectors[0].half(), vectors[1].half()).dtype == torch.float32


def test_memaug_turns_by_the_same_angles(draw: torch.Generator) -> None:
    torch.manual_seed(3)
    model = MemAug(32, depth=1, heads=2).requires_grad_(False)
    decayed, question, repository = (torch.randn(1, n, 32, generator=draw) for n in (3, 2, 9))
    at, far = torch.tensor([0, 4, 233_999]), torch.arange(9) * 26_000
    expected = model(decayed, question, repository, positions=at, repository_positions=far)
    for name, weight in list(model.named_parameters()):
        owner = model.get_submodule(name.rpartition(".")[0])
        del owner._parameters[name.rpartition(".")[2]]
        setattr(owner, name.rpartition(".")[2], there(weight.data))
    moved = [there(one) for one in (decayed, question, repository)]
    found = model(*moved, positions=there(at), repository_positions=there(far))
    assert type(found) is There
    assert torch.equal(found.cpu(), expected)


def test_frames_with_vectors_there_are_packed(draw: torch.Generator) -> None:
    vectors = [torch.randn(8, generator=draw) for _ in range(6)]
    packed = []
    for put in (lambda tensor: tensor, there):
        offers = [FrameOffer(float(i), 0.1 * i, 280, 280, put(one)) for i, one in enumerate(vectors)]
        packed.append([frame.time_s for frame in pack(offers, [], 300).frames])
    assert packed[0] == packed[1]
