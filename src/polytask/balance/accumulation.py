"""Balanced steps whose losses come batch by batch: gradient accumulation, one batch per task."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import Tensor

from polytask.balance.balancer import Balancer
from polytask.balance.context import TaskContext
from polytask.balance.engine.checks import check_grouping, check_losses, lists_in, parameters_in
from polytask.balance.engine.precision import without_autocast
from polytask.balance.engine.processes import Combine, Processes
from polytask.balance.engine.step import Step
from polytask.balance.engine.update import update
from polytask.balance.result import Balanced
from polytask.errors import InputError

__all__ = ["Accumulation"]


class Accumulation:
    """Adds up each task's gradient over several batches, then balances the sums.

    The graph of a batch is free as soon as it was added; what stays is one gradient of the shared
    parameters per task. The losses of one task are added up, so each should be its share of the
    step (its mean divided by the number of batches). Every method of one batch works, with
    ``cost="exact"``.

    Args:
        balancer: the method.
        tasks: the tasks of the step, in the same order on every process.
        shared: as in `backward`.
        own: as in `backward`.
        groups: as in `backward`.
        context: as in `backward`.
        scale: as in `backward`.
        processes: as in `backward`.

    Raises:
        InputError: no task, no shared parameter that is trained, groups that cannot be, or a method
            that compares independent batches.

    Example:
        >>> import torch
        >>> from polytask import balance
        >>> trunk, heads = torch.nn.Linear(4, 8), torch.nn.Linear(8, 2)
        >>> step = balance.Accumulation(
        ...     balance.PCGrad(), tasks=["a", "b"], shared=trunk.parameters()
        ... )
        >>> for batch in torch.ones(2, 3, 4):
        ...     y = heads(trunk(batch)).square().mean(0) / 2
        ...     step.add({"a": y[0], "b": y[1]})
        >>> info = step.finish()
    """

    def __init__(
        self,
        balancer: Balancer,
        *,
        tasks: Sequence[str],
        shared: Iterable[Tensor],
        own: Mapping[str, Iterable[Tensor]] | None = None,
        groups: Mapping[str, Iterable[Tensor]] | None = None,
        context: Mapping[str, TaskContext] | None = None,
        scale: float = 1.0,
        processes: Combine = "mean",
    ) -> None:
        if balancer.independent:
            method = type(balancer).__name__
            raise InputError(f"Accumulation: {method} compares independent batches; use backward")
        if groups:
            check_grouping(balancer)
        self._step = Step(
            tasks,
            parameters_in(shared),
            lists_in(own),
            balancer=balancer,
            groups=groups,
            processes=Processes(processes),
            scale=scale,
        )
        self._context, self._gradients = context or {}, self._step.gradients(lasting=True)
        self._losses: dict[str, Tensor] = {}
        self._finished = False

    @without_autocast
    def add(self, losses: Mapping[str, Tensor]) -> None:
        """Differentiate the losses of a batch.

        Args:
            losses: task -> scalar, any of the tasks.

        Raises:
            InputError: a loss that is no scalar or was not computed from parameters, or one of a
                task that the step does not have; the step is finished.
        """
        self._check_open()
        check_losses(losses, self._step.tasks)
        self._gradients.add(losses)
        for name, loss in losses.items():
            before = self._losses.get(name)
            self._losses[name] = loss.detach() if before is None else before + loss.detach()

    @without_autocast
    def finish(self, *, diagnose: bool = False) -> Balanced:
        """Add the balanced update to ``.grad``; once.

        Args:
            diagnose: find the Gramian even if the balancer does not need it.

        Raises:
            InputError: it is finished already.
        """
        self._check_open()
        self._finished = True
        values = self._step.values(self._losses)
        places, pending = self._gradients.groups, self._gradients.pending
        return update(self._step, places, pending, values, self._context, diagnose=diagnose)

    def _check_open(self) -> None:
        if self._finished:
            raise InputError("Accumulation: this step is finished; make one for each step")
