"""What an extracted adapter takes over of a change, checked before any file is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Literal

from polytask.errors import InputError, unknown
from polytask.merging.given import as_list
from polytask.merging.settings import check_count, check_switches

__all__ = ["Bias", "Extraction"]

Bias = Literal["none", "all"]


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """What an adapter takes over of a change.

    Args:
        rank: of the factors of every weight, at most.
        energy: share of the squared norm of each change that its factors keep; the rank follows.
        targets: ends of names of modules (``query``, ``mlp.down_proj``); None for all linear
            layers.
        modules_to_save: ends of names of modules that are kept whole.
        bias: ``all`` keeps biases that change whole, ``none`` leaves them out.
        fan_in_fan_out: weights are stored as input x output (GPT-2).

    Raises:
        InputError: not exactly one of rank and energy, a value that is none, a list of no targets,
            or a target that is to be kept whole too.
    """

    rank: int | None = None
    energy: float | None = None
    targets: Sequence[str] | None = None
    modules_to_save: Sequence[str] = ()
    bias: Bias = "all"
    fan_in_fan_out: bool = False

    def __post_init__(self) -> None:
        if (self.rank is None) == (self.energy is None):
            raise InputError("give either rank or energy")
        if self.rank is not None:
            check_count("rank", self.rank, least=1)
        if self.energy is not None:
            object.__setattr__(self, "energy", _share("energy", self.energy))
        if self.bias not in ("none", "all"):
            raise unknown("bias", self.bias, ("none", "all"))
        check_switches(fan_in_fan_out=self.fan_in_fan_out)
        whole = as_list("modules_to_save", self.modules_to_save)
        object.__setattr__(self, "modules_to_save", whole)
        if self.targets is not None:
            object.__setattr__(self, "targets", _targets(self.targets, whole))


def _share(name: str, value: object) -> float:
    """A share of a whole, also if it is a number of NumPy."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) <= 1:
        raise InputError(f"{name}: must be in (0, 1], got {value!r}")
    return float(value)


def _targets(given: Sequence[str], whole: Sequence[str]) -> Sequence[str]:
    """What gets factors, and is not kept whole."""
    targets = as_list("targets", given)
    if not targets:
        raise InputError("targets: there are none; leave it out for all linear layers")
    if both := [target for target in targets if target in whole]:
        raise InputError(f"targets: {both[0]!r} is in modules_to_save too: name it in one of them")
    return targets
