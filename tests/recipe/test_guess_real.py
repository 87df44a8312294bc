"""Recipes guessed from real data parse, pass the check, and have the tasks one expects."""

from dataclasses import replace
from pathlib import Path

import pytest

from polytask.recipe import check_recipe, guess_recipe, recipe_from
from polytask.yaml_values import parse_yaml

ROWS = 3000
"""Rows of a split that are checked; enough for every label and a tenth of the time."""

CASES = {
    "molecules/tox21.csv.gz": ({"{column}"}, "smiles"),
    "tabular/parkinsons_updrs.data.gz": ({"motor_UPDRS", "total_UPDRS"}, "features"),
    "tabular/hillstrom.csv.gz": ({"visit", "conversion", "spend"}, "features"),
    "tabular/mulan-multilabel/yeast.arff.gz": ({"{column}"}, "features"),
    "tabular/adult.data.gz": ({"Salary"}, "features"),
    "tabular/school.mat": ({"y-{value}"}, "features"),
    "text/atis": ({"slots", "intent"}, "words"),
    "text/masakhaner/fon": ({"tags"}, "words"),
    "text/sentences/TREC.train.all text/sentences/TREC.test.all": ({"label"}, "text"),
    "text/mrpc": ({"Quality"}, "text"),
    "audio/fsdd.zip": ({"part1", "part2"}, "waveform"),
}


@pytest.mark.parametrize("paths", CASES)
def test_real_files(shared_data: Path, paths: str) -> None:
    text = guess_recipe([shared_data / path for path in paths.split()])
    recipe = recipe_from(parse_yaml(text, where="guess"))
    tasks, modality = CASES[paths]
    assert set(recipe.tasks) == tasks
    assert {data.input["type"] for data in recipe.data.values()} == {modality}
    limits = {name: replace(data, limit=ROWS) for name, data in recipe.data.items()}
    report = check_recipe(replace(recipe, data=limits))
    assert report.ok, [finding.message for finding in report.of("error")]
