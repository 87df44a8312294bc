"""Runs of small recipes, and what `polytask predict` answers."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from tests.cli.conftest import Command
from tests.models.encoders import save_encoder

from polytask import train

BACKBONES: dict[str, Any] = {
    "linear": "linear",
    "audio": {"type": "audio", "widths": [4], "mels": 8, "seconds": 0.1},
    "resnet": {"type": "resnet", "widths": [4]},
}


def twice(file: str) -> dict[str, str]:
    """The same file for training and for the test that a run must have."""
    return {"train": file, "test": file}


def trained(
    folder: Path,
    data: Mapping[str, Any],
    tasks: Mapping[str, Any],
    backbone: str = "linear",
    *,
    trust: bool = False,
) -> Path:
    """The run of a recipe, beside its data."""
    model = BACKBONES.get(backbone, {"type": "transformer", "path": str(folder / "encoder")})
    if backbone == "encoder":
        save_encoder("bert", folder / "encoder")
    recipe = {
        "name": "made",
        "data": data,
        "tasks": tasks,
        "model": {"backbone": model},
        "training": {"epochs": 1},
        "baselines": "none",
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    train(folder / "recipe.yaml", out=folder / "run", trust=trust)
    return folder / "run"


def answers(out: str) -> list[Any]:
    return [json.loads(line) for line in out.splitlines()]


def refused(polytask: Command, run: Path, file: str, options: Sequence[str], expected: str) -> None:
    """Exit code 2 and the message; nothing is printed, written or lost."""
    before = sorted(run.parent.rglob("*"))
    answer = polytask("predict", str(run), file, *options)
    assert (answer.code, answer.out) == (2, ""), answer
    assert re.search(expected, answer.err), answer.err
    assert "Traceback" not in answer.err
    assert sorted(run.parent.rglob("*")) == before
