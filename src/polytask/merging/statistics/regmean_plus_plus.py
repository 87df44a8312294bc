"""Regression mean, block after block: each gets the inputs that the merged ones before it make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from polytask.errors import InputError, unknown
from polytask.merging.given import as_list
from polytask.merging.learning.experts import Experts
from polytask.merging.memory import merge_state_dicts
from polytask.merging.place import layer_of
from polytask.merging.statistics.gramians import (
    Gramians,
    Mask,
    fits_no_layer,
    linear_layers,
)

__all__ = ["regmean_plus_plus"]


def regmean_plus_plus(
    experts: Experts,
    *,
    blocks: Sequence[str] | None = None,
    mask: Mask | None = None,
    shrink: float = 0.95,
) -> dict[str, Tensor]:
    """Merge models block after block, with what each block gets from the merged ones before it.

    As `RegMean`, but the Gramians of a block are those of its linear layers when the block is that
    of the model of the task, and everything before it is merged already. Everything outside the
    blocks is averaged first. Labels are not needed. It takes a pass over all batches for each
    block, where RegMean takes one in all.

    Source: Nguyen et al., "RegMean++: Enhancing Effectiveness and Generalization of Regression Mean
    for Model Merging", 2025. The authors' code keeps what blocks return for the next block, which
    takes one pass and the memory, and knows how blocks of one family are called.

    Args:
        experts: the models, and batches of every task.
        blocks: names of modules in the order in which they are called, such as
            ``encoder.layer.0``; by default the numbered layers in the order of the module. A head
            or a pooler may be named too.
        mask: of the positions that count, as `collect_gramians` takes it.
        shrink: as of `RegMean`; 0.95 in the authors' configurations.

    Returns:
        Name -> tensor, in the dtype that the models have together.

    Raises:
        InputError: a task has no model or no batches, a block is unknown, named twice or has no
            linear layer that is called, there are none, or the models cannot be merged.

    Example:
        >>> from polytask import merging
        >>> one, other = ({"0.weight": torch.tensor([[weight]])} for weight in (1.0, 4.0))
        >>> experts = merging.Experts(
        ...     model=nn.Sequential(nn.Linear(1, 1, bias=False)),
        ...     base=one,
        ...     models={"one": one, "other": other},
        ...     batches={"one": [torch.tensor([[1.0]])], "other": [torch.tensor([[2.0]])]},
        ...     outputs=lambda model, task, batch: model(batch),
        ... )
        >>> merging.regmean_plus_plus(experts)  # (1 * 1 + 4 * 4) / (1 + 4)
        {'0.weight': tensor([[3.4000]])}
    """
    experts.check_paired()
    models, layers, ties = list(experts.models.values()), linear_layers(experts.model), experts.ties
    merged, masked, last = merge_state_dicts("average", models=models), False, None
    for block in _numbered(experts.model) if blocks is None else _chosen(blocks):
        names = _names(block, experts.base)
        parts = [{name: model[name] for name in names} for model in models]
        inside = {name: layers[name] for name in names if name in layers}
        measured = [
            _measured(experts, task, merged | part, inside, mask)
            for task, part in zip(experts.models, parts, strict=True)
        ]
        masked, last = masked or any(one.masked for one in measured), measured[-1].mask
        statistics = [one.statistics() for one in measured]
        merged |= merge_state_dicts("regmean", models=parts, statistics=statistics, shrink=shrink)
    if last is not None and not masked:
        raise fits_no_layer(last)
    return {name: merged[ties.get(name, name)] for name in merged}


def _numbered(model: nn.Module) -> list[str]:
    """The numbered layers, in the order of the module."""
    layers = (layer_of(name) for name, _ in model.named_parameters())
    found = [f"{layer[0]}{layer[1]}" for layer in layers if layer is not None]
    if not found:
        raise InputError("blocks: the model has no numbered layers: name its blocks")
    return list(dict.fromkeys(found))


def _chosen(blocks: Sequence[str]) -> Sequence[str]:
    """Blocks that are named; each takes its turn once."""
    found = as_list("blocks", blocks)
    if not found:
        raise InputError("blocks: there are none; leave it out for all numbered layers")
    if again := [block for index, block in enumerate(found) if block in found[:index]]:
        raise InputError(f"blocks: {again[0]!r} is named twice")
    return found


def _names(block: str, state: Mapping[str, Tensor]) -> list[str]:
    """The tensors of a block."""
    names = [name for name in state if name.startswith(f"{block}.")]
    if not names:
        modules = {name[:end] for name in state for end, at in enumerate(name) if at == "."}
        raise unknown("block", block, modules, where="blocks")
    return names


@torch.no_grad()
def _measured(
    experts: Experts,
    task: str,
    state: Mapping[str, Tensor],
    layers: Mapping[str, nn.Module],
    mask: Mask | None,
) -> Gramians:
    """What layers get on the batches of a task in a model of certain weights."""
    gramians, placed = Gramians(layers), experts.placed(state)
    with experts.evaluating(), gramians.measured():
        for batch in experts.once(task):
            gramians.mask = None if mask is None else mask(batch)
            experts.call(placed, task, batch)
            gramians.batches += 1
    return gramians
