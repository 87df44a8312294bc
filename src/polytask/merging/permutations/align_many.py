"""Alignment of several models with each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.engine.alignment import align
from polytask.merging.engine.threads import Threads
from polytask.merging.given import as_list
from polytask.merging.permutations.align import Alignment
from polytask.merging.permutations.distance import distance
from polytask.merging.permutations.matching import match, weights_of, whole
from polytask.merging.permutations.permute import permute_state_dict
from polytask.merging.permutations.permuted_source import PermutedSource
from polytask.merging.permutations.spec import GivenSpec, PermutationSpec, as_spec
from polytask.merging.sources.base import Source
from polytask.merging.sources.state_dict import StateDict
from polytask.randomness import seeded

__all__ = ["align_state_dicts"]


def align_state_dicts(
    models: Sequence[Mapping[str, Tensor]], spec: GivenSpec, *, seed: int = 0
) -> list[Alignment]:
    """Put the hidden units of several models into one order, that of none of them.

    MergeMany of Ainsworth, Hayase and Srinivasa, "Git Re-Basin: Merging Models modulo Permutation
    Symmetries", 2023: one model after the other, in random order, is aligned with the mean of all
    others, until their mean no longer changes.

    Args:
        models: two or more, with the same tensors.
        spec: where the units are, as `permutation_spec` finds it; or the axes of one.
        seed: of the order of the models, and of that in which permutations are tried.

    Returns:
        For each model its tensors in the common order; distances are those from the mean of all.

    Raises:
        InputError: there are fewer than two models, their tensors differ, the spec is none or does
            not fit them, or a value is NaN or infinite.
    """
    models, spec = as_list("models", models), as_spec(spec)
    if len(models) < 2:
        raise InputError(f"models: give at least two, got {len(models)}")
    sources = [StateDict(f"models[{index}]", model) for index, model in enumerate(models)]
    align(sources[0], sources[1:])
    mapper = Threads()
    before = _distances(sources, mapper)
    orders = _common_orders(sources, spec, seed, mapper)
    after = _distances(_moved(sources, spec, orders), mapper)
    return [
        Alignment(order, start, end, permute_state_dict(model, spec, order))
        for model, order, start, end in zip(models, orders, before, after, strict=True)
    ]


def _common_orders(
    sources: Sequence[Source], spec: PermutationSpec, seed: int, mapper: Threads
) -> list[dict[str, Tensor]]:
    """The permutations of every model."""
    units = spec.units({name: entry.shape for name, entry in sources[0].entries.items()})
    orders = [{name: torch.arange(count) for name, count in units.items()} for _ in sources]
    random = seeded(seed, "rebasin", "models")
    moving = True
    while moving:
        moving = False
        for index in random.permutation(len(sources)):
            moved = _moved(sources, spec, orders)
            others = _mean([one for at, one in enumerate(moved) if at != index])
            found = match(others, moved[index], spec, seed=seed, mapper=mapper)
            moving |= any(not torch.equal(found[name], torch.arange(units[name])) for name in found)
            orders[index] = {name: orders[index][name][step] for name, step in found.items()}
    return orders


def _moved(
    sources: Sequence[Source], spec: PermutationSpec, orders: Sequence[Mapping[str, Tensor]]
) -> list[Source]:
    return [PermutedSource(one, spec, order) for one, order in zip(sources, orders, strict=True)]


@torch.no_grad()
def _mean(sources: Sequence[Source]) -> StateDict:
    """The mean of all weights, in float64; other tensors are those of the first model."""
    means = {name: whole(sources[0], name) for name in sources[0].entries}
    for name in weights_of(sources[0]):
        means[name] = sum((whole(one, name).double() for one in sources[1:]), means[name].double())
        means[name] = means[name] / len(sources)
    return StateDict("the mean of the models", means)


def _distances(sources: Sequence[Source], mapper: Threads) -> list[float]:
    """The distance of each model from the mean of all."""
    mean = _mean(sources)
    return [distance(mean, one, mapper) for one in sources]
