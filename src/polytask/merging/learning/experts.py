"""Finetuned models of one base, and how they are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from polytask.errors import InputError, unknown
from polytask.merging.engine.alignment import align
from polytask.merging.engine.evaluation_mode import evaluation_mode
from polytask.merging.engine.finite import all_finite
from polytask.merging.sources.state_dict import StateDict

__all__ = ["Experts", "Outputs", "State"]

Outputs = Callable[[Any, str, Any], Tensor]
State = Mapping[str, Tensor]
"""Name -> tensor."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Experts:
    """Models that were finetuned from one base, one for each task, and how they are called.

    Args:
        model: any module that the weights fit. Its own weights are left alone; while something is
            learned it is in evaluation mode.
        base: the weights before finetuning; their names are those of ``model.state_dict()``.
        models: task -> the weights after it.
        batches: task -> batches that can be walked through again and again, for example a list or
            a ``DataLoader``. What is in a batch is between them and ``outputs``. Some methods take
            tasks that have no model here.
        outputs: ``outputs(model, task, batch)`` calls the model and returns what the loss takes:
            logits ``[..., classes]``, as a rule. Heads of tasks that are not merged are its own.

    Raises:
        InputError: there is no module, nothing that calls it or no task, or weights do not fit each
            other or the module, or hold NaN or infinities.

    Example:
        >>> import torch
        >>> from polytask import merging
        >>> model = torch.nn.Linear(2, 2)
        >>> base, tuned = (
        ...     {"weight": value * torch.eye(2), "bias": torch.zeros(2)} for value in (1.0, 3.0)
        ... )
        >>> experts = merging.Experts(
        ...     model=model,
        ...     base=base,
        ...     models={"task": tuned},
        ...     batches={"task": [torch.eye(2)]},
        ...     outputs=lambda model, task, batch: model(batch),
        ... )
        >>> merging.adamerging(experts, steps=1).coefficients["task"]["weight"]
        0.301
    """

    model: nn.Module
    base: State
    models: Mapping[str, State]
    batches: Mapping[str, Iterable[Any]]
    outputs: Outputs

    def __post_init__(self) -> None:
        if not isinstance(self.model, nn.Module):
            raise InputError(f"model: expected a module, got {type(self.model).__name__}")
        if not callable(self.outputs):
            kind = type(self.outputs).__name__
            raise InputError(f"outputs: expected a function of model, task and batch, got {kind}")
        for name in ("models", "batches"):
            if not isinstance(given := getattr(self, name), Mapping):
                raise InputError(f"{name}: expected a mapping of tasks, got {type(given).__name__}")
            if not given:
                raise InputError(f"{name}: there is no task")
        object.__setattr__(self, "base", self._complete("base", self.base))
        models = {t: self._complete(f"models[{t!r}]", state) for t, state in self.models.items()}
        object.__setattr__(self, "models", models)
        base = StateDict("base", self.base)
        opened = [StateDict(f"models[{task!r}]", state) for task, state in self.models.items()]
        align(base, [StateDict("model", self.model.state_dict()), *opened])
        for label, state in (("base", self.base), *self.models.items()):
            _check_finite(label, state)

    def check_paired(self) -> None:
        """Refuse batches of other tasks than those of the models.

        Raises:
            InputError: a task has no model, or no batches.
        """
        for task in self.batches:
            if task not in self.models:
                raise unknown("task", task, self.models)
        if missing := [task for task in self.models if task not in self.batches]:
            raise InputError(f"batches: those of task {missing[0]!r} are missing")

    @cached_property
    def _dtypes(self) -> Mapping[str, torch.dtype]:
        """Name -> dtype in the module."""
        return {name: value.dtype for name, value in self.model.state_dict().items()}

    @cached_property
    def ties(self) -> Mapping[str, str]:
        """Name -> an earlier name of the same parameter of the module."""
        first: dict[int, str] = {}
        named = self.model.named_parameters(remove_duplicate=False)
        found = {name: first.setdefault(id(value), name) for name, value in named}
        return {name: earlier for name, earlier in found.items() if name != earlier}

    def _complete(self, label: str, state: State) -> State:
        """A state with all names of weights that modules share, of which a file may lack some.

        Raises:
            InputError: it is no state dict, or has different weights under two such names.
        """
        entries = StateDict(label, state).entries
        found = dict(state)
        for name, first in self.ties.items():
            if name in entries and first in entries:
                if not torch.equal(state[name], state[first]):
                    raise InputError(
                        f"{label}: tensors {name!r} and {first!r} differ, but the module has one "
                        "for both"
                    )
            elif name in entries or first in entries:
                found[name] = found[first] = state[name if name in entries else first]
        return found

    def call(self, state: State, task: str, batch: Any) -> Tensor:
        """What the model with other weights returns; gradients reach the weights.

        Args:
            state: name -> tensor, of all names of the module; of tied ones the first counts. They
                are used in the dtypes of the module.
            task: that the batch is of.
            batch: what ``outputs`` takes.

        Raises:
            InputError: it returned no tensor.
        """
        weights = {
            f"model.{name}": state[name].to(dtype)
            for name, dtype in self._dtypes.items()
            if name not in self.ties
        }
        called = functional_call(_Called(self.model, self.outputs), weights, (task, batch))
        if not isinstance(called, Tensor):
            raise InputError(f"outputs: returned {type(called).__name__} for {task!r}, no tensor")
        return called

    def expert_outputs(self, task: str, batch: Any) -> Tensor:
        """What the expert of a task returns, without gradients."""
        with torch.no_grad():
            return self.call(self.placed(self.models[task]), task, batch)

    def placed(self, state: State) -> dict[str, Tensor]:
        """The same weights, where those of the module are."""
        places = {name: value.device for name, value in self.model.state_dict().items()}
        return {name: value.detach().to(places[name]) for name, value in state.items()}

    def once(self, task: str) -> Iterator[Any]:
        """The batches of a task.

        Raises:
            InputError: there are none, or they can be walked through only once.
        """
        some = False
        for batch in self.batches[task]:
            some = True
            yield batch
        if not some:
            raise InputError(
                f"batches of task {task!r}: there are none (or no more: give a list or a "
                "DataLoader, which can be walked through again)"
            )

    def endless(self, task: str) -> Iterator[Any]:
        """The batches of a task, again and again.

        Raises:
            InputError: there are none, or they can be walked through only once.
        """
        while True:
            yield from self.once(task)

    def evaluating(self) -> AbstractContextManager[None]:
        """Evaluation mode, and the modes of all modules as they were afterwards."""
        return evaluation_mode(self.model)


class _Called(nn.Module):
    """A module whose forward pass is whatever is done with another module."""

    def __init__(self, model: nn.Module, outputs: Outputs) -> None:
        super().__init__()
        self.model = model
        self._outputs = (outputs,)  # a module among them would bring weights of its own

    def forward(self, task: str, batch: Any) -> Any:
        return self._outputs[0](self.model, task, batch)


def _check_finite(label: str, state: State) -> None:
    for name, value in state.items():
        if value.is_floating_point() and not all_finite(value):
            raise InputError(f"{label}: tensor {name!r} holds NaN or infinities")
