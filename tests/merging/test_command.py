"""`polytask merge`: methods, plans, what is printed and written."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests.cli.conftest import Answer, Command
from tests.merging.conftest import Model, Save, trained
from tests.merging.test_invariants import same

from polytask.merging import METHODS, merge_state_dicts


@pytest.fixture
def models(
    save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Model, list[Model]]:
    """What lies in the folders base, a and b; the commands run beside them."""
    monkeypatch.chdir(tmp_path)
    base, models = trained(2)
    for name, model in zip(("base", "a", "b"), (base, *models), strict=True):
        save(name, model)
    return base, models


def test_a_method(models: tuple[Model, list[Model]], polytask: Command) -> None:
    options = ("--base", "base", "--density", "0.2,0.5", "--weights", "1,0.5", "--trim", "tensor")
    answer = polytask("merge", "ties", *options, "a", "b", "--out", "out", "--scale", "0.7")
    assert answer == Answer(0, "merged 2 models, 6 tensors, into out; see merge.json\n", "")
    base, (one, other) = models
    expected = merge_state_dicts(
        "ties",
        base=base,
        models=[one, other],
        density=[0.2, 0.5],
        weights=[1.0, 0.5],
        trim="tensor",
        scale=0.7,
    )
    assert same(load_file("out/model.safetensors"), expected)
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "config.json",
        "merge.json",
        "model.safetensors",
    ]


def test_a_plan(models: tuple[Model, list[Model]], polytask: Command) -> None:
    Path("plan.yaml").write_text(
        "merge_method: linear\n"
        "models: [{model: a, parameters: {weight: 3}}, {model: b}]\n"
        "dtype: bfloat16\n"
    )
    answer = polytask("merge", "plan.yaml", "--out", "out", "--dtype", "float64")
    assert answer.code == 0, answer.err
    expected = merge_state_dicts(
        "linear",
        models=[{name: value.double() for name, value in model.items()} for model in models[1]],
        weights=[3.0, 1.0],
    )
    found = load_file("out/model.safetensors")
    for name, value in found.items():
        assert value.dtype == torch.float64
        torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-9)


def test_switches_and_shards(models: tuple[Model, list[Model]], polytask: Command) -> None:
    options = ("--no-rescale", "--density", "0.5", "--seed", "3", "--shard-size", "1KB")
    answer = polytask("merge", "dare_ties", "--base", "base", "a", "b", "--out", "out", *options)
    assert answer.code == 0, answer.err
    index = json.loads(Path("out/model.safetensors.index.json").read_text())
    files = sorted(set(index["weight_map"].values()))
    assert len(files) > 1
    found = {name: value for file in files for name, value in load_file(f"out/{file}").items()}
    base, both = models
    options_in_python = {"density": 0.5, "rescale": False, "seed": 3}
    assert same(found, merge_state_dicts("dare_ties", base=base, models=both, **options_in_python))
    assert index["metadata"]["total_size"] == sum(value.nbytes for value in found.values())
    shutil.copytree("out", "copy")
    again = polytask("merge", "average", "out", "copy", "--out", "again")  # shards as an input
    assert again.code == 0, again.err
    assert same(load_file("again/model.safetensors"), found)


def test_warnings_are_said(
    models: tuple[Model, list[Model]], polytask: Command, caplog: pytest.LogCaptureFixture
) -> None:
    Path("b/config.json").write_text('{"model_type": "huge"}')
    shutil.copytree("a", "copy")
    twice = polytask("merge", "average", "a", "b", "a/", "--out", "out")
    assert "models: a is listed twice; give it a larger weight instead" in twice.err
    assert polytask("merge", "average", "a", "b", "copy", "--out", "out").code == 0
    notes = json.loads(Path("out/merge.json").read_text())["notes"]
    assert notes == [
        "config.json of b differs at model_type; that of a is kept",
        "the same weights: a, copy",
    ]
    assert [record.getMessage() for record in caplog.records] == [f"out: {n}" for n in notes]


def test_a_missing_configuration_is_one_warning(
    models: tuple[Model, list[Model]], polytask: Command
) -> None:
    def notes(out: str, *inputs: str) -> list[str]:
        assert polytask("merge", "average", *inputs, "--out", out).code == 0
        return list(json.loads(Path(out, "merge.json").read_text())["notes"])

    assert notes("one", "a", "b/model.safetensors") == []
    assert notes("two", "a/model.safetensors", "b") == [
        "a/model.safetensors has no config.json, so the result has none; b has"
    ]
    Path("a/config.json").write_text('{"model_type": "tiny", "quantization_config": null}')
    assert notes("three", "a", "b") == []


def test_methods_are_listed(polytask: Command) -> None:
    answer = polytask("list", "merging")
    assert answer.code == 0
    listed = [line.split()[0] for line in answer.out.splitlines()[1:]]
    assert listed == list(METHODS)


def test_the_command_line_starts_without_torch_and_merges_without_more() -> None:
    program = (
        "import sys, polytask.cli.main; assert 'torch' not in sys.modules; "
        "import torch; before = set(sys.modules); import polytask.merging; "
        "print({name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = set(ast.literal_eval(done.stdout))
    assert found & set(packages_distributions()) <= {"polytask", "numpy", "torch"}
