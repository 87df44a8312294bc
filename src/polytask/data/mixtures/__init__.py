"""Mixtures: the rules by which data sets are drawn."""

from polytask.data.mixtures.base import Mixture, Probabilities
from polytask.data.mixtures.by_size import Power, Proportional, Temperature, Uniform
from polytask.data.mixtures.fixed import Fixed, RoundRobin
from polytask.data.mixtures.schedule import Phase, Schedule
from polytask.registry import Registry

__all__ = [
    "MIXTURES",
    "Fixed",
    "Mixture",
    "Phase",
    "Power",
    "Probabilities",
    "Proportional",
    "RoundRobin",
    "Schedule",
    "Temperature",
    "Uniform",
]

MIXTURES: Registry[Mixture] = Registry(
    "mixture",
    {
        "uniform": "polytask.data.mixtures.by_size:Uniform",
        "proportional": "polytask.data.mixtures.by_size:Proportional",
        "temperature": "polytask.data.mixtures.by_size:Temperature",
        "power": "polytask.data.mixtures.by_size:Power",
        "fixed": "polytask.data.mixtures.fixed:Fixed",
        "round_robin": "polytask.data.mixtures.fixed:RoundRobin",
        "schedule": "polytask.data.mixtures.schedule:Schedule",
    },
)
