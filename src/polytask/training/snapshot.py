"""The state of a run as a checkpoint, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from polytask.construct import plain
from polytask.data import Loader
from polytask.errors import InputError, RunError
from polytask.training.checkpoint import Checkpoint
from polytask.training.optimizer import load_optimizer, optimizer_state
from polytask.training.state import Best, RunState
from polytask.training.update import Update
from polytask.training.weights import check_weights, first_not_finite, load_weights

__all__ = ["Snapshot"]

FREE = ("checkpoint_every", "device", "keep", "log_every", "track", "workers")
"""Options that may change between two parts of a run: they do not change what it computes."""


class Snapshot:
    """Gathers all that a run needs to go on: model, best weights, optimiser, scaler, loader.

    Args:
        update: holds model and optimiser.
        loader: of the steps.
        best: weights.
    """

    def __init__(self, update: Update, loader: Loader, best: Best) -> None:
        self.update, self.loader, self.best = update, loader, best

    def take(self, state: RunState) -> Checkpoint:
        """The checkpoint of this moment.

        Raises:
            RunError: a parameter is NaN or infinite, so that nobody could go on from here.
        """
        model = self.update.model
        weights = model.state_dict()
        wrong = first_not_finite(weights)
        if wrong is not None:
            raise RunError(f"{wrong} is NaN or infinite after step {state.step}; not saved")
        tensors = {
            "model": weights,
            "optimizer": optimizer_state(self.update.optimizer, model),
            "best": self.best.weights,
        }
        if self.update.balancing is not None:
            tensors["balancer"] = self.update.balancing.balancer.state_dict()
        values = {
            "run": asdict(state),
            "loader": self.loader.state_dict(),
            "scaler": self.update.scaler.state_dict(),
            "identity": self.identity(),
        }
        return Checkpoint(state.step, tensors, values)

    def restore(self, checkpoint: Checkpoint, *, where: str) -> RunState:
        """Go back to the moment of a checkpoint; tells where the run stood.

        Raises:
            InputError: it is the checkpoint of another run.
        """
        update, tensors, state = self.update, checkpoint.tensors, checkpoint.state
        _check_identity(self.identity(), state["identity"], where=where)
        if tensors["best"]:
            check_weights(update.model, tensors["best"], where=where)
        load_weights(update.model, tensors["model"], where=where)
        load_optimizer(update.optimizer, update.model, tensors["optimizer"], where=where)
        if update.balancing is not None:
            update.balancing.balancer.load_state_dict(tensors["balancer"])
        self.loader.load_state_dict(state["loader"])
        update.scaler.load_state_dict(state["scaler"])
        self.best.weights = dict(tensors["best"])
        return RunState(**state["run"])

    def identity(self) -> dict[str, Any]:
        """What tells this run from others: seed, data, tasks, options."""
        options = plain(self.update.options)
        identity = {
            "seed": self.update.seed,
            "tasks": list(self.update.model.tasks),
            "balance": str(self.update.balancing),
            "data": {name: split.digest for name, split in self.loader.stream.splits.items()},
            **{name: value for name, value in options.items() if name not in FREE},
        }
        found: dict[str, Any] = json.loads(json.dumps(identity))
        return found


def _check_identity(own: Mapping[str, Any], found: Mapping[str, Any], *, where: str) -> None:
    for name in own:
        if found.get(name) != own[name]:
            raise InputError(
                f"{where}: the checkpoint is of another run: {name} was {found.get(name)!r}, "
                f"is {own[name]!r}"
            )
