"""What a finished run leaves: test results, the model, a summary."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polytask.data import EncodedSplit, evaluation_batches
from polytask.errors import InputError
from polytask.evaluation import collect, evaluate_evidence, save_evidence
from polytask.files import write_json
from polytask.models import MultiTaskModel
from polytask.recipe import Prepared
from polytask.tasks.metrics import Evidence
from polytask.training import Trainer
from polytask.training.model_folder import SavedModel, save_model

__all__ = ["data_digests", "read_summary", "write_model", "write_summary", "write_test"]


def write_test(trainer: Trainer, splits: Mapping[str, EncodedSplit], folder: Path) -> None:
    """Evaluate on the test split: ``test.json``, and the evidence in ``test/``.

    Raises:
        RunError: a file cannot be written.
    """
    tasks = trainer.model.tasks
    found: dict[str, Evidence] = {}
    for split in splits.values():
        batches = evaluation_batches(split)
        found.update(collect(trainer.model, tasks, batches, device=trainer.device))
    save_evidence(found, folder / "test")
    results = _defined(evaluate_evidence(tasks, found))
    write_json(folder / "test.json", {name: results[name] for name in tasks if name in results})


def write_model(model: MultiTaskModel, prepared: Prepared, folder: Path) -> None:
    """Write the model folder.

    Raises:
        RunError: it cannot be written.
    """
    spec = prepared.recipe.model
    used = {task.data for task in model.tasks.values()}
    inputs = {name: data.input for name, data in prepared.data.items() if name in used}
    sources = {name: prepared.saved_source(name) for name in inputs}
    save_model(SavedModel(model, inputs, spec.backbone, spec.sharing, sources), folder)


def write_summary(trainer: Trainer, notes: Mapping[str, Any], file: Path) -> None:
    """Write what tells that the run is done, with its validation metrics and the data it saw.

    Raises:
        RunError: it cannot be written.
    """
    state, model = trainer.state, trainer.model
    summary = {
        "tasks": list(model.tasks),
        "steps": state.step,
        "best_step": state.best_step,
        "best_score": state.best_score,
        "validation": _defined(trainer.evaluate(trainer.validation)),
        "data": data_digests(trainer),
        "seconds": round(state.seconds, 2),
        "cpu_seconds": round(state.cpu_seconds, 2),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    write_json(file, {**notes, **summary})


def read_summary(file: Path) -> dict[str, Any]:
    """What `write_summary` wrote.

    Raises:
        InputError: it is absent or altered.
    """
    try:
        return dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error


def data_digests(trainer: Trainer) -> dict[str, str]:
    """Data set -> a checksum of the training rows, which tells whether they are still the same."""
    return {name: split.digest for name, split in trainer.loader.stream.splits.items()}


def _defined(metrics: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float | None]]:
    """Metrics in which one that is not defined, which JSON cannot say, is None."""
    return {
        task: {name: value if math.isfinite(value) else None for name, value in found.items()}
        for task, found in metrics.items()
    }
