"""Balancing: how many losses become one update. Imports PyTorch only."""

from polytask.balance.backward import Cost, backward
from polytask.balance.balancer import (
    Balancer,
    GradientAggregator,
    GramianWeighting,
    Losses,
    LossWeighting,
)
from polytask.balance.context import TaskContext
from polytask.balance.methods import BALANCERS, DWA, Equal, PCGrad, UncertaintyWeighting, get
from polytask.balance.result import Balanced
from polytask.balance.task_state import TaskState

__all__ = [
    "BALANCERS",
    "DWA",
    "Balanced",
    "Balancer",
    "Cost",
    "Equal",
    "GradientAggregator",
    "GramianWeighting",
    "LossWeighting",
    "Losses",
    "PCGrad",
    "TaskContext",
    "TaskState",
    "UncertaintyWeighting",
    "backward",
    "get",
]
