"""What processes that train one model together tell each other in a balanced step.

Shapes: K tasks, P numbers of all parameters together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor

from polytask.balance.engine.cut import is_sharded
from polytask.balance.engine.pending import Pending
from polytask.balance.engine.rows import accumulate, row_dtype, views
from polytask.errors import InputError

__all__ = ["Combine", "Processes"]

Combine = Literal["mean", "sum", "none"]
"""How the gradients of processes become one."""


class Processes:
    """The processes that compute a step together; often just one.

    Args:
        combine: ``mean`` (as in data-parallel training, where every loss is a mean over the rows of
            its process), ``sum`` (every loss is a share of that of the step), or ``none``: others
            are left alone.
    """

    def __init__(self, combine: Combine) -> None:
        if combine not in ("mean", "sum", "none"):
            raise InputError(f"processes must be 'mean', 'sum' or 'none', got {combine!r}")
        several = combine != "none" and dist.is_available() and dist.is_initialized()
        self.count = dist.get_world_size() if several else 1
        self.factor = 1 / self.count if combine == "mean" else 1.0
        gpu = several and dist.get_backend() == "nccl"
        self.device = (
            torch.device("cuda", torch.cuda.current_device()) if gpu else torch.device("cpu")
        )

    @property
    def alone(self) -> bool:
        """Whether there is nobody to talk to."""
        return self.count == 1

    def combine(self, values: Tensor) -> Tensor:
        """The mean or sum of a tensor over the processes, in place."""
        if not self.alone:
            dist.all_reduce(values)
            values *= self.factor
        return values

    def add(self, values: Tensor) -> Tensor:
        """The sum of a tensor over the processes, in place."""
        if not self.alone:
            dist.all_reduce(values)
        return values

    def agree(self, values: Tensor, device: torch.device) -> Tensor:
        """The values of the first process."""
        if self.alone:
            return values
        shared = values.to(device)
        dist.broadcast(shared, src=0)
        return shared.to(values.device)

    def everywhere(self, holds: bool, device: torch.device) -> bool:
        """Whether something holds on all processes."""
        return not self.add(torch.tensor(float(not holds), device=device))

    def most(self, count: int) -> int:
        """The largest of a count on all processes."""
        if self.alone:
            return count
        found = torch.tensor(count, device=self.device)
        dist.all_reduce(found, op=dist.ReduceOp.MAX)
        return int(found)

    def same(self, values: Tensor) -> bool:
        """Whether a tensor of whole numbers has the same values on all processes."""
        if self.alone:
            return True
        lowest, highest = values.to(self.device), values.to(self.device, copy=True)
        dist.all_reduce(lowest, op=dist.ReduceOp.MIN)
        dist.all_reduce(highest, op=dist.ReduceOp.MAX)
        return torch.equal(lowest, highest)

    def tasks(
        self,
        losses: Mapping[str, Tensor],
        own: Mapping[str, Iterable[Tensor]] | None,
        device: torch.device,
    ) -> list[str]:
        """The tasks that any process has a loss of, in the same order everywhere.

        Args:
            losses: of this process.
            own: task -> its parameters, for all tasks in the same order on every process.
            device: of the model.

        Raises:
            InputError: several processes, but ``own`` does not name the tasks.
        """
        if self.alone:
            return list(losses)
        if own is None or not set(losses) <= set(own):
            raise InputError(
                "with several processes, own must map every task to its parameters "
                f"(tasks with a loss: {', '.join(losses)})"
            )
        present = torch.tensor([float(name in losses) for name in own], device=device)
        there = self.add(present).tolist()
        return [name for name, count in zip(own, there, strict=True) if count]

    def accumulate(
        self, pending: Pending, weights: Tensor | None, parameters: Sequence[Tensor]
    ) -> None:
        """Add gradients to ``.grad``, combined over the processes.

        Those of parameters that are cut into shards are of all processes already.

        Args:
            pending: of this process.
            weights: ``[K]`` of the tasks, or None.
            parameters: all that any process may have a gradient of, in the same order everywhere.
        """
        if self.alone:
            pending.accumulate(weights)
            return
        whole = []
        totals = pending.total(weights, parameters)
        for parameter, gradient in zip(parameters, totals, strict=True):
            if not is_sharded([parameter]):
                whole.append((parameter, gradient))
            elif gradient is not None:
                accumulate(parameter, gradient)
        if whole:
            self._accumulate(*zip(*whole, strict=True))

    def _accumulate(self, parameters: Sequence[Tensor], gradients: Sequence[Tensor | None]) -> None:
        """Add gradients of whole parameters to ``.grad``, combined over the processes."""
        device, dtype = parameters[0].device, row_dtype(parameters)
        flags = torch.tensor([float(g is not None) for g in gradients], device=device)
        flat = torch.zeros(sum(p.numel() for p in parameters), device=device, dtype=dtype)
        for part, gradient in zip(views(flat, parameters), gradients, strict=True):
            if gradient is not None:
                part.copy_(gradient)
        self.combine(flat)
        there = self.add(flags).tolist()
        for parameter, part, count in zip(parameters, views(flat, parameters), there, strict=True):
            if count:
                accumulate(parameter, part)
