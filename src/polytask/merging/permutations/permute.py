"""Applying permutations of units to the tensors of a model."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from polytask.errors import InputError, unknown
from polytask.merging.permutations.spec import Axes, GivenSpec, PermutationSpec, as_spec

__all__ = ["Permutations", "check_permutations", "permute_state_dict", "permuted"]

Permutations = Mapping[str, Tensor]
"""Name -> which unit of the model comes to each place, integers ``[units]``; without one, all units
stay."""


def permute_state_dict(
    state: Mapping[str, Tensor], spec: GivenSpec, permutations: Permutations
) -> dict[str, Tensor]:
    """Put the units of a model into another order.

    Args:
        state: the model.
        spec: where its units are; or the axes of a spec.
        permutations: name -> which unit comes to each place, ``[units]``; others stay.

    Returns:
        Name -> tensor; gradients pass. Names that share a tensor share one in the result.

    Raises:
        InputError: the spec is none, does not fit the model, or moves names that share a tensor
            differently; or a permutation is unknown or none.
    """
    spec = as_spec(spec)
    check_permutations(spec, {name: tuple(t.shape) for name, t in state.items()}, permutations)
    made: dict[tuple[object, ...], tuple[str, Tensor]] = {}
    found = {}
    for name, tensor in state.items():
        memory = (tensor.data_ptr(), tensor.shape, tensor.stride(), tensor.dtype)
        shared = memory if tensor.numel() else (name,)
        if shared not in made:
            made[shared] = (name, permuted(tensor, spec.of(name), permutations))
        first, found[name] = made[shared]
        if _moving(spec.of(first)) != _moving(spec.of(name)):
            raise InputError(f"tensors {first!r} and {name!r} are one, but move differently")
    return found


def check_permutations(
    spec: PermutationSpec, shapes: Mapping[str, tuple[int, ...]], permutations: Permutations
) -> None:
    """Refuse permutations that are none, or not those of a spec.

    Args:
        spec: says which there are.
        shapes: of the tensors of the model.
        permutations: by name.

    Raises:
        InputError: the spec does not fit the model, or a permutation is unknown or none.
    """
    units = spec.units(shapes)
    for name, permutation in permutations.items():
        if name not in units:
            raise unknown("permutation", name, units)
        if not torch.equal(permutation.sort().values.cpu(), torch.arange(units[name])):
            raise InputError(f"permutation {name!r}: does not have each of 0 to {units[name] - 1}")


def permuted(tensor: Tensor, axes: Axes, permutations: Permutations) -> Tensor:
    """A tensor in another order; itself, if nothing of it moves.

    Args:
        tensor: of a model.
        axes: which permutation moves which of its axes.
        permutations: by name; where one is missing, all units stay.
    """
    for dim, axis in enumerate(axes):
        if axis is not None and axis.permutation in permutations:
            index = axis.index(permutations[axis.permutation].cpu())
            tensor = tensor.index_select(dim, index.to(tensor.device))
    return tensor


def _moving(axes: Axes) -> Axes:
    """Axes without those at the end that stay."""
    while axes and axes[-1] is None:
        axes = axes[:-1]
    return axes
