"""Sums over shared parameters that are cut into shards over processes (FSDP2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor, Replicate, Shard

from polytask.balance.balancer import all_finite
from polytask.balance.engine.processes import Processes
from polytask.errors import InputError

__all__ = ["Shards", "local"]


class Shards:
    """How the shards of all processes make up the shared parameters.

    Args:
        parameters: the shared parameters.
        processes: that compute the step together.

    Raises:
        InputError: some parameters are not cut, are cut in another way than the others or over
            other processes, or the gradients are not to be the mean over the processes.
    """

    def __init__(self, parameters: Sequence[Tensor], processes: Processes) -> None:
        if processes.factor * processes.count != 1:
            raise InputError("processes: fully_shard takes the mean itself; use processes='mean'")
        self._processes = processes
        copies = {_copies(parameter, processes) for parameter in parameters}
        if len(copies) > 1:
            raise InputError(
                "balance: some shared parameters are kept by more processes than others; give "
                "fully_shard the same mesh everywhere"
            )
        self._copies = copies.pop()

    def total(self, values: Tensor) -> Tensor:
        """The sum of a function of shards over all of them, on the device of ``values``."""
        there = self._processes.add(values.to(self._processes.device, copy=True))
        return there.to(values.device) / self._copies

    def add_up(self, values: Tensor) -> Tensor:
        """The sum over all processes, on the CPU."""
        return self._processes.add(values.to(self._processes.device)).cpu()

    def most(self, count: int) -> int:
        """The largest of the counts of all processes."""
        return self._processes.most(count)

    def are_finite(self, tensors: Sequence[Tensor]) -> bool:
        """Whether no number in the shards of all processes is infinite or none."""
        overflow = not all_finite(*map(local, tensors))
        return not self.add_up(torch.tensor(float(overflow)))

    @property
    def process_count(self) -> int:
        """How many processes there are."""
        return self._processes.count


def local(tensor: Tensor) -> Tensor:
    """This process's shard; the whole of a tensor that is not cut."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def _copies(parameter: Tensor, processes: Processes) -> int:
    """How many processes keep each number of a parameter."""
    shape = tuple(parameter.shape)
    if not isinstance(parameter, DTensor):
        raise InputError(
            f"balance: a shared parameter, of shape {shape}, is not cut, though others are; give "
            "fully_shard the whole shared part"
        )
    mesh = parameter.device_mesh
    if mesh.size() != processes.count:
        raise InputError(
            f"balance: a shared parameter, of shape {shape}, is cut over {mesh.size()} processes "
            f"of {processes.count}; processes='mean' fits a mesh of all processes"
        )
    if not all(isinstance(placed, Shard | Replicate) for placed in parameter.placements):
        raise InputError(f"balance: a shared parameter, of shape {shape}, is neither cut nor whole")
    copies = 1
    for dimension, placed in enumerate(parameter.placements):
        copies *= mesh.size(dimension) if isinstance(placed, Replicate) else 1
    return copies
