"""How does it run, stop, resume, spread over devices?"""

from polytask.training.losses import batch_losses
from polytask.training.observer import Observer
from polytask.training.options import TrainingOptions
from polytask.training.parameter_groups import parameter_groups
from polytask.training.processes import Processes
from polytask.training.state import RunState
from polytask.training.trainer import Trainer

__all__ = [
    "Observer",
    "Processes",
    "RunState",
    "Trainer",
    "TrainingOptions",
    "batch_losses",
    "parameter_groups",
]
