"""Small recipes for the tests of this folder."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from polytask.experiment import Experiment
from polytask.recipe import override, recipe_from

WORDS = ("red", "green", "blue")


def write_rows(file: Path, rows: int, seed: int) -> None:
    """Two numbers and a colour a row; a class and a value that follow from them, some missing."""
    rng = np.random.default_rng(seed)
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["x", "y", "colour", "label", "value"])
        for _ in range(rows):
            x, y = rng.normal(size=2)
            colour = WORDS[rng.integers(3)]
            label = "" if rng.random() < 0.2 else ("up" if x + y > 0 else "down")
            value = "" if rng.random() < 0.2 else round(x - y + WORDS.index(colour), 4)
            writer.writerow([round(x, 4), round(y, 4), colour, label, value])


def recipe_values(folder: Path, changes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A recipe on two data sets in a folder, done in a fraction of a second."""
    data = {}
    for number, name in enumerate(("first", "second")):
        write_rows(folder / f"{name}.csv", 40 - 15 * number, number)
        data[name] = {
            "source": "csv",
            "files": f"{name}.csv",
            "split": {"fractions": {"train": 0.6, "validation": 0.2, "test": 0.2}},
            "input": {"type": "features", "numeric": ["x", "y"], "categorical": ["colour"]},
        }
    values = {
        "name": "small",
        "data": data,
        "tasks": {
            "label": {"output": "classification", "data": "first"},
            "value": {"output": "regression", "data": "first"},
            "other": {"output": "classification", "data": "second", "target": "label"},
        },
        "model": {"backbone": {"type": "mlp", "hidden": [6], "embedding": 2, "dropout": 0.2}},
        "batch": {"examples": 6},
        "mixture": {"type": "uniform"},
        "training": {"steps": 20, "evaluate_every": 5, "device": "cpu", "schedule": "cosine"},
    }
    return override(values, changes or {})


def experiment(
    folder: Path, out: Path, changes: Mapping[str, Any] | None = None, *, trust: bool = False
) -> Experiment:
    """An experiment of `recipe_values`."""
    return Experiment(recipe_from(recipe_values(folder, changes)), out, folder, trust)


def contents(out: Path) -> dict[str, bytes]:
    """Every file of an experiment that must be the same each time: weights, logs, evidence."""
    kept = ("model.safetensors", "metrics.jsonl", "test.json", "model.json", "data.json")
    return {
        file.relative_to(out).as_posix(): file.read_bytes()
        for file in sorted(out.rglob("*"))
        if file.name in kept
    }
