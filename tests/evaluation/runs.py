"""Synthetic evidence and run folders: what a finished experiment leaves behind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from polytask.evaluation import Runs, save_evidence
from polytask.tasks import Classification, Regression, Tagging, Task, TaskSet
from polytask.tasks.metrics import Evidence

SEEDS = (0, 1, 2)


def three_tasks() -> TaskSet:
    """Two classifications on one data set and a regression on another."""
    return TaskSet(
        [
            Task(name="left", data="digits", output=Classification(classes=("a", "b", "c"))),
            Task(name="right", data="digits", output=Classification(classes=("a", "b", "c"))),
            Task(name="total", data="sums", output=Regression(mean=0.0, std=1.0)),
        ]
    )


def many_tasks(count: int = 139) -> TaskSet:
    """One regression per school, of one column."""
    output = Regression(mean=0.0, std=1.0, primary="explained_variance")
    names = [f"school_{index}" for index in range(count)]
    return TaskSet(Task(name=n, data="school", target="score", output=output) for n in names)


def classes(
    truth: np.ndarray, right: float, rng: np.random.Generator, *, first: int = 0
) -> Evidence:
    """A classifier that is right in a share of cases; the examples' ids start at ``first``."""
    wrong = rng.random(len(truth)) >= right
    guess = np.where(wrong, (truth + 1) % 3, truth)
    scores = np.full((len(truth), 3), 0.1)
    scores[np.arange(len(truth)), guess] = 0.8
    ids = first + np.arange(len(truth))
    return Evidence(ids, scores, truth, np.ones(len(truth), dtype=bool))


def values(
    truth: np.ndarray, error: float, rng: np.random.Generator, *, first: int = 0
) -> Evidence:
    """A regressor with normal errors."""
    ids = first + np.arange(len(truth))
    scores = truth + rng.normal(0, error, len(truth))
    return Evidence(ids, scores, truth, np.ones(len(truth), dtype=bool))


def three_runs(
    quality: dict[str, float],
    *,
    examples: int = 200,
    seeds: tuple[int, ...] = SEEDS,
    noise: int = 1,
) -> Runs:
    """Evidence for `three_tasks`: shares of right classes for left and right, error for total."""
    truth = np.random.default_rng(0)
    targets: dict[str, Any] = {
        "left": truth.integers(0, 3, examples),
        "right": truth.integers(0, 3, examples),
        "total": truth.normal(0, 2, examples),
    }
    runs = {}
    for seed in seeds:
        rng = np.random.default_rng([noise, seed])
        runs[seed] = {
            name: (values if name == "total" else classes)(targets[name], level, rng)
            for name, level in quality.items()
        }
    return runs


def many_runs(tasks: TaskSet, error: float, *, noise: int, seeds: tuple[int, ...] = SEEDS) -> Runs:
    """Evidence for `many_tasks`: 20 pupils in each school, schools of different level."""
    truth = np.random.default_rng(0)
    targets = {n: 3 * truth.normal() + truth.normal(0, 2, 20) for n in tasks}
    runs = {}
    for seed in seeds:
        rng = np.random.default_rng([noise, seed])
        runs[seed] = {
            name: values(target, error * (1 + index / len(tasks)), rng, first=20 * index)
            for index, (name, target) in enumerate(targets.items())
        }
    return runs


def sentences(lengths: list[int], right: float, rng: np.random.Generator) -> Evidence:
    """Tags of words: one array per sentence."""
    rows = [classes(rng.integers(0, 3, n), right, rng) for n in lengths]
    columns = ([getattr(row, name) for row in rows] for name in ("scores", "targets", "mask"))
    return Evidence(np.arange(len(lengths)), *columns)


def tagging() -> TaskSet:
    """One word-level task."""
    return TaskSet([Task(name="pos", data="words", output=Tagging(classes=("a", "b", "c")))])


def write_run(folder: Path, tasks: TaskSet, multi: Runs, single: Runs | None) -> Path:
    """The evidence, logs and descriptions of a run, without ``metrics.json``."""
    for seed, found in multi.items():
        _write_model(folder / "multi" / f"seed-{seed}", tasks, found)
    for seed, found in (single or {}).items():
        for name, evidence in found.items():
            _write_model(folder / "single" / name / f"seed-{seed}", tasks, {name: evidence})
    recipe = "name: three <b>tasks</b>\ndescription: Digits & sums.\nseeds: [0, 1, 2]\n"
    (folder / "recipe.yaml").write_text(recipe)
    environment = {"python": "3.11.9", "packages": {"torch": "2.13.0", "numpy": "2.4.6"}}
    (folder / "environment.json").write_text(json.dumps(environment))
    rows = {"train": 1000, "validation": 100, "test": 200}
    summary = {"digits": {"source": "npz", **rows}, "sums": {"source": "csv", **rows}}
    (folder / "data.json").write_text(json.dumps(summary))
    return folder


def _write_model(folder: Path, tasks: TaskSet, found: dict[str, Evidence]) -> None:
    save_evidence(found, folder / "test")
    steps, level = (60, 0.7) if len(found) == 1 else (180, 0.8)
    rng = np.random.default_rng(len(found))
    records: list[dict[str, Any]] = []
    for step in range(1, steps + 1):
        loss = {n: float(np.exp(-3 * step / steps) + rng.normal(0, 0.05)) for n in found}
        records.append({"step": step, "kind": "train", "learning_rate": 1e-3, "loss": loss})
        if step % (steps // 6) == 0:
            score = level * (1 - float(np.exp(-4 * step / steps)))
            metrics = {n: {tasks[n].output.primary_metric: score} for n in found}
            records.append({"step": step, "kind": "validation", "score": score, "metrics": metrics})
    lines = "".join(json.dumps(record) + "\n" for record in records)
    (folder / "metrics.jsonl").write_text(lines)
    run = {"seconds": 12.5, "steps": steps, "best_step": steps - 10, "parameters": 12345}
    (folder / "run.json").write_text(json.dumps(run))
