"""Several processes that train one model together.

Every process computes the gradient of its share of each step. The shares are added up here, once per
step, in one buffer. `DistributedDataParallel` is not used: it expects every parameter in every backward
pass, and a step of a multi-task model may lack a task on one process.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

__all__ = ["Processes"]


class Processes:
    """The processes of this run, started by ``accelerate launch`` or ``torchrun``; often just one.

    Args:
        device: ``auto`` for an accelerator if there is one, or a device of PyTorch.
    """

    def __init__(self, device: str = "auto") -> None:
        from accelerate import PartialState

        state = PartialState(cpu=device == "cpu")
        self.rank, self.count = state.process_index, state.num_processes
        self.device = state.device if device == "auto" else torch.device(device)

    @property
    def is_main(self) -> bool:
        """Whether this process writes files and shows progress."""
        return self.rank == 0

    def wait(self) -> None:
        """Until every process has come here."""
        if self.count > 1:
            dist.barrier()

    def add_gradients(self, parameters: Iterable[nn.Parameter], *, stop: bool = False) -> bool:
        """Replace each gradient by its sum over the processes.

        A parameter without a gradient on every process keeps none, so that the optimiser passes it by as
        it does in a single process.

        Args:
            parameters: the same on every process, in the same order.
            stop: this process was asked to stop.

        Returns:
            Whether any process was asked to stop.
        """
        if self.count == 1:
            return stop
        trained = [p for p in parameters if p.requires_grad]
        present = torch.tensor(
            [p.grad is not None for p in trained] + [stop], device=self.device
        ).float()
        zero = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        buffer = torch.cat([present, *(gradient.flatten().float() for gradient in zero)])
        dist.all_reduce(buffer)
        present, flat = buffer[: len(present)], buffer[len(present) :]
        for parameter, found, part in zip(
            trained, present.tolist(), _cut(flat, trained), strict=False
        ):
            parameter.grad = part.view_as(parameter).to(parameter.dtype) if found else None
        return bool(present[-1] > 0)

    def add(self, values: Tensor) -> Tensor:
        """The sum of a tensor over the processes, in place."""
        if self.count > 1:
            dist.all_reduce(values)
        return values


def _cut(flat: Tensor, parameters: Sequence[nn.Parameter]) -> Sequence[Tensor]:
    return flat.split([p.numel() for p in parameters])
