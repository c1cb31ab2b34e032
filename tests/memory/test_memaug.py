"""MemAug: what it reads, what it must not read, and its weightless analogue."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from agent_tools.errors import ShapeError
from agent_tools.memory import MemAug, forget

DIM = 32


@pytest.fixture(params=["trained form", "analogue"])
def memaug(request: pytest.FixtureRequest) -> MemAug:
    torch.manual_seed(0)
    return MemAug(DIM).eval() if request.param == "trained form" else MemAug.training_free(DIM)


@pytest.fixture
def trained() -> MemAug:
    torch.manual_seed(0)
    return MemAug(DIM).eval()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def streams(frames: int = 40, batch: int = 1) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A repository of 5 rows a frame, its decayed view, a question, and the view's positions."""
    repository = drawn(batch, frames * 5, DIM)
    positions = forget(frames, tokens_per_frame=4, keep_tokens=1).position
    return 0.2 * repository[:, positions], drawn(batch, 3, DIM, seed=1), repository, positions


def forgotten_row(positions: Tensor, rows: int) -> int:
    return next(row for row in range(rows // 2, rows) if row not in positions.tolist())


@torch.no_grad()
def test_the_output_has_the_decayed_views_shape(memaug: MemAug) -> None:
    decayed, question, repository, _ = streams(batch=2)
    assert memaug(decayed, question, repository).shape == decayed.shape


@torch.no_grad()
def test_the_output_changes_with_a_token_that_was_forgotten(memaug: MemAug) -> None:
    decayed, question, repository, positions = streams()
    other = repository.clone()
    other[0, forgotten_row(positions, repository.shape[1])] = drawn(DIM, seed=5)
    assert not torch.allclose(memaug(decayed, question, repository), memaug(decayed, question, other), atol=1e-5)


@torch.no_grad()
def test_the_output_changes_with_the_question(memaug: MemAug) -> None:
    decayed, question, repository, _ = streams()
    assert not torch.allclose(memaug(decayed, question, repository), memaug(decayed, -question, repository), atol=1e-3)


@torch.no_grad()
def test_an_empty_question_is_allowed(memaug: MemAug) -> None:
    decayed, question, repository, _ = streams()
    assert memaug(decayed, question[:, :0], repository).shape == decayed.shape


@torch.no_grad()
def test_keys_and_values_of_the_read_are_the_repository_alone(memaug: MemAug) -> None:
    seen = []
    for block in memaug.blocks:
        block.look_back.register_forward_pre_hook(lambda module, given: seen.append(given[1]))
    decayed, question, repository, _ = streams()
    memaug(decayed, question, repository)
    assert len(seen) == 4
    assert all(torch.equal(keys, repository) for keys in seen)


@torch.no_grad()
def test_masked_tokens_have_a_weight_of_exactly_zero(memaug: MemAug) -> None:
    decayed, question, repository, _ = streams()
    mask = torch.ones(1, repository.shape[1], dtype=torch.bool)
    mask[0, ::3] = False
    other = repository.clone()
    other[0, ::3] = 1e4
    other[0, 0] = float("nan")
    assert torch.equal(memaug(decayed, question, repository, mask=mask), memaug(decayed, question, other, mask=mask))
    unmasked = memaug(decayed, question, repository[:, mask[0]])
    assert torch.allclose(memaug(decayed, question, repository, mask=mask), unmasked, atol=1e-5)


@torch.no_grad()
def test_padding_one_video_of_a_batch_leaves_it_as_it_is_alone(memaug: MemAug) -> None:
    decayed, question, repository, _ = streams(batch=2)
    mask = torch.ones(repository.shape[:2], dtype=torch.bool)
    mask[1, 50:] = False
    together = memaug(decayed, question, repository, mask=mask)
    alone = memaug(decayed[1:], question[1:], repository[1:, :50])
    assert torch.allclose(together[1:], alone, atol=1e-5)


@torch.no_grad()
def test_a_video_with_nothing_to_read_reads_nothing(memaug: MemAug) -> None:
    decayed, question, repository, _ = streams(batch=2)
    mask = torch.ones(repository.shape[:2], dtype=torch.bool)
    mask[1] = False
    read = memaug(decayed, question, repository, mask=mask)
    assert bool(read.isfinite().all())
    assert torch.allclose(read[1:], memaug(decayed[1:], question[1:], repository[1:, :0]), atol=1e-5)


@torch.no_grad()
def test_without_positions_the_order_of_the_repository_does_not_matter(memaug: MemAug) -> None:
    decayed, question, repository, _ = streams()
    assert torch.allclose(
        memaug(decayed, question, repository), memaug(decayed, question, repository.flip(1)), atol=1e-4
    )


@torch.no_grad()
def test_positions_change_what_the_trained_form_reads(trained: MemAug) -> None:
    decayed, question, repository, positions = streams()
    rows = torch.arange(repository.shape[1])
    placed = trained(decayed, question, repository, positions=positions, repository_positions=rows)
    moved = trained(decayed, question, repository, positions=positions, repository_positions=rows.flip(0))
    assert not torch.allclose(placed, trained(decayed, question, repository), atol=1e-4)
    assert not torch.allclose(placed, moved, atol=1e-4)


@torch.no_grad()
def test_position_zero_everywhere_is_no_position(trained: MemAug) -> None:
    decayed, question, repository, _ = streams()
    at_zero = trained(
        decayed,
        question,
        repository,
        positions=torch.zeros(decayed.shape[1]),
        repository_positions=torch.zeros(1, repository.shape[1]),
    )
    assert torch.equal(at_zero, trained(decayed, question, repository))


@torch.no_grad()
def test_only_distances_between_positions_matter(trained: MemAug) -> None:
    decayed, question, repository, positions = streams()
    rows = torch.arange(repository.shape[1])
    near = trained(decayed, question[:, :0], repository, positions=positions, repository_positions=rows)
    far = trained(
        decayed, question[:, :0], repository, positions=positions + 200_000, repository_positions=rows + 200_000
    )
    assert torch.allclose(near, far, atol=1e-4)


@torch.no_grad()
def test_the_analogue_ignores_positions() -> None:
    decayed, question, repository, positions = streams()
    memaug = MemAug.training_free(DIM)
    rows = torch.arange(repository.shape[1])
    placed = memaug(decayed, question, repository, positions=positions, repository_positions=rows)
    assert torch.equal(placed, memaug(decayed, question, repository))


@torch.no_grad()
def test_the_trained_form_equals_a_slow_clear_version() -> None:
    """One block, one head, written out row by row."""
    torch.manual_seed(0)
    memaug = MemAug(8, depth=1, heads=1).eval()
    block = memaug.blocks[0]
    decayed, question, repository = drawn(1, 4, 8), drawn(1, 2, 8, seed=1), drawn(1, 9, 8, seed=2)

    def turned(row: Tensor, position: int) -> Tensor:
        out = row.clone()
        for pair, speed in enumerate((1.0, 10_000**-0.5)):
            a, b = row[pair], row[pair + 2]
            angle = torch.tensor(position * speed)
            out[pair], out[pair + 2] = a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()
        return out

    def attend(attention, rows, others, at, other_at):
        keys = torch.stack([turned(attention.key(o), p) for o, p in zip(others, other_at, strict=True)])
        out = []
        for row, position in zip(rows, at, strict=True):
            weight = (keys @ turned(attention.query(row), position) / 8**0.5).softmax(0)
            out.append(attention.out(weight @ attention.value(others)))
        return torch.stack(out)

    stream, at, rows_at = torch.cat([decayed[0], question[0]]), [0, 3, 5, 8, 0, 0], list(range(9))
    stream = block.norms[0](stream + attend(block.look_around, stream, stream, at, at))
    stream = block.norms[1](stream + attend(block.look_back, stream, repository[0], at, rows_at))
    stream = block.norms[2](stream + block.mlp(stream))
    fast = memaug(
        decayed, question, repository, positions=torch.tensor(at[:4]), repository_positions=torch.tensor(rows_at)
    )
    assert torch.allclose(fast[0], stream[:4], atol=1e-5)


@torch.no_grad()
def test_the_analogue_is_softmax_reads_with_nothing_learnt() -> None:
    decayed, question, repository, _ = streams()
    stream = torch.cat([decayed, question], dim=1)
    count = decayed.shape[1]
    stream = F.normalize(stream, dim=2) * DIM**0.5
    for _ in range(4):
        for other in (None, repository):
            keys = F.normalize(stream[:, count:] if other is None else other, dim=2) * DIM**0.5
            read = (stream @ keys.transpose(1, 2) * 2 / DIM**0.5).softmax(-1) @ keys
            stream = F.layer_norm(stream + read, (DIM,))
    memaug = MemAug.training_free(DIM)
    assert torch.allclose(memaug(decayed, question, repository), stream[:, : decayed.shape[1]], atol=1e-5)
    assert list(memaug.parameters()) == []
    assert len(memaug.blocks) == 4
    assert "retrieval analogue, nothing learnt" in repr(memaug)
    assert "analogue" not in repr(MemAug(DIM))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize(
    ("dim", "view", "rows", "question_rows"),
    [(16, 40, 200, 1), (32, 64, 1000, 1), (64, 16, 64, 1), (64, 130, 520, 8), (384, 32, 130, 4)],
)
@pytest.mark.parametrize("lengths", [(1.0, 1.0, 1.0), (8.0, 1.0, 3.0), (0.1, 20.0, 1.0)])
@torch.no_grad()
def test_a_forgotten_token_moves_the_analogue_further_under_a_question_aligned_with_it(
    seed: int, dim: int, view: int, rows: int, question_rows: int, lengths: tuple[float, float, float]
) -> None:
    """Along itself, at least 1.5 times as far as under an orthogonal question, whatever lengths the rows have."""
    draw = torch.Generator().manual_seed(seed)
    aligned, other = torch.linalg.qr(torch.randn(dim, 2, generator=draw)).Q.T * dim**0.5
    repository = torch.randn(1, rows, dim, generator=draw)
    decayed = repository[:, :: rows // view][:, :view]
    with_token = repository.clone()
    with_token[0, rows // 2 + 1] = aligned
    memaug = MemAug.training_free(dim)
    a, b, c = lengths

    def moved(question: Tensor) -> float:
        asked = b * question.expand(1, question_rows, dim)
        change = memaug(a * decayed, asked, c * with_token) - memaug(a * decayed, asked, c * repository)
        return float((change @ aligned).mean())

    assert moved(aligned) > 0
    assert moved(aligned) >= 1.5 * abs(moved(other))


@torch.no_grad()
def test_a_state_dict_carries_the_whole_model() -> None:
    torch.manual_seed(0)
    first, second = MemAug(DIM, heads=4, kv_heads=2).eval(), MemAug(DIM, heads=4, kv_heads=2).eval()
    decayed, question, repository, _ = streams()
    assert not torch.allclose(first(decayed, question, repository), second(decayed, question, repository), atol=1e-3)
    second.load_state_dict(first.state_dict())
    assert torch.equal(first(decayed, question, repository), second(decayed, question, repository))
    assert MemAug.training_free(DIM).state_dict() == {}


def test_gradient_reaches_every_parameter_and_the_forgotten_tokens(trained: MemAug) -> None:
    decayed, question, repository, positions = streams()
    repository.requires_grad_()
    trained(decayed, question, repository).square().mean().backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in trained.parameters())
    assert all(float(p.grad.abs().max()) > 0 for p in trained.parameters() if p.grad is not None and p.ndim == 2)
    assert repository.grad is not None
    assert float(repository.grad[0, forgotten_row(positions, repository.shape[1])].abs().max()) > 0


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@torch.no_grad()
def test_other_precisions_keep_their_type(trained: MemAug, dtype: torch.dtype) -> None:
    decayed, question, repository, positions = streams()
    rows = torch.arange(repository.shape[1])
    single = trained(decayed, question, repository, positions=positions, repository_positions=rows)
    other = trained.to(dtype)(
        decayed.to(dtype), question.to(dtype), repository.to(dtype), positions=positions, repository_positions=rows
    )
    assert other.dtype == dtype
    assert torch.allclose(other.float(), single, atol=0.1 if dtype == torch.bfloat16 else 1e-5)


@torch.no_grad()
def test_streams_of_wrong_shape_are_an_error(memaug: MemAug) -> None:
    decayed, question, repository, _ = streams()
    wrong = (
        ((decayed[0], question, repository), {}),
        ((decayed, question[..., :5], repository), {}),
        ((decayed, question, repository.expand(2, -1, -1)), {}),
        ((decayed, question, repository), {"positions": torch.zeros(3)}),
        ((decayed, question, repository), {"mask": torch.ones(2, 3, dtype=torch.bool)}),
    )
    for given, named in wrong:
        with pytest.raises(ShapeError):
            memaug(*given, **named)


def test_heads_that_do_not_divide_the_width_are_an_error() -> None:
    for wrong in ({"heads": 5}, {"heads": 4, "kv_heads": 3}, {"heads": 16}):
        with pytest.raises(ShapeError):
            MemAug(DIM, **wrong)
