"""Gradients as rows of numbers: their inner products, and the way back to parameters.

Shapes: K tasks, N numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from polytask.balance.engine.cut import is_sharded

__all__ = ["accumulate", "added", "gramian_of", "own_storage", "row_dtype", "views"]

CHUNK = 1 << 14
"""Numbers per row that are multiplied in single precision before sums go on in double."""


def gramian_of(rows: Tensor, others: Tensor | None = None) -> Tensor:
    """``[K, K]`` inner products of ``rows [K, N]``, or with ``others [K, N]``, in float64.

    Products of blocks are summed in double precision: close to a float64 product, at the speed of
    single precision.
    """
    blocks = rows.shape[1] // CHUNK
    whole, pair = blocks * CHUNK, (rows, rows if others is None else others)
    first, second = (x[:, :whole].view(len(x), blocks, CHUNK).transpose(0, 1) for x in pair)
    total = torch.bmm(first, second.mT).sum(0, dtype=torch.float64)
    first, second = (x[:, whole:] for x in pair)
    return total + first @ second.mT


def row_dtype(parameters: Iterable[Tensor]) -> torch.dtype:
    """The precision in which gradients of these parameters are kept: float32 at least."""
    found = torch.float32
    for parameter in parameters:
        found = torch.promote_types(found, parameter.dtype)
    return found


def views(flat: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """``flat [N]`` as tensors of these shapes, which together have N numbers."""
    parts = torch.split(flat, [tensor.numel() for tensor in like])
    return [part.view(tensor.shape) for part, tensor in zip(parts, like, strict=True)]


def accumulate(tensor: Tensor, gradient: Tensor) -> None:
    """Add to ``tensor.grad`` as autograd does."""
    gradient = gradient.detach().to(tensor.dtype)
    tensor.grad = gradient if tensor.grad is None else added(tensor.grad, gradient)


def added(first: Tensor, second: Tensor) -> Tensor:
    """The sum of two gradients, each of which may be sparse."""
    return second + first if first.is_sparse else first + second


def own_storage(gradient: Tensor, taken: set[int]) -> Tensor:
    """A gradient whose numbers are in places of their own; autograd may return one tensor twice.

    Args:
        gradient: to be copied if need be.
        taken: storages that others have.
    """
    if gradient.layout != torch.strided or is_sharded([gradient]):
        return gradient
    here, steps = gradient.untyped_storage().data_ptr(), gradient.stride()
    expanded = any(n > 1 and not step for n, step in zip(gradient.shape, steps, strict=True))
    if here in taken or expanded:
        return gradient.clone(memory_format=torch.contiguous_format)
    taken.add(here)
    return gradient
