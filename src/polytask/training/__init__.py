"""How does it run, stop, resume, spread over devices?"""

from polytask.training.observer import Observer
from polytask.training.options import TrainingOptions
from polytask.training.processes import Processes
from polytask.training.state import RunState
from polytask.training.trainer import Trainer

__all__ = ["Observer", "Processes", "RunState", "Trainer", "TrainingOptions"]
