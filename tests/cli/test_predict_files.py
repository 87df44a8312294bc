"""`polytask predict` reads what the sources of the recipe read, with targets and without."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from tests.cli.conftest import Command
from tests.cli.file_cases import CASES
from tests.cli.trained import answers, refused, trained, twice

from polytask import load


@pytest.mark.parametrize("name", CASES)
def test_files_with_and_without_targets(name: str, made: Path, polytask: Command) -> None:
    case = CASES[name]
    case.write(made / case.name, True)
    data = {
        "d": {"source": dict(case.source), "files": twice(case.name), "input": dict(case.input)}
    }
    run = trained(made, data, {case.target: {"output": case.output}}, case.backbone)
    expected = load(run).predict(case.examples, scores=True)
    bare = made / "new" / case.name
    bare.parent.mkdir()
    case.write(bare, False)
    lines = "\n".join(json.dumps(x, default=np.ndarray.tolist) for x in case.examples)
    for file, stdin in ((str(made / case.name), ""), (str(bare), ""), ("-", lines)):
        answer = polytask("predict", str(run), file, "--scores", stdin=stdin)
        assert answer.code == 0, answer.err
        found = answers(answer.out)
        assert [one[case.target]["value"] for one in found] == [
            one[case.target]["value"] for one in expected
        ]
        for one, other in zip(found, expected, strict=True):
            assert np.allclose(one[case.target]["scores"], other[case.target]["scores"], atol=1e-5)


def test_a_category_of_digits_stays_what_it_was(made: Path, polytask: Command) -> None:
    (made / "d.csv").write_text("code,grade\n007,low\n7,high\nA1,low\n")
    source = {"source": "csv", "files": twice("d.csv")}
    data = {"d": {**source, "input": {"type": "features", "categorical": ["code"]}}}
    run = trained(made, data, {"grade": {"output": "classification"}})
    (made / "new.csv").write_text("code\n007\n7\n")
    found = answers(polytask("predict", str(run), "new.csv", "--scores").out)
    expected = load(run).predict([{"code": "007"}, {"code": "7"}], scores=True)
    assert [one["grade"]["scores"] for one in found] == [one["grade"]["scores"] for one in expected]
    assert found[0] != found[1]


def test_a_file_that_a_function_reads(
    made: Path, polytask: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    (made / "own_reader.py").write_text(
        "def read(path, scale):\n"
        "    x = [scale * float(line) for line in path.read_text().split()]\n"
        "    return {'x': x, 'big': [value > 1 for value in x]}\n"
    )
    (made / "d.txt").write_text("1\n2\n3\n4\n")
    monkeypatch.syspath_prepend(made)
    source = {"type": "function", "function": "own_reader:read", "options": {"scale": 0.5}}
    features = {"type": "features", "numeric": ["x"]}
    data = {"d": {"source": source, "files": twice("d.txt"), "input": features}}
    run = trained(made, data, {"big": {"output": "classification"}}, trust=True)
    refused(polytask, run, "d.txt", (), r"own_reader:read runs code; pass --trust")
    answer = polytask("predict", str(run), "d.txt", "--trust")
    assert answers(answer.out) == load(run).predict([{"x": x} for x in (0.5, 1.0, 1.5, 2.0)])
    assert answers(polytask("predict", str(run), stdin='{"x": 1}').out)


def test_a_function_that_is_not_there_names_the_place(project: Path, polytask: Command) -> None:
    for option, expected in (
        (
            "data.exams.source={type: function, function: 'no_such:read'}",
            r"source\.function: .*PYTH",
        ),
        ("data.exams.source='python:no_such:Reader'", r"data\.exams\.source: there is no module"),
        ("data.exams.source={type: function, function: 'json:laod'}", r"did you mean 'load'"),
    ):
        for command in ("check", "train"):
            out = ("--out", "run") if command == "train" else ()
            answer = polytask(command, "recipe.yaml", *out, "--trust", "--set", option)
            assert answer.code == 2
            assert re.search(expected, answer.err), answer.err
