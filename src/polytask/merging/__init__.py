"""How do separately trained models become one?"""

from polytask.merging.api import merge, run_plan
from polytask.merging.contract import Contract
from polytask.merging.kinds import Delta, Weights
from polytask.merging.memory import Direction, merge_state_dicts, prepare_state_dicts
from polytask.merging.method import DeltaMethod, Method, WeightMethod
from polytask.merging.methods import METHODS
from polytask.merging.place import Place
from polytask.merging.plan import Change, Plan
from polytask.merging.population import Population
from polytask.merging.report import Report
from polytask.merging.settings import AlongDepth, ByName
from polytask.merging.task_vector import TaskVector

__all__ = [
    "METHODS",
    "AlongDepth",
    "ByName",
    "Change",
    "Contract",
    "Delta",
    "DeltaMethod",
    "Direction",
    "Method",
    "Place",
    "Plan",
    "Population",
    "Report",
    "TaskVector",
    "WeightMethod",
    "Weights",
    "merge",
    "merge_state_dicts",
    "prepare_state_dicts",
    "run_plan",
]
