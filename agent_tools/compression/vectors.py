"""Checks vectors and brings them to unit length, for the comparisons of this package."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from agent_tools.errors import InvalidArgument, ShapeError

TensorLike = Any  # whatever torch.as_tensor takes: tensors, NumPy arrays, nested lists of numbers


def checked(values: TensorLike, shape: str, name: str) -> Tensor:
    """Return values as a tensor whose number of dimensions is that of shape, such as "T D".

    Raises: ShapeError for another number of dimensions; InvalidArgument for numbers that are not finite,
        because every comparison with them is false, so frames would disappear without an error.
    """
    tensor = torch.as_tensor(values)
    axes = shape.split()
    if tensor.ndim == 1 and tensor.numel() == 0:  # an empty list has no shape
        tensor = tensor.reshape((0,) * len(axes))
    if tensor.ndim != len(axes):
        raise ShapeError(f"{name} has shape {tuple(tensor.shape)}; it must be ({', '.join(axes)}).")
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        raise InvalidArgument(f"{name} holds numbers that are not finite; drop or repair those rows first.")
    return tensor


def widened(tensor: Tensor) -> Tensor:
    """Return the tensor in float64, or float32 on a device without it."""
    return tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)


def unit_rows(rows: Tensor) -> Tensor:
    """Return (..., C + 1) widened rows whose inner products are cosines, whatever the rows' scale.

    A row of zeros has no direction. Descriptors that remove a frame's mean give such a row for every plain picture, so
    two of them count as equal (cosine 1) and as different from any other row (cosine 0), by the last column.
    """
    wide = widened(rows)
    peak = wide.abs().amax(dim=-1, keepdim=True) if wide.shape[-1] else wide.new_zeros((*wide.shape[:-1], 1))
    zero = peak == 0
    wide = wide / torch.where(zero, torch.ones_like(peak), peak)  # before the norm, whose squares would underflow
    norm = wide.norm(dim=-1, keepdim=True)
    return torch.cat((wide / torch.where(zero, torch.ones_like(norm), norm), zero.to(wide.dtype)), dim=-1)
