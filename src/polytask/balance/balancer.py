"""What a balancer is: the families, and what each of them sees.

Shapes: K tasks whose losses a step carries, P shared parameters (numbers, not tensors).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, cast
from urllib.parse import quote, unquote

import torch
from torch import Tensor, nn

from polytask.balance.context import TaskContext
from polytask.balance.engine.rows import gramian_of
from polytask.balance.task_state import TaskState
from polytask.balance.task_vectors import lengths_of
from polytask.errors import InputError

__all__ = [
    "Balancer",
    "GradientAggregator",
    "GradientBalancer",
    "GramianWeighting",
    "LossWeighting",
]

GROUP = "group "
"""Before the name of a layer group in a state, which keeps clear of the names that modules have."""
Losses = Mapping[str, Tensor]
"""Task -> scalar loss, float64 on the CPU; in the order of every K in this room."""


@dataclass(kw_only=True, eq=False)
class Balancer(nn.Module, ABC):
    """A rule that turns the losses of several tasks into one update.

    Subclasses are dataclasses: their fields are the options. What they learn or remember is kept
    by the name of the task in `TaskState`, so that ``state_dict()`` is complete and the state of an
    absent task stands still.

    Args:
        task_gradients: what the parameters that belong to one task get: the ``plain`` gradient of
            its loss, or that gradient times the task's weight (``weighted``). By default what the
            method's paper does.
    """

    task_gradients: Literal["plain", "weighted"] | None = None
    steps: Tensor = field(init=False, repr=False)

    paper_task_gradients = "plain"
    """What ``task_gradients=None`` stands for; not an option."""

    observes = False
    """Whether the method does nothing without `observe`; not an option."""

    independent = False
    """Whether its inner products are those of two more batches; not an option."""

    own_loop = ""
    """Why a recipe cannot use the method, if so; not an option."""

    def __post_init__(self) -> None:
        super().__init__()
        if self.task_gradients not in (None, "plain", "weighted"):
            raise InputError(
                f"task_gradients must be 'plain' or 'weighted', got {self.task_gradients!r}"
            )
        self.register_buffer("steps", torch.zeros((), dtype=torch.long))

    def generator(self, seed: int) -> torch.Generator:
        """Random numbers of this step alone: the same on every process and after a resumption."""
        return torch.Generator().manual_seed((seed * 0x9E3779B97F4A7C15 + int(self.steps)) % 2**63)

    def observe(self, losses: Mapping[str, float]) -> None:
        """Take note of validation losses, task -> mean loss; nothing by default."""

    def named_tasks(self) -> Mapping[str, Sequence[str]]:
        """Option -> the tasks that it names, which should exist: the keys of a mapping to numbers.

        A method whose options name tasks in another way, or map something else to numbers,
        overrides this.
        """
        given = {option.name: getattr(self, option.name) for option in fields(self) if option.init}
        return {
            name: tuple(value)
            for name, value in given.items()
            if isinstance(value, Mapping)
            and all(isinstance(number, int | float) for number in value.values())
        }

    @property
    def weighs_tasks(self) -> bool:
        """Whether the parameters of one task alone get a weighted gradient."""
        return (self.task_gradients or self.paper_task_gradients) == "weighted"

    def own_weights(self, names: Sequence[str], weights: Tensor | None) -> Tensor | None:
        """``[K]`` factors of the gradients of tasks' own parameters after a step; None for 1.

        Args:
            names: the tasks of the step.
            weights: ``[K]`` of the step, if its update is a weighted sum.
        """
        return weights if self.weighs_tasks else None

    @abstractmethod
    def needs_gradients(self, tasks: Iterable[str]) -> bool:
        """Whether a step of these tasks needs their gradients before its weights."""

    @abstractmethod
    def known_weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        """``[K]`` the weights of a step that needs no gradients before, float64 on the CPU."""


@dataclass(kw_only=True, eq=False)
class LossWeighting(Balancer):
    """A balancer that looks at the losses alone: one backward pass of their weighted sum."""

    paper_task_gradients = "weighted"

    @abstractmethod
    def weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        """``[K]`` the factor of each loss; called once per step, may update the state.

        Args:
            losses: of the step, float64, on the CPU; finite.
            context: task -> what is known of its loss; a task may be absent.
        """

    def needs_gradients(self, tasks: Iterable[str]) -> bool:
        return False

    def known_weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        if not all(torch.isfinite(loss) for loss in losses.values()):
            return torch.full((len(losses),), math.nan, dtype=torch.float64)
        return self.weights(losses, context)


@dataclass(kw_only=True, eq=False)
class GradientBalancer(Balancer):
    """A balancer that needs the gradients of the tasks.

    Args:
        warm_up: number of first steps in which all weights are 1.
        priorities: task -> its importance, positive; 1 for a task that is not named. Methods use
            it where their paper has the plain mean or equal shares of the tasks.

    Raises:
        InputError: a negative number of steps, or a priority that is not positive and finite.
    """

    warm_up: int = 0
    priorities: Mapping[str, float] | None = None
    groups: nn.ModuleDict = field(init=False, repr=False)
    """Layer group -> its balancer, where groups are balanced apart."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.groups = nn.ModuleDict()
        if self.warm_up < 0:
            raise InputError(f"warm_up must not be negative, got {self.warm_up}")
        for name, value in (self.priorities or {}).items():
            if not (math.isfinite(value) and value > 0):
                raise InputError(f"priorities: {name!r} must be positive and finite, got {value}")

    def shares(self, losses: Losses) -> Tensor:
        """``[K]`` the priorities of the tasks as shares that add up to 1."""
        if not self.priorities:
            return torch.full((len(losses),), 1 / len(losses), dtype=torch.float64)
        given = [float(self.priorities.get(name, 1.0)) for name in losses]
        values = torch.tensor(given, dtype=torch.float64)
        return values / values.sum()

    def in_group(self, name: str) -> GradientBalancer:
        """The balancer of a layer group: the same options, a state of its own."""
        key = GROUP + quote(name, safe="").replace(".", "%2E")
        if key not in self.groups:
            self.groups[key] = replace(self)
        return cast("GradientBalancer", self.groups[key])

    def _load_from_state_dict(
        self, state_dict: Mapping[str, Tensor], prefix: str, *rest: Any
    ) -> None:
        start = f"{prefix}groups.{GROUP}"
        self.groups.clear()
        for key in state_dict:
            if key.startswith(start):
                self.in_group(unquote(key.removeprefix(start).split(".")[0]))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def needs_gradients(self, tasks: Iterable[str]) -> bool:
        return int(self.steps) >= self.warm_up

    def known_weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        return torch.ones(len(losses), dtype=torch.float64)


