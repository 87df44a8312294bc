"""The values of a method's options: one number, or one that depends on model, depth or name."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from polytask.errors import InputError
from polytask.merging.place import Place

__all__ = [
    "AlongDepth",
    "ByName",
    "BySlice",
    "PerModel",
    "Setting",
    "check_alone",
    "check_count",
    "check_finite",
    "check_not_negative",
    "check_positive",
    "check_shares",
    "check_switches",
    "described_setting",
    "for_models",
    "for_tensor",
    "is_constant",
    "parts_of",
]


@dataclass(frozen=True)
class AlongDepth:
    """A number that changes with the depth of the layer, linearly between the given values.

    Args:
        values: at equal distances from the first layer to the last. Tensors outside the layers
            (embeddings, final norm, head) have the first one.
    """

    values: tuple[float, ...]


@dataclass(frozen=True)
class ByName:
    """A number that depends on the name of the tensor: the first rule that fits counts.

    Args:
        rules: pairs of a part of a name (None fits every name) and what holds there.
    """

    rules: tuple[tuple[str | None, float | AlongDepth], ...]

    def __post_init__(self) -> None:
        given: object = self.rules
        if not isinstance(given, list | tuple) or not all(map(_is_rule, given)):
            raise InputError(
                "ByName: expected pairs of a part of a name, or None, and a number; got "
                f"{self.rules!r}"
            )


@dataclass(frozen=True)
class BySlice:
    """A number that depends on the slice of layers, in a plan that has slices.

    Args:
        values: one for each slice. Tensors before the layers have the first one, tensors after them
            the last one. `AlongDepth` goes from the first layer of the slice to its last one.
    """

    values: tuple[float | AlongDepth | ByName, ...]


Setting = float | AlongDepth | ByName | BySlice
"""A number for each tensor."""

KINDS = (list | tuple, BySlice, ByName, AlongDepth)
"""What a setting may be but a number; each may hold those after it."""

PerModel = Setting | Sequence[Setting]
"""A number for each tensor and model; a sequence has one setting per model."""


def for_tensor(setting: Setting, at: Place) -> float:
    """The number that holds for a tensor.

    Raises:
        InputError: no rule fits its name.
    """
    if isinstance(setting, AlongDepth):
        return _interpolate(setting.values, at.depth)
    if isinstance(setting, BySlice):
        return for_tensor(setting.values[at.segment], at)
    if isinstance(setting, ByName):
        for part, value in setting.rules:
            if part is None or part in at.tensor:
                return for_tensor(value, at)
        raise InputError(f"no rule gives a value for tensor {at.tensor!r}; add one that fits all")
    return setting


def for_models(setting: PerModel, at: Place) -> list[float]:
    """The numbers that hold for a tensor, one per model, in the order in which models are given."""
    if isinstance(setting, Sequence):
        return [for_tensor(setting[index], at) for index in at.order]
    return [for_tensor(setting, at)] * len(at.order)


def is_constant(setting: PerModel) -> bool:
    """Whether the same number holds for every tensor."""
    if isinstance(setting, Sequence):
        return all(map(is_constant, setting))
    return not isinstance(setting, AlongDepth | ByName | BySlice)


def described_setting(value: Any) -> Any:
    """An option as JSON can hold it; what depends on depth, name or slice says so."""
    if isinstance(value, AlongDepth):
        return {"along_depth": list(value.values)}
    if isinstance(value, BySlice):
        return {"by_slice": [described_setting(part) for part in value.values]}
    if isinstance(value, ByName):
        return {"by_name": [[part, described_setting(of)] for part, of in value.rules]}
    if isinstance(value, list | tuple):
        return [described_setting(part) for part in value]
    return value


def check_finite(name: str, setting: PerModel) -> None:
    """Refuse what is no number, or not finite.

    Raises:
        InputError: with the name of the option.
    """
    for number in _numbers(name, setting):
        if not math.isfinite(number):
            raise InputError(f"{name}: must be finite, got {number}")


def check_not_negative(name: str, setting: PerModel) -> None:
    """Refuse what is no finite number of at least 0.

    Raises:
        InputError: with the name of the option.
    """
    check_finite(name, setting)
    for number in _numbers(name, setting):
        if number < 0:
            raise InputError(f"{name}: must not be negative, got {number}")


def check_positive(name: str, setting: PerModel) -> None:
    """Refuse what is no finite number above 0.

    Raises:
        InputError: with the name of the option.
    """
    check_finite(name, setting)
    for number in _numbers(name, setting):
        if number <= 0:
            raise InputError(f"{name}: must be above 0, got {number}")


def check_shares(name: str, setting: PerModel, *, zero: bool = False) -> None:
    """Refuse what is no share: a number above 0 (or, with ``zero``, from 0) and at most 1.

    Raises:
        InputError: with the name of the option.
    """
    for number in _numbers(name, setting):
        if not (0 < number <= 1 or (zero and number == 0)):
            raise InputError(f"{name}: must be in {'[' if zero else '('}0, 1], got {number}")


def check_count(name: str, value: object, *, least: int = 0) -> None:
    """Refuse what is no integer, or too small.

    Raises:
        InputError: with the name of the option.
    """
    if type(value) is not int or value < least:
        raise InputError(f"{name}: must be an integer of at least {least}, got {value!r}")


def check_switches(**switches: object) -> None:
    """Refuse what is neither true nor false.

    Raises:
        InputError: with the name of the option.
    """
    for name, value in switches.items():
        if not isinstance(value, bool):
            raise InputError(f"{name}: must be true or false, got {value!r}")


def check_alone(name: str, setting: object) -> None:
    """Refuse one number per model where one for all of them is meant.

    Raises:
        InputError: with the name of the option.
    """
    if isinstance(setting, list | tuple):
        raise InputError(f"{name}: is one number for all models, got {setting!r}")


def _numbers(name: str, setting: object, within: int = 0) -> Iterator[float]:
    """Every number that a setting may give; ``within`` counts the kinds that may not be in it."""
    if isinstance(setting, int | float) and not isinstance(setting, bool):
        if abs(setting) > sys.float_info.max and not isinstance(setting, float):
            raise InputError(
                f"{name}: must be finite, got an integer of {len(str(setting))} digits"
            )
        yield float(setting)
        return
    level = next((i for i, k in enumerate(KINDS) if i >= within and isinstance(setting, k)), None)
    parts = None if level is None else parts_of(setting)
    if level is None or parts is None:
        raise InputError(f"{name}: expected a number, got {setting!r}")
    if not parts:
        raise InputError(f"{name}: holds no number")
    for part in parts:
        yield from _numbers(name, part, level + 1)


def _is_rule(rule: object) -> bool:
    """Whether a value is a pair of a part of a name, or None, and something else."""
    if not isinstance(rule, list | tuple) or len(rule) != 2:
        return False
    return rule[0] is None or isinstance(rule[0], str)


def parts_of(setting: object) -> Sequence[object] | None:
    """What a setting is made of; None if it is made of something else."""
    parts: object = setting
    if isinstance(setting, AlongDepth | BySlice):
        parts = setting.values
    elif isinstance(setting, ByName):
        parts = setting.rules
    if not isinstance(parts, list | tuple):
        return None
    return [value for _, value in parts] if isinstance(setting, ByName) else parts


def _interpolate(values: Sequence[float], depth: float) -> float:
    position = depth * (len(values) - 1)
    below = min(int(position), len(values) - 1)
    above = min(below + 1, len(values) - 1)
    share = position - below
    return (1 - share) * values[below] + share * values[above]
