"""Frame vectors as a video gives them: scenes that last, return and drift, all inside one cone.

A stand-in where no encoder is: neighbouring frames have cosine .967 and any two .48, as an image encoder's have."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

CHUNK = 60


def video(seed: int, frames: int = 3600, dim: int = 128, mean_scene: float = 20.0) -> Tensor:
    """Unit vectors (frames, dim); every other cut goes back to a scene seen before."""
    draw = torch.Generator().manual_seed(seed)
    spread = _spread(dim)
    scenes = torch.randn(int(frames / mean_scene) + 1, dim, generator=draw) * spread
    order: list[int] = []
    seen = 0
    while len(order) < frames:
        new = seen < len(scenes) and (not seen or float(torch.rand(1, generator=draw)) < 0.5)
        scene = seen if new else int(torch.randint(seen, (1,), generator=draw))
        seen += new
        order += [scene] * max(2, int(-mean_scene * torch.log(torch.rand(1, generator=draw))))
    step = torch.randn(frames, dim, generator=draw) * spread
    drift = [step[0]]
    for row in step[1:]:
        drift.append(0.9 * drift[-1] + 0.19**0.5 * row)
    return F.normalize(0.96 * _cone(dim) + scenes[order[:frames]] + 0.4 * torch.stack(drift), dim=1)


def queries(frames: Tensor, count: int, seed: int = 99) -> Tensor:
    """Unit vectors (count, D): even rows look like a frame, odd rows mean it as a text would, weakly and from afar."""
    draw = torch.Generator().manual_seed(seed)
    dim = frames.shape[1]
    meant = frames[torch.randint(len(frames), (count,), generator=draw)]
    noise = torch.randn(count, dim, generator=draw) * _spread(dim)
    gap = F.normalize(torch.randn(dim, generator=draw), dim=0)
    alike, told = (
        meant + 0.35 * noise,
        0.45 * (meant - frames[:: max(1, len(frames) // 4000)].mean(0)) + 0.9 * noise + gap,
    )
    return F.normalize(torch.where((torch.arange(count) % 2 == 0)[:, None], alike, told), dim=1)


def _cone(dim: int) -> Tensor:
    return F.normalize(torch.randn(dim, generator=torch.Generator().manual_seed(12345)), dim=0)


def _spread(dim: int) -> Tensor:
    return F.normalize(torch.arange(1, dim + 1).float().pow(-0.5), dim=0)