@dataclass(kw_only=True, eq=False)
class GramianWeighting(GradientBalancer):
    """A balancer whose weights follow from the Gramian of the tasks' gradients.

    A method of a user is one class with one function:

    Example:
        >>> class Inverse(GramianWeighting):
        ...     def weights(self, gramian, losses):
        ...         return 1 / gramian.diagonal().sqrt()

    Args:
        update_every: the weights are found anew at every so many updates and kept in between,
            where a step costs little more than one of equal weights.

    Raises:
        InputError: ``update_every`` below 1.
    """

    update_every: int = 1
    held: TaskState = field(init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.update_every < 1:
            raise InputError(f"update_every must be at least 1, got {self.update_every}")
        self.held = TaskState()

    @abstractmethod
    def weights(self, gramian: Tensor, losses: Losses) -> Tensor:
        """``[K]`` weights of the gradients, float64; the update is their weighted sum.

        Called when new weights are due, with at least two tasks and finite numbers.

        Args:
            gramian: ``[K, K]`` inner products of the gradients, float64, on the CPU.
            losses: the losses of the step, float64, on the CPU.
        """

    def needs_gradients(self, tasks: Iterable[str]) -> bool:
        due = (int(self.steps) - self.warm_up) % self.update_every == 0
        known = all(name in self.held for name in tasks)
        return super().needs_gradients(tasks) and (due or not known)

    def from_gramian(self, gramian: Tensor, losses: Losses) -> Tensor:
        """`weights` with what every method needs: one task, numbers that overflowed, the state."""
        names = tuple(losses)
        if not all_finite(gramian, *losses.values()):
            return torch.full((len(names),), math.nan, dtype=torch.float64)
        found = torch.ones(1, dtype=torch.float64)
        if len(names) > 1:
            found = self.weights(gramian, losses)
        if self.update_every > 1:
            self.held.put(names, found)
        return found

    def known_weights(self, losses: Losses, context: Mapping[str, TaskContext]) -> Tensor:
        return self.held.get(tuple(losses), 1.0)


@dataclass(kw_only=True, eq=False)
class GradientAggregator(GradientBalancer):
    """A balancer that needs the gradients themselves."""

    follows = False
    """Whether it follows the gradients of parameters from step to step, so that those of features
    are no use; not an option."""

    alone = False
    """Whether a step of one task is one of the method, too; not an option."""

    _total: Callable[[Tensor], Tensor] | None = field(init=False, repr=False, default=None)

    @abstractmethod
    def aggregate(self, gradients: Tensor, losses: Losses) -> Tensor:
        """``[P]`` the update that K gradients give; not a tensor that the method keeps.

        Called with at least two tasks (unless ``alone``) and finite numbers. Under ``fully_shard``
        it gets the gradients of this process's shards, and returns the update of these: sums over
        P are then to be summed by `over_shards`, as `lengths` and `gramian` do.

        Args:
            gradients: ``[K, P]`` on their device; may be written to.
            losses: the losses of the step, float64, on the CPU.
        """

    def from_gradients(
        self,
        gradients: Tensor,
        losses: Losses,
        *,
        over_shards: Callable[[Tensor], Tensor] | None = None,
    ) -> Tensor:
        """`aggregate`, or the gradient itself if there is one task.

        Args:
            gradients: as in `aggregate`.
            losses: as in `aggregate`.
            over_shards: adds up over processes with a shard each; None if gradients are whole.
        """
        if not all_finite(gradients, *losses.values()):
            return torch.full_like(gradients[0], math.nan)
        if len(losses) == 1 and not self.alone:
            return gradients[0]
        self._total = over_shards
        try:
            return self.aggregate(gradients, losses)
        finally:
            self._total = None

    def over_shards(self, values: Tensor) -> Tensor:
        """The sum of values that each process found in its shards; as they are without shards."""
        return values if self._total is None else self._total(values)

    def lengths(self, gradients: Tensor) -> Tensor:
        """``[K]`` lengths of ``gradients [K, P]``, float64 on the CPU; infinite at an overflow."""
        found = lengths_of(gradients)
        return found if self._total is None else self._total(found.square()).sqrt()

    def gramian(self, gradients: Tensor) -> Tensor:
        """``[K, K]`` inner products of ``gradients [K, P]``, float64 on the CPU."""
        return self.over_shards(gramian_of(gradients).cpu())


def all_finite(*values: Tensor) -> bool:
    """Whether no number of any tensor is infinite or none; makes no tensor of their size."""
    ends = (end for value in values if value.numel() for end in value.aminmax())
    return all(math.isfinite(end) for end in ends)
