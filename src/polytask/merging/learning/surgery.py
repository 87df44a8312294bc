"""Corrections of the features of a merged model, learned from those of its experts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.engine.alignment import align
from polytask.merging.learning.checks import check_count, check_positive
from polytask.merging.learning.corrections import Correction, Surgery
from polytask.merging.learning.experts import Experts, State
from polytask.merging.learning.training import learn
from polytask.merging.sources.state_dict import StateDict
from polytask.randomness import initialised

__all__ = ["surgery"]

RANK = 16
"""Width of the bottleneck in the authors' code, for features of 512 or 768; features with fewer may
have it, too: with relu, more units than features still add something."""


def surgery(
    experts: Experts,
    state: State,
    *,
    rank: int = RANK,
    steps: int = 1000,
    rate: float = 1e-3,
    seed: int = 0,
) -> Surgery:
    """Learn to take away what a merged model adds to the features of experts (Surgery).

    z - U_k relu(D_k z) for each task k: Adam lowers the mean absolute difference to the features
    of the expert on unlabelled batches, with both models frozen. It goes with any merge; which task
    an example is of must be known.

    Source: Yang et al., "Representation Surgery for Multi-Task Model Merging", 2024. The defaults
    are those of the authors' code, which takes two batches of 16 of each task in each of its 500
    rounds. Each task has parameters of its own, so it does not matter that here all tasks step
    together.

    Args:
        experts: the models, and unlabelled batches of each task; ``outputs`` returns the features
            ``[..., D]`` that go into the head of the task. All batches are walked through once more
            before and once after learning, for the representation bias.
        state: the merged model, name -> tensor.
        rank: width of the bottleneck, D_k is ``[rank, D]``; at most D, or 16 if that is more.
        steps: of Adam.
        rate: of learning.
        seed: of D_k before anything is learned; U_k is 0.

    Raises:
        InputError: an option is out of its range, the merged model does not fit, a task has no
            expert or no batches, or its features have not the shape of those of the expert.

    Example:
        >>> from torch import nn
        >>> from polytask import merging
        >>> base, tuned = ({"weight": value * torch.eye(2)} for value in (3.0, 1.0))
        >>> experts = merging.Experts(
        ...     model=nn.Linear(2, 2, bias=False),
        ...     base=base,
        ...     models={"task": tuned},
        ...     batches={"task": [torch.eye(2)]},
        ...     outputs=lambda model, task, batch: model(batch),
        ... )
        >>> done = merging.surgery(experts, base, steps=300)
        >>> done.before["task"], done.after["task"] < 0.1
        (1.0, True)
        >>> head_input = done.corrections["task"](torch.tensor([3.0, 0.0]))
    """
    check_count("rank", rank, least=1)
    check_count("steps", steps)
    check_positive("rate", rate)
    experts.check_paired()
    align(StateDict("model", experts.model.state_dict()), [StateDict("state", state)])
    merged = experts.placed(state)
    corrections = {task: _correction(experts, merged, task, rank, seed) for task in experts.batches}
    before = _biases(experts, merged, corrections)

    def loss(features: Tensor, task: str, batch: Any) -> Tensor:
        return _bias(experts, corrections[task], features, task, batch)

    parameters = [value for each in corrections.values() for value in each.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=rate)
    losses = learn(experts, lambda: merged, loss, optimizer, steps=steps)
    return Surgery(corrections, before, _biases(experts, merged, corrections), losses)


def _correction(experts: Experts, state: State, task: str, rank: int, seed: int) -> Correction:
    with experts.evaluating(), torch.no_grad():
        features = experts.call(state, task, next(experts.once(task)))
    if not (features.dim() and features.numel() and features.is_floating_point()):
        shape = " x ".join(map(str, features.shape)) or "scalar"
        raise InputError(
            f"outputs: for task {task!r} they are {features.dtype} {shape}, not features [..., D]"
        )
    width = features.shape[-1]
    if rank > max(width, RANK):
        most = f"{max(width, RANK)} for features of width {width}"
        raise InputError(f"rank: must be at most {most} (task {task!r}), got {rank}")
    with initialised(seed, "surgery", task):
        return Correction(width, rank).to(features.device)


def _biases(
    experts: Experts, state: State, corrections: Mapping[str, Correction]
) -> dict[str, float]:
    """Task -> mean over all elements of the features of all its batches."""
    with experts.evaluating(), torch.no_grad():
        return {task: _bias_of(experts, state, task, each) for task, each in corrections.items()}


def _bias_of(experts: Experts, state: State, task: str, correction: Correction) -> float:
    total, count = 0.0, 0
    for batch in experts.once(task):
        features = experts.call(state, task, batch)
        total += float(_bias(experts, correction, features, task, batch)) * features.numel()
        count += features.numel()
    if not count:
        raise InputError(f"batches of task {task!r}: they are empty")
    return total / count


def _bias(
    experts: Experts, correction: Correction, features: Tensor, task: str, batch: Any
) -> Tensor:
    """The mean absolute difference between corrected features and those of the expert."""
    wanted = experts.expert_outputs(task, batch)
    if features.shape != wanted.shape:
        both = f"{list(features.shape)}, those of its expert {list(wanted.shape)}"
        raise InputError(f"task {task!r}: features of the merged model are {both}")
    wide = torch.promote_types(features.dtype, torch.float32)
    corrected: Tensor = correction(features)
    return (corrected.to(wide) - wanted.to(wide)).abs().mean()
