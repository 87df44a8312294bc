"""How to make a run again: commands that a shell understands, with all that they need."""

from __future__ import annotations

import json
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.experiment.made import experiment

from polytask.errors import InputError
from polytask.experiment import Experiment
from polytask.recipe import read_recipe
from polytask.report.reproduce import commands, reproduce_section, runs_code


def described(folder: Path, recipe: dict[str, Any], recipe_folder: str | None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    if recipe_folder is not None:
        (folder / "environment.json").write_text(json.dumps({"recipe_folder": recipe_folder}))
    return folder


@pytest.mark.parametrize("name", ["plain", "two words", 'it\'s $HOME; "rm" -r *', "-dash", "é"])
def test_the_folder_is_quoted(name: str, tmp_path: Path) -> None:
    place = tmp_path / name
    place.mkdir()
    first, second = commands(described(tmp_path / "run", {"name": "x"}, str(place)))
    done = subprocess.run(
        ["bash", "-euc", f"{first}; pwd"], capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{place}\n"
    assert shlex.split(second) == ["polytask", "train", "again.yaml", "--out", "again"]


def test_without_a_known_folder_the_command_is_all(tmp_path: Path) -> None:
    (command,) = commands(described(tmp_path / "run", {"name": "x"}, None))
    assert command == "polytask train again.yaml --out again"


@pytest.mark.parametrize(
    ("recipe", "code"),
    [
        ({"model": {"backbone": {"type": "python:mine:Net", "width": 3}}}, True),
        ({"tasks": {"a": {"output": "python:mine:Count"}}}, True),
        ({"data": {"d": {"source": {"type": "function", "function": "mine:rows"}}}}, True),
        ({"mixture": {"type": "schedule", "phases": [{"mixture": "python:mine:Mix"}]}}, True),
        ({"model": {"backbone": "mlp"}, "tasks": {"a": {"output": "regression"}}}, False),
        ({"description": "python: a language", "name": "python:x"}, False),
        ({"smoke": {"model.backbone": "python:mine:Small"}}, False),
    ],
)
def test_code_needs_trust(recipe: dict[str, Any], code: bool, tmp_path: Path) -> None:
    assert runs_code(recipe) is code
    run = described(tmp_path / "run", recipe, "/data")
    assert commands(run)[-1].endswith(" --trust") is code
    assert ("names code" in reproduce_section(run)) is code


def test_the_command_makes_the_run_again(tmp_path: Path) -> None:
    """A recipe in a folder of its own, that names a class: as the report says, it trains."""
    place = tmp_path / "my recipe"
    place.mkdir()
    own = "python:polytask.models.backbones.tabular:MLPOptions"
    changes = {
        "model.backbone": {"type": own, "hidden": [4], "embedding": 2},
        "baselines": "none",
        "training.steps": 2,
    }
    out = tmp_path / "out"
    experiment(place, out, changes, trust=True).train()
    first, second = commands(out)
    assert shlex.split(first) == ["cd", str(place)]
    assert shlex.split(second)[-1] == "--trust"
    (place / "again.yaml").write_bytes((out / "recipe.yaml").read_bytes())
    recipe, folder = read_recipe(place / "again.yaml")
    Experiment(recipe, tmp_path / "again", folder, trust=True).train()
    files = [folder / "multi/seed-0/metrics.jsonl" for folder in (out, tmp_path / "again")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_an_altered_recipe_is_named(tmp_path: Path) -> None:
    for content in (b"\xff\xfe", b"a: [", b"text"):
        (tmp_path / "recipe.yaml").write_bytes(content)
        with pytest.raises(InputError, match=r"recipe\.yaml: cannot be read"):
            reproduce_section(tmp_path)
    (tmp_path / "recipe.yaml").unlink()
    assert reproduce_section(tmp_path) == ""
