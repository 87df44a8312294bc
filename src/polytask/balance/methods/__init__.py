"""The methods, one file each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polytask.balance.balancer import Balancer
from polytask.balance.methods.dwa import DWA
from polytask.balance.methods.equal import Equal
from polytask.balance.methods.pcgrad import PCGrad
from polytask.balance.methods.uncertainty import UncertaintyWeighting
from polytask.registry import Registry

__all__ = ["BALANCERS", "DWA", "Equal", "PCGrad", "UncertaintyWeighting", "get"]

BALANCERS: Registry[Balancer] = Registry(
    "balancing method",
    {
        "equal": "polytask.balance.methods.equal:Equal",
        "uncertainty": "polytask.balance.methods.uncertainty:UncertaintyWeighting",
        "dwa": "polytask.balance.methods.dwa:DWA",
        "pcgrad": "polytask.balance.methods.pcgrad:PCGrad",
    },
)


def get(name: str, **options: Any) -> Balancer:
    """The balancer of that name, with options.

    Raises:
        InputError: an unknown name or option, or a value that the method refuses.

    Example:
        >>> get("equal")
        Equal(task_gradients=None)
    """
    spec: Mapping[str, Any] = {"type": name, **options}
    return BALANCERS.build(spec, where="balance")
