"""The balanced steps of a run: from the losses of its batches to gradients."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from polytask import balance
from polytask.balance import Balanced, Balancer, Cost, Memory, TaskContext
from polytask.balance.engine.checks import check_grouping, check_memory
from polytask.data import Step
from polytask.errors import InputError, unknown
from polytask.models import Features, MultiTaskModel
from polytask.tasks import Task
from polytask.training.balance_groups import Groups, layer_groups

__all__ = ["Balancing", "Computed", "described"]


@dataclass(frozen=True)
class Computed:
    """What the forward pass of a batch gave.

    Args:
        losses: task -> this process's share of its loss.
        features: of the backbone.
    """

    losses: Mapping[str, Tensor]
    features: Features


class Balancing:
    """Runs a balancer on the steps of a model.

    Gradients are summed over the processes: every loss is a share of that of the step.

    Args:
        balancer: the method.
        cost: where gradients are compared, see `polytask.balance.backward`.
        groups: of shared parameters that are balanced apart; none by default.
        memory: see `polytask.balance.backward`.

    Raises:
        InputError: a method that needs a loop of its own, or a method or cost that cannot take
            groups or low memory.
    """

    def __init__(
        self,
        balancer: Balancer,
        cost: Cost = "exact",
        *,
        groups: Groups | None = None,
        memory: Memory = "normal",
    ) -> None:
        if balancer.own_loop:
            method = type(balancer).__name__
            raise InputError(
                f"balance: {method} needs a loop of your own, see polytask.balance: "
                f"{balancer.own_loop}"
            )
        if groups:
            check_grouping(balancer, cost=cost)
        check_memory(memory, balancer, cost=cost)
        self.balancer, self.cost, self.memory, self._wanted = balancer, cost, memory, groups

    def __str__(self) -> str:
        groups = f", groups {self._wanted}" if self._wanted else ""
        memory = ", low memory" if self.memory == "low" else ""
        return f"{self.balancer!r} at {self.cost}{groups}{memory}"

    def prepare(self, model: MultiTaskModel, *, micro_batches: int) -> None:
        """Find the parts of a model.

        Args:
            model: on its device, with frozen parameters frozen.
            micro_batches: parts of each batch.

        Raises:
            InputError: no trained parameter is shared, none has a name that a group starts with, an
                option names a task that does not exist, or batches are cut, which low memory cannot
                be for.
        """
        for option, names in self.balancer.named_tasks().items():
            for name in names:
                if name not in model.tasks:
                    raise unknown("task", name, model.tasks, where=f"balance.{option}")
        if self.memory == "low" and micro_batches > 1:
            raise InputError("balance.memory: low walks a whole batch; set micro_batches to 1")
        self._tasks, self._micro_batches = model.tasks, micro_batches
        self._shared = [p for p in model.shared_parameters() if p.requires_grad]
        if not self._shared:
            raise InputError("balance: no parameter is shared and trained, nothing to balance")
        self._own = {name: model.task_parameters(name) for name in model.tasks}
        self._last_block = model.last_shared_block()
        self._groups = layer_groups(model, self._wanted) if self._wanted else None
        self._context = {name: _context(task) for name, task in model.tasks.items()}

    def __call__(self, step: Step, computed: Iterable[Computed], *, scale: float) -> Balanced:
        """Fill ``.grad`` with the balanced gradients of a step.

        Args:
            step: what it carries, on all processes.
            computed: its batches on this process, computed when they are asked for, so that the
                graph of one is free before the next where the method allows it.
            scale: factor of the losses, as of a gradient scaler.
        """
        tasks = [name for name in self._tasks if name in step.totals]
        context = {name: _in_step(self._context[name], step.totals[name]) for name in tasks}
        if self._one_by_one(tasks):
            return self._accumulate(tasks, computed, context, scale)
        losses, features = _together(computed)
        return balance.backward(
            losses,
            self.balancer,
            shared=self._shared,
            own=self._own,
            groups=self._groups,
            features=features,
            last_block=self._last_block,
            cost=self.cost,
            memory=self.memory,
            context=context,
            scale=scale,
            processes="sum",
        )

    def _one_by_one(self, tasks: Sequence[str]) -> bool:
        """Whether gradients are added up batch by batch; the same on every process."""
        if self.cost != "exact" or self.memory == "low":
            return False
        if self._micro_batches > 1:
            return True
        several = len({self._tasks[name].data for name in tasks}) > 1
        return several and self.balancer.needs_gradients(tasks)

    def _accumulate(
        self,
        tasks: Sequence[str],
        computed: Iterable[Computed],
        context: Mapping[str, TaskContext],
        scale: float,
    ) -> Balanced:
        accumulation = balance.Accumulation(
            self.balancer,
            tasks=tasks,
            shared=self._shared,
            own=self._own,
            groups=self._groups,
            context=context,
            scale=scale,
            processes="sum",
        )
        for batch in computed:
            accumulation.add(batch.losses)
        return accumulation.finish()


def described(balanced: Balanced) -> dict[str, Any]:
    """What the log says of a balanced step: weights, norms and cosines, where there are any.

    ``cosines`` holds, for each task, those with the tasks after it. ``groups`` holds the same of
    each group, where groups were balanced apart. What is not finite, in a step that overflowed, is
    left out.
    """
    found: dict[str, Any] = {"tasks": list(balanced.tasks), **_numbers(balanced)}
    if balanced.groups:
        found["groups"] = {name: _numbers(group) for name, group in balanced.groups.items()}
    return found


def _numbers(balanced: Balanced) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if balanced.weights is not None and balanced.weights.isfinite().all():
        found["weights"] = balanced.weights.tolist()
    if balanced.gramian is not None and balanced.gramian.isfinite().all():
        rows = balanced.cosines.tolist()
        found["norms"] = balanced.norms.tolist()
        found["cosines"] = [
            [round(cosine, 4) for cosine in row[index + 1 :]] for index, row in enumerate(rows)
        ]
    return found


def _together(computed: Iterable[Computed]) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The losses of all batches, added up per task, and their features."""
    losses: dict[str, Tensor] = {}
    features: list[Tensor] = []
    for batch in computed:
        features += batch.features.tensors
        for name, loss in batch.losses.items():
            losses[name] = losses[name] + loss if name in losses else loss
    return losses, features


def _in_step(context: TaskContext, total: float) -> TaskContext:
    """With the number of targets in a step: the sum of their weights, which are 1 by default."""
    count = max(1, round(total))
    return replace(context, examples=count, tokens=count)


def _context(task: Task) -> TaskContext:
    kind = task.output.loss_kind
    return TaskContext(kind=kind, classes=task.output.size if kind == "classification" else None)
