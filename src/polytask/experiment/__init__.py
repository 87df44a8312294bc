"""What came out? A recipe with all its seeds and matched single-task models, in one folder."""

from polytask.experiment.experiment import Experiment
from polytask.experiment.run import Run

__all__ = ["Experiment", "Run"]
