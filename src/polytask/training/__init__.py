"""How does it run, stop, resume, spread over devices?"""

from polytask.training.drop_task import drop_task
from polytask.training.losses import batch_losses
from polytask.training.model_folder import SavedModel, load_model, save_model
from polytask.training.observer import Observer, Outcome
from polytask.training.options import TrainingOptions
from polytask.training.parameter_groups import parameter_groups
from polytask.training.processes import Processes
from polytask.training.state import RunState
from polytask.training.trainer import Trainer

__all__ = [
    "Observer",
    "Outcome",
    "Processes",
    "RunState",
    "SavedModel",
    "Trainer",
    "TrainingOptions",
    "batch_losses",
    "drop_task",
    "load_model",
    "parameter_groups",
    "save_model",
]
