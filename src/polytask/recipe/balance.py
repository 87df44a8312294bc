"""The balancing that a recipe asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast, get_args

from polytask.balance import BALANCERS, Cost, Memory
from polytask.errors import InputError, unknown
from polytask.recipe.schema import Spec
from polytask.training.balance_groups import Groups
from polytask.training.balancing import Balancing

__all__ = ["read_balancing"]


def read_balancing(spec: Spec, *, seed: int, trust: bool = False) -> Balancing | None:
    """The balancing of one run; None for the sum of the losses.

    Args:
        spec: ``balance`` of a recipe.
        seed: of the run, for methods that draw random numbers and are not given a seed.
        trust: the method may be the user's own code.

    Raises:
        InputError: an unknown method, option or cost, or groups or a memory that the method cannot
            take.
    """
    options = {"method": spec} if isinstance(spec, str) else dict(spec)
    method, cost = options.pop("method", None), options.pop("cost", "exact")
    groups, memory = _groups(options.pop("groups", None)), options.pop("memory", "normal")
    if not isinstance(method, str):
        raise InputError(f"balance: expected a method or a mapping with 'method', got {spec!r}")
    if cost not in get_args(Cost):
        raise unknown("cost", cost, get_args(Cost), where="balance.cost")
    balancer = BALANCERS.build(
        _seeded({"type": method, **options}, seed, trust=trust), where="balance", trust=trust
    )
    found = Balancing(balancer, cast("Cost", cost), groups=groups, memory=cast("Memory", memory))
    return None if method == "equal" and not options else found


def _groups(given: object) -> Groups | None:
    if given is None:
        return None
    if given == "layer":
        return "layer"
    if isinstance(given, list | tuple) and given and all(isinstance(x, str) for x in given):
        return list(given)
    wanted = "'layer' or a list of starts of parameter names"
    raise InputError(f"balance.groups: expected {wanted}, got {given!r}")


def _seeded(spec: Mapping[str, object], seed: int, *, trust: bool) -> Mapping[str, object]:
    cls = BALANCERS.get(str(spec["type"]), where="balance", trust=trust)
    takes = "seed" in getattr(cls, "__dataclass_fields__", {})
    return {"seed": seed, **spec} if takes else spec
