"""Which axis of which tensor belongs to which permutation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from polytask.errors import InputError, unknown
from polytask.merging.given import as_list
from polytask.merging.permutations.axis import Axis

__all__ = ["Axes", "GivenSpec", "PermutationSpec", "as_spec"]

Axes = tuple[Axis | None, ...]
"""For each axis of a tensor what moves it; None, or nothing at the end, if nothing does."""

Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True, init=False)
class PermutationSpec:
    """The permutations of hidden units that leave what a model computes as it is.

    Args:
        axes: tensor -> for each of its axes the name of a permutation, an `Axis`, or None; axes
            that are not named at the end stay, and so do tensors that are not named.
        unknown: what could not be followed, and therefore keeps its order.

    Raises:
        InputError: there is no mapping from tensors to lists, or a value is neither a name, nor an
            axis, nor None.

    Example:
        >>> spec = PermutationSpec({"up.weight": ("hidden",), "down.weight": (None, "hidden")})
        >>> spec.units({"up.weight": (5, 3), "down.weight": (2, 5)})
        {'hidden': 5}
    """

    axes: Mapping[str, Axes]
    unknown: tuple[str, ...]

    def __init__(
        self,
        axes: Mapping[str, Sequence[str | Axis | None]],
        *,
        unknown: Sequence[str] = (),
    ) -> None:
        if not isinstance(axes, Mapping):
            raise InputError(f"axes: expected tensor -> its axes, got {type(axes).__name__}")
        made = {name: _axes(name, given) for name, given in axes.items()}
        object.__setattr__(self, "axes", made)
        object.__setattr__(self, "unknown", tuple(unknown))

    def of(self, name: str) -> Axes:
        """The axes of a tensor; none for one that stays."""
        return self.axes.get(name, ())

    def units(self, shapes: Shapes) -> dict[str, int]:
        """Permutation -> how many units it has in a model.

        Args:
            shapes: of the tensors of the model.

        Raises:
            InputError: a tensor does not exist (with the nearest one) or has fewer axes, an axis
                does not have whole units, or two axes have different numbers of them.
        """
        found: dict[str, tuple[int, str]] = {}
        for name, dim, axis in self._moved():
            where = f"tensor {name!r}, axis {dim}"
            units = _units(name, dim, axis, shapes)
            before, at = found.setdefault(axis.permutation, (units, where))
            if before != units:
                raise InputError(
                    f"permutation {axis.permutation!r}: {before} units along {at}, "
                    f"{units} along {where}"
                )
        return {permutation: units for permutation, (units, _) in found.items()}

    def _moved(self) -> Iterator[tuple[str, int, Axis]]:
        """Every axis that is permuted, with its tensor and place."""
        for name, axes in self.axes.items():
            for dim, axis in enumerate(axes):
                if axis is not None:
                    yield name, dim, axis


GivenSpec = PermutationSpec | Mapping[str, Sequence[str | Axis | None]]
"""A spec, or the axes that it is made of."""


def as_spec(given: GivenSpec) -> PermutationSpec:
    """A spec, made if only its axes are given.

    Raises:
        InputError: it is neither.
    """
    if isinstance(given, PermutationSpec):
        return given
    if not isinstance(given, Mapping):
        kind = type(given).__name__
        raise InputError(f"spec: expected a PermutationSpec, or tensor -> its axes, got {kind}")
    return PermutationSpec(given)


def _axes(name: str, given: Sequence[str | Axis | None]) -> Axes:
    return tuple(_axis(name, one) for one in as_list(f"tensor {name!r}", given))


def _axis(name: str, given: object) -> Axis | None:
    if given is None or isinstance(given, Axis):
        return given
    if not isinstance(given, str):
        raise InputError(f"tensor {name!r}: {given!r} is no permutation: give a name, Axis or None")
    return Axis(given)


def _units(name: str, dim: int, axis: Axis, shapes: Shapes) -> int:
    """How many units there are along an axis."""
    if name not in shapes:
        raise unknown("tensor", name, shapes, where=f"permutation {axis.permutation!r}")
    shape = shapes[name]
    if dim >= len(shape):
        raise InputError(f"tensor {name!r}: has {len(shape)} axes, none with number {dim}")
    units = axis.units(shape[dim])
    if units is None:
        parts = f"{axis.repeat} x units x {axis.block}"
        raise InputError(f"tensor {name!r}, axis {dim}: {shape[dim]} entries are not {parts}")
    return units
