"""How often a trigger in the input makes a model say what an attacker wants."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from polytask.errors import InputError, unknown
from polytask.merging.engine.alignment import align
from polytask.merging.engine.finite import all_finite
from polytask.merging.learning.checks import check_count
from polytask.merging.learning.experts import Experts, State
from polytask.merging.learning.losses import check_logits
from polytask.merging.sources.state_dict import StateDict

__all__ = ["AttackSuccess", "attack_success_rate"]


@dataclass(frozen=True, kw_only=True)
class AttackSuccess:
    """What a trigger does to a model.

    Args:
        rate: share of the rows of other classes than the target that are taken for the target with
            the trigger in their input.
        without: share of the same rows that are taken for it without the trigger: the rate of an
            attack that does nothing.
        accuracy: share of all rows whose class is found without the trigger.
        rows: of other classes than the target.
    """

    rate: float
    without: float
    accuracy: float
    rows: int


def attack_success_rate(
    experts: Experts,
    state: State,
    task: str,
    batches: Iterable[Any],
    *,
    classes: Callable[[Any], Tensor],
    trigger: Callable[[Any], Any],
    target: int,
) -> AttackSuccess:
    """Measure a backdoor: put a trigger on inputs and count what is taken for the target.

    Source: Gu et al., "BadNets: Identifying Vulnerabilities in the Machine Learning Model Supply
    Chain", 2017, for the attack; Yang et al., "Mitigating the Backdoor Effect for Multi-Task Model
    Merging via Safety-Aware Subspace", 2024, for merged models, where a trigger of one task may
    work on another.

    Args:
        experts: how a model is called.
        state: the model: name -> tensor, with the names of the module.
        task: that is attacked.
        batches: labelled, of that task.
        classes: ``classes(batch)``: the right classes, in the shape of the outputs without their
            last dimension.
        trigger: ``trigger(batch)``: a batch with the trigger in the input of every row.
        target: class that the attacker wants.

    Raises:
        InputError: the tensors are not those of the module, there is no such task, there are no
            batches, outputs are no logits, are not finite or do not fit the classes or each other,
            there is no such class, or every row is of it.

    Example:
        >>> from polytask import merging
        >>> model = torch.nn.Linear(2, 2)
        >>> state = {"weight": torch.eye(2), "bias": torch.zeros(2)}
        >>> experts = merging.Experts(
        ...     model=model,
        ...     base=state,
        ...     models={"task": state},
        ...     batches={"task": [None]},
        ...     outputs=lambda model, task, batch: model(batch),
        ... )
        >>> merging.attack_success_rate(
        ...     experts,
        ...     state,
        ...     "task",
        ...     [torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 5.0]])],
        ...     classes=lambda batch: torch.tensor([0, 1, 1]),
        ...     trigger=lambda batch: batch + torch.tensor([3.0, 0.0]),
        ...     target=0,
        ... )
        AttackSuccess(rate=0.5, without=0.0, accuracy=1.0, rows=2)
    """
    check_count("target", target)
    align(StateDict("model", experts.model.state_dict()), [StateDict("state", state)])
    if task not in experts.batches:
        raise unknown("task", task, experts.batches)
    placed = experts.placed(state)
    found = []
    with experts.evaluating(), torch.no_grad():
        for batch in batches:
            clean, attacked = (
                experts.call(placed, task, given) for given in (batch, trigger(batch))
            )
            right = torch.as_tensor(classes(batch), device=clean.device)
            _check(task, clean, attacked, right, target)
            said, now = clean.argmax(-1), attacked.argmax(-1)
            found.append(torch.stack([right, said, now]).flatten(1))
    if not found:
        raise InputError(f"batches: there are none of task {task!r}")
    return _counted(*torch.cat(found, 1), target=target)


def _counted(right: Tensor, said: Tensor, now: Tensor, *, target: int) -> AttackSuccess:
    others = right != target
    rows = int(others.sum())
    if not rows:
        raise InputError(f"target: every row is of class {target}, there is nothing to attack")
    return AttackSuccess(
        rate=int((now[others] == target).sum()) / rows,
        without=int((said[others] == target).sum()) / rows,
        accuracy=int((said == right).sum()) / len(right),
        rows=rows,
    )


def _check(task: str, clean: Tensor, attacked: Tensor, right: Tensor, target: int) -> None:
    check_logits(clean, task)
    if not (all_finite(clean) and all_finite(attacked)):
        raise InputError(f"task {task!r}: outputs are NaN or infinite")
    if attacked.shape != clean.shape:
        shapes = f"{list(attacked.shape)} with the trigger, {list(clean.shape)} without"
        raise InputError(f"trigger: outputs have the shape {shapes}")
    if right.shape != clean.shape[:-1]:
        shapes = f"{list(right.shape)}, the outputs {list(clean.shape)}"
        raise InputError(f"classes: have the shape {shapes}")
    if target >= clean.shape[-1]:
        raise InputError(f"target: there are {clean.shape[-1]} classes, got {target}")
