"""Trackers as observers: TensorBoard and MLflow, in local files, imported only when used."""

from polytask.training.trackers.make import make_trackers
from polytask.training.trackers.mlflow import MLflow
from polytask.training.trackers.tensorboard import TensorBoard

__all__ = ["MLflow", "TensorBoard", "make_trackers"]
