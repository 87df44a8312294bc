"""The functions at the top of the package."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.experiment.made import recipe_values

import polytask
from polytask.errors import InputError
from polytask.recipe import recipe_from

SHORT = {"training.steps": 4, "training.evaluate_every": 2, "baselines": "none"}


def trained(folder: Path, name: str, changes: Mapping[str, Any], *, without: str = "") -> Path:
    """A run of the small recipe, without one of its tasks if one is named."""
    values = recipe_values(folder, {**SHORT, **changes})
    values["tasks"].pop(without, None)
    for data in values["data"].values():
        data["files"] = str(folder / data["files"])
    polytask.train(recipe_from(values), out=folder / name)
    return folder / name


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """All tasks; other options; without a task that another one depends on; another task alone."""
    folder = tmp_path_factory.mktemp("runs")
    depends = {"tasks.value.depends_on": {"label": "logits"}}
    others = {
        "age": {"output": "regression", "data": "first", "target": "value"},
        "word": {"output": "classification", "data": "second", "target": "label"},
    }
    return {
        "first": trained(folder, "first", depends),
        "slower": trained(folder, "slower", {"training.learning_rate": 1e-5}),
        "fewer": trained(folder, "fewer", {}, without="label"),
        "other": trained(folder, "other", {"tasks": others}),
    }


def test_runs_are_compared_with_the_first(runs: dict[str, Path]) -> None:
    found = polytask.compare([runs["first"], str(runs["slower"])])
    assert (found.first, list(found.others)) == ("first", ["slower"])
    assert [task.name for task in found.others["slower"].tasks] == ["label", "value", "other"]


def test_tasks_that_not_all_runs_have_are_left_out(runs: dict[str, Path]) -> None:
    """Also one that another task depends on."""
    found = polytask.compare([runs["first"], runs["slower"], runs["fewer"]])
    for comparison in found.others.values():
        assert [task.name for task in comparison.tasks] == ["value", "other"]
        assert all(task.change is not None for task in comparison.tasks)


def test_runs_that_cannot_be_compared(runs: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no task is in all of .*first, .*other"):
        polytask.compare([runs["first"], runs["other"]])
    with pytest.raises(InputError, match="at least two"):
        polytask.compare([runs["first"]])
    with pytest.raises(InputError, match="holds no trained model"):
        polytask.compare([runs["first"], tmp_path])


def test_every_name_is_there_and_costs_nothing_until_it_is_used() -> None:
    program = (
        "import sys, polytask; before = 'torch' in sys.modules; "
        "print(before, [bool(getattr(polytask, name)) for name in polytask.__all__])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.split(maxsplit=1)[0] == "False", done.stderr
    assert "False" not in done.stdout.split(maxsplit=1)[1]
