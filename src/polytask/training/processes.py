"""Several processes that train one model together.

Every process computes the gradient of its share of each step. The shares are added up here, once
per step, in one buffer. `DistributedDataParallel` is not used: it expects every parameter in every
backward pass, and a step of a multi-task model may lack a task on one process.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from polytask.errors import InputError

__all__ = ["Processes"]


class Processes:
    """The processes of this run, started by ``accelerate launch`` or ``torchrun``; often just one.

    Args:
        device: ``auto`` for an accelerator if there is one, or a device of PyTorch.

    Raises:
        InputError: there is no such device.
    """

    def __init__(self, device: str = "auto") -> None:
        from accelerate import PartialState

        wanted = None if device == "auto" else _existing(device)
        # Without an accelerator, PartialState finds the other processes only if told so.
        none = device == "auto" and not torch.accelerator.is_available()
        state = PartialState(cpu=device == "cpu" or none)
        self.rank, self.count = int(state.process_index), int(state.num_processes)
        launched = int(os.environ.get("WORLD_SIZE", "1"))
        if launched != self.count:
            raise InputError(f"{launched} processes were started, but each works alone")
        self.device: torch.device = wanted or state.device

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

        A parameter without a gradient on every process keeps none, so that the optimiser passes it
        by as it does in a single process.

        Args:
            parameters: the same on every process, in the same order.
            stop: this process was asked to stop.

        Returns:
            Whether any process was asked to stop.
        """
        if self.count == 1:
            return stop
        trained = list(parameters)
        flags = [float(p.grad is not None) for p in trained] + [float(stop)]
        parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in trained]
        found = torch.tensor(flags, device=self.device)
        buffer = torch.cat([found, *(part.flatten().float() for part in parts)])
        dist.all_reduce(buffer)
        present = buffer[: len(flags)].tolist()
        for parameter, there, part in zip(
            trained, present[:-1], _cut(buffer[len(flags) :], trained), strict=True
        ):
            parameter.grad = part.view_as(parameter).to(parameter.dtype) if there else None
        return bool(present[-1] > 0)

    def add(self, values: Tensor) -> Tensor:
        """The sum of a tensor over the processes, in place."""
        if self.count > 1:
            dist.all_reduce(values)
        return values

    def any(self, flag: bool) -> bool:
        """Whether it holds on any process."""
        if self.count == 1:
            return flag
        return bool(self.add(torch.tensor(float(flag), device=self.device)).item() > 0)

    def from_main(self, value: float) -> float:
        """The value of the main process, so that all of them take the same decision."""
        if self.count == 1:
            return value
        shared = torch.tensor(value, dtype=torch.float64, device=self.device)
        dist.broadcast(shared, src=0)
        return float(shared.item())

    def equalise(self, model: nn.Module) -> None:
        """Give every process the parameters and buffers of the main one."""
        if self.count > 1:
            for value in (*model.parameters(), *model.buffers()):
                dist.broadcast(value.data, src=0)


def _cut(flat: Tensor, parameters: Sequence[nn.Parameter]) -> Sequence[Tensor]:
    return torch.split(flat, [p.numel() for p in parameters])


def _existing(device: str) -> torch.device:
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError) as error:
        cause = str(error).splitlines()[0]
        raise InputError(f"training.device: there is no {device!r}: {cause}") from error
    return found
