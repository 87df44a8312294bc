"""Sharing modules: how tasks share what the backbone gives. One file each."""

from polytask.models.sharing.base import Sharing, SharingOptions
from polytask.models.sharing.hard import HardSharing
from polytask.models.sharing.residual import ResidualSharing
from polytask.registry import Registry

__all__ = ["SHARING", "HardSharing", "ResidualSharing", "Sharing", "SharingOptions"]

SHARING: Registry[SharingOptions] = Registry(
    "sharing",
    {
        "hard": "polytask.models.sharing.hard:Hard",
        "residual": "polytask.models.sharing.residual:Residual",
    },
)
