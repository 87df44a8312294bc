"""What a finished run leaves: test results, the model, a summary."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polytask.data import EncodedSplit, evaluation_batches
from polytask.errors import RunError
from polytask.evaluation import collect, evaluate_evidence, save_evidence
from polytask.files import write_json
from polytask.models import MultiTaskModel
from polytask.recipe import Prepared
from polytask.tasks.metrics import Evidence
from polytask.training import Trainer
from polytask.training.model_folder import SavedModel, save_model

__all__ = ["write_model", "write_summary", "write_test"]


def write_test(trainer: Trainer, splits: Mapping[str, EncodedSplit], folder: Path) -> None:
    """Evaluate on the test split: ``test.json``, and per task the evidence in ``test/``.

    Raises:
        RunError: a file cannot be written.
    """
    tasks = trainer.model.tasks
    results: dict[str, Any] = {}
    for split in splits.values():
        batches = evaluation_batches(split)
        found = collect(trainer.model, tasks, batches, device=trainer.device)
        for name, evidence in found.items():
            _write_evidence(evidence, folder / "test" / f"{name}.npz")
        results.update(evaluate_evidence(tasks, found))
    write_json(folder / "test.json", {name: results[name] for name in tasks if name in results})


def write_model(model: MultiTaskModel, prepared: Prepared, folder: Path) -> None:
    """Write the model folder.

    Raises:
        RunError: it cannot be written.
    """
    spec = prepared.recipe.model
    used = {task.data for task in model.tasks.values()}
    inputs = {name: data.input for name, data in prepared.data.items() if name in used}
    save_model(SavedModel(model, inputs, spec.backbone, spec.sharing), folder)


def write_summary(trainer: Trainer, notes: Mapping[str, Any], file: Path) -> None:
    """Write what tells that the run is done.

    Raises:
        RunError: it cannot be written.
    """
    state, model = trainer.state, trainer.model
    summary = {
        "tasks": list(model.tasks),
        "steps": state.step,
        "best_step": state.best_step,
        "best_score": state.best_score,
        "seconds": round(state.seconds, 2),
        "cpu_seconds": round(state.cpu_seconds, 2),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    write_json(file, {**notes, **summary})


def _write_evidence(evidence: Evidence, file: Path) -> None:
    try:
        save_evidence(evidence, file)
    except OSError as error:
        raise RunError(f"cannot write {file}: {error.strerror or error}") from error
