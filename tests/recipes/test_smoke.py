"""Every recipe that ships runs from its files to its report, in seconds."""

from __future__ import annotations

from pathlib import Path

import pytest

from polytask import load, train
from polytask.evaluation import read_comparison
from polytask.recipe import read_recipe

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
NAMES = sorted(file.parent.name for file in RECIPES.glob("*/recipe.yaml"))


@pytest.mark.parametrize("name", NAMES)
def test_smoke(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    if name != "multidigits":
        monkeypatch.setenv("POLYTASK_DATA", str(request.getfixturevalue("shared_data")))
    file = RECIPES / name / "recipe.yaml"
    comparison = train(file, out=tmp_path / "run", smoke=True)
    recipe, _ = read_recipe(file, smoke=True)
    assert recipe.name == name
    assert comparison == read_comparison(tmp_path / "run/metrics.json")
    assert comparison.has_baseline == (recipe.baselines == "single_task")
    assert [task.name for task in comparison.tasks] == list(load(tmp_path / "run").tasks)
    assert (tmp_path / "run/report.html").stat().st_size > 10_000
