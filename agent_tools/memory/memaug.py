"""MemAug: the decayed view of a video reads the full repository, guided by the question.

Source: Hour-LLaVA, Sec. 3 (MemAug) and its released code. Four blocks in a row, post-norm: self-attention over the
decayed tokens together with the question, cross-attention into the repository, MLP."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from agent_tools.errors import ShapeError

_ROPE_BASE = 10_000.0
_SHARPNESS = 2.0  # of the analogue's reads; at 1 a question of a few rows is lost among 4,000 rows 32 wide


class MemAug(nn.Module):
    """Transformer that adds to decayed tokens what the repository holds about the question.

    Args:
        dim: width C of all tokens.
        depth: blocks; 4 in the paper (1, 2, 4, 8 differ by 0.6 points there).
        heads, kv_heads: attention heads and, for grouped queries, heads of keys and values. The original copies both
            from its language model; here the default is the largest number of heads, up to 8, that are at least 8 wide.
        mlp_ratio: hidden width of the MLP over dim.
        analogue: no parameters; see training_free.
    Raises: ShapeError: heads do not divide dim, kv_heads do not divide heads, or a head is too narrow for RoPE.
    """

    def __init__(
        self,
        dim: int,
        depth: int = 4,
        heads: int | None = None,
        kv_heads: int | None = None,
        mlp_ratio: int = 4,
        analogue: bool = False,
    ) -> None:
        super().__init__()
        self.dim, self.analogue = dim, analogue
        heads = heads or max((h for h in (2, 4, 8) if dim % h == 0 and dim // h >= 8), default=1)
        kv_heads = kv_heads or heads
        if dim % heads or heads % kv_heads or (dim // heads < 4 and not analogue):
            raise ShapeError(
                f"dim {dim}, heads {heads}, kv_heads {kv_heads}: each must divide the one before, "
                "and a head is at least 4 wide"
            )
        self.blocks = nn.ModuleList(_Block(dim, heads, kv_heads, mlp_ratio, analogue) for _ in range(depth))

    @classmethod
    def training_free(cls, dim: int) -> MemAug:
        """The retrieval analogue of MemAug: the same read without weights, for encoders that have no trained MemAug.

        Identity projections, one head, residual then layer norm without weights, no MLP, 4 blocks; positions are
        ignored. It is not Hour-LLaVA's MemAug and must not be reported as such.

        Three rules make the read follow the question without weights, whatever lengths the caller's rows have:
        rows are compared at length sqrt(C); tokens look around at the question alone, because with identity
        projections a token is most like itself and would hardly see the question beside it; and the reads are sharp,
        a score is 2 sqrt(C) times a cosine. So a forgotten token aligned with the question moves the output along
        itself at least 1.5 times as far as under an orthogonal question, from a width of 16 on.
        """
        return cls(dim, heads=1, analogue=True)

    def forward(
        self,
        decayed: Tensor,
        question: Tensor,
        repository: Tensor,
        *,
        positions: Tensor | None = None,
        repository_positions: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> Tensor:
        """Decayed tokens after the read.

        The query stream is the decayed tokens and the question; keys and values of the read come from the repository
        alone. RoPE turns a token with a position, over half of the head width; a token without a position is not
        turned, as at position 0. Differs from the released code, which shifts the query side by the length of the text
        before the video while keys start at 0: here one source index is one angle on both sides.

        Args:
            decayed: (B, N, C), the tokens that forget keeps.
            question: (B, Q, C), Q may be 0.
            repository: (B, M, C), M may be 0.
            positions: row of each decayed token in the repository, (N,) or (B, N).
            repository_positions: of each repository token, (M,) or (B, M).
            mask: (M,) or (B, M) bool, True for real tokens. The others have a weight of exactly zero, whatever
                they hold; a video without a real token reads nothing.
        Returns: (B, N, C).
        Raises: ShapeError: any other shape.
        """
        _check(self.dim, decayed=decayed, question=question, repository=repository)
        batch, count = decayed.shape[:2]
        turn = _rows(positions, batch, count, "positions")
        turn = None if turn is None else F.pad(turn, (0, question.shape[1]))
        far = _rows(repository_positions, batch, repository.shape[1], "repository_positions")
        real = _rows(mask, batch, repository.shape[1], "mask")
        if real is not None:
            repository = repository.masked_fill(~real.bool()[..., None], 0)  # because 0 * NaN is not 0
        if self.analogue:
            decayed, question = _of_one_length(decayed), _of_one_length(question)
        stream = torch.cat([decayed, question], dim=1)  # (B, N+Q, C)
        for block in self.blocks:
            stream = block(stream, count, repository, turn, far, real)
        return stream[:, :count]

    def extra_repr(self) -> str:
        return "retrieval analogue, nothing learnt" if self.analogue else ""


class _Block(nn.Module):
    """Self-attention, cross-attention, MLP, each added to its input and then normalised."""

    def __init__(self, dim: int, heads: int, kv_heads: int, mlp_ratio: int, analogue: bool) -> None:
        super().__init__()
        self.analogue = analogue
        self.look_around = _Attention(dim, heads, kv_heads, analogue)
        self.look_back = _Attention(dim, heads, kv_heads, analogue)
        self.norms = nn.ModuleList(
            nn.LayerNorm(dim, elementwise_affine=not analogue) for _ in range(2 if analogue else 3)
        )
        self.mlp = (
            None
            if analogue
            else nn.Sequential(nn.Linear(dim, mlp_ratio * dim), nn.GELU(), nn.Linear(mlp_ratio * dim, dim))
        )

    def forward(
        self,
        stream: Tensor,
        count: int,
        repository: Tensor,
        turn: Tensor | None,
        far: Tensor | None,
        real: Tensor | None,
    ) -> Tensor:
        """`count`: tokens of the view at the head of the stream; the question follows them."""
        around = stream[:, count:] if self.analogue else stream
        stream = self.norms[0](stream + self.look_around(stream, around, turn, turn, None))
        stream = self.norms[1](stream + self.look_back(stream, repository, turn, far, real))
        return stream if self.mlp is None else self.norms[2](stream + self.mlp(stream))


class _Attention(nn.Module):
    """Grouped-query attention of one stream into another; the analogue has no projections."""

    def __init__(self, dim: int, heads: int, kv_heads: int, analogue: bool) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.width, self.analogue = heads, kv_heads, dim // heads, analogue
        kv_dim = kv_heads * self.width
        self.query = nn.Identity() if analogue else nn.Linear(dim, dim)
        self.key = nn.Identity() if analogue else nn.Linear(dim, kv_dim)
        self.value = nn.Identity() if analogue else nn.Linear(dim, kv_dim)
        self.out = nn.Identity() if analogue else nn.Linear(dim, dim)

    def forward(
        self, stream: Tensor, other: Tensor, turn: Tensor | None, far: Tensor | None, real: Tensor | None
    ) -> Tensor:
        if not other.shape[1]:
            return torch.zeros_like(stream)
        other = _of_one_length(other) if self.analogue else other
        query = self.query(stream).unflatten(2, (self.heads, self.width)).transpose(1, 2)  # (B, H, N, W)
        key = self.key(other).unflatten(2, (self.kv_heads, self.width)).transpose(1, 2)
        value = self.value(other).unflatten(2, (self.kv_heads, self.width)).transpose(1, 2)
        if not self.analogue:
            query, key = _turned(query, turn), _turned(key, far)
        allowed, none_real = None, None
        if real is not None:
            none_real = ~real.bool().any(dim=1)  # (B,)
            allowed = (real.bool() | none_real[:, None])[:, None, None, :]  # a softmax over nothing is NaN
        scale = _SHARPNESS / self.width**0.5 if self.analogue else None
        read = F.scaled_dot_product_attention(
            query, key, value, allowed, scale=scale, enable_gqa=self.heads != self.kv_heads
        )
        out: Tensor = self.out(read.transpose(1, 2).flatten(2))  # (B, N, C)
        return out if none_real is None else out.masked_fill(none_real[:, None, None], 0)


def _of_one_length(rows: Tensor) -> Tensor:
    """Rows (B, N, C) at length sqrt(C); a row of zeros stays one."""
    made: Tensor = F.normalize(rows, dim=2) * rows.shape[2] ** 0.5
    return made


def rope_speeds(width: int) -> Tensor:
    """Radians per position (W // 4,) of the pairs that RoPE turns in a head W wide, fastest first; float64."""
    pairs = width // 4
    made: Tensor = _ROPE_BASE ** (-torch.arange(pairs, dtype=torch.float64) / pairs)
    return made


def _turned(heads: Tensor, positions: Tensor | None) -> Tensor:
    """RoPE (B, H, N, W) by positions (B, N), over the first half of W; the other half stays as it is."""
    if positions is None:
        return heads
    speed = rope_speeds(heads.shape[-1])
    pairs = len(speed)
    # In float64, because an hour has positions up to 234,000, and on the processor, because mps has no float64.
    angle = positions.cpu().double()[:, None, :, None] * speed
    cos, sin = angle.cos().to(heads), angle.sin().to(heads)
    a, b, rest = heads[..., :pairs], heads[..., pairs : 2 * pairs], heads[..., 2 * pairs :]
    return torch.cat([a * cos - b * sin, a * sin + b * cos, rest], dim=-1)


def _rows(given: Tensor | None, batch: int, count: int, name: str) -> Tensor | None:
    """One value per token, as (B, count)."""
    if given is None or given.shape == (batch, count):
        return given
    if given.shape != (count,):
        raise ShapeError(f"{name} of shape {tuple(given.shape)}: it must be ({count},) or ({batch}, {count})")
    return given.expand(batch, count)


def _check(dim: int, **streams: Tensor) -> None:
    batches = {len(tokens) for tokens in streams.values()}
    if len(batches) != 1 or any(tokens.ndim != 3 or tokens.shape[2] != dim for tokens in streams.values()):
        shapes = ", ".join(f"{name} {tuple(tokens.shape)}" for name, tokens in streams.items())
        raise ShapeError(f"{shapes}: each must be (B, N, {dim}) with one B")
