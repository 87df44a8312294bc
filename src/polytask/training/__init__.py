"""How does it run, stop, resume, spread over devices?"""

from polytask.training.options import TrainingOptions
from polytask.training.processes import Processes
from polytask.training.trainer import Observer, Trainer

__all__ = ["Observer", "Processes", "Trainer", "TrainingOptions"]
