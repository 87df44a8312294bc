"""Alignment of models in memory: each gets the order of units of a reference."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from polytask.merging.engine.alignment import align
from polytask.merging.engine.survey import Mapper
from polytask.merging.engine.threads import Threads
from polytask.merging.permutations.distance import distance
from polytask.merging.permutations.matching import match
from polytask.merging.permutations.permute import permute_state_dict
from polytask.merging.permutations.permuted_source import PermutedSource
from polytask.merging.permutations.spec import GivenSpec, PermutationSpec, as_spec
from polytask.merging.sources.base import Source
from polytask.merging.sources.state_dict import StateDict

__all__ = ["Alignment", "Matched", "align_state_dict", "match_sources"]


@dataclass(frozen=True)
class Matched:
    """The order of units in which a model is near to a reference.

    Args:
        permutations: name -> which unit of the model comes to each place, ``[units]``.
        distance_before: Euclidean, of all weights of the model from those of the reference.
        distance_after: the same after the units moved; never more.
    """

    permutations: Mapping[str, Tensor]
    distance_before: float
    distance_after: float


@dataclass(frozen=True)
class Alignment(Matched):
    """A model whose units are in the order of a reference.

    Args:
        state: its tensors; the model computes what it did.
    """

    state: dict[str, Tensor]


def align_state_dict(
    reference: Mapping[str, Tensor],
    model: Mapping[str, Tensor],
    spec: GivenSpec,
    *,
    seed: int = 0,
) -> Alignment:
    """Put the hidden units of a model into the order in which it is nearest to a reference.

    Weight matching of Ainsworth, Hayase and Srinivasa, "Git Re-Basin: Merging Models modulo
    Permutation Symmetries", 2023: the inner product of the weights of both models is maximised over
    one permutation at a time, in random order, until none helps. Models that were trained from
    different starts can be averaged after it.

    Differences from the paper: a second search starts from a guess instead of the order that is
    there, and the nearer end of both is taken, which finds a shuffled copy again where the first
    one gets stuck. Statistics of BatchNorm follow their units, but do not count. A step is only
    taken if the models come nearer, also where a tensor has one permutation twice.

    Args:
        reference: whose order is kept.
        model: with the same tensors.
        spec: where the units are, as `permutation_spec` finds it; or the axes of one.
        seed: of the order in which permutations are tried.

    Returns:
        The model in its new order (gradients pass), with its permutations and distances.

    Raises:
        InputError: the tensors of the models differ, the spec is none or does not fit them, or a
            value is NaN or infinite.
    """
    spec = as_spec(spec)
    sources = StateDict("reference", reference), StateDict("model", model)
    align(sources[0], [sources[1]])
    found = match_sources(*sources, spec, seed=seed, mapper=Threads())
    state = permute_state_dict(model, spec, found.permutations)
    return Alignment(found.permutations, found.distance_before, found.distance_after, state)


def match_sources(
    reference: Source, model: Source, spec: PermutationSpec, *, seed: int, mapper: Mapper
) -> Matched:
    """The permutations that bring a model near to a reference, and how near.

    Args:
        reference: whose order is kept.
        model: with the same tensors.
        spec: where the units of both are.
        seed: of the order in which permutations are tried.
        mapper: works on tensors and on permutations that do not meet.

    Raises:
        InputError: the spec does not fit the models, or a value is NaN or infinite.
    """
    before = distance(reference, model, mapper)
    found = match(reference, model, spec, seed=seed, mapper=mapper)
    moved = PermutedSource(model, spec, found)
    return Matched(found, before, distance(reference, moved, mapper))
