"""A folder that is done takes more seeds and baselines, and nothing else."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.experiment.made import contents, experiment, write_rows
from tests.training.made import Crash, Recorder

from polytask.api import finish
from polytask.errors import InputError
from polytask.experiment import Run
from polytask.experiment import experiment as module
from polytask.experiment.environment import environment_after
from polytask.recipe import read_recipe

SMALL = {"baselines": "none"}
MORE = {"baselines": "single_task", "seeds": [0, 4]}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of one multi-task model."""
    folder = tmp_path_factory.mktemp("small")
    experiment(folder, folder / "out", SMALL).train()
    return folder / "out"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All that the small one will grow to, trained at once."""
    folder = tmp_path_factory.mktemp("whole")
    experiment(folder, folder / "out", MORE).train()
    return folder / "out"


@pytest.fixture
def out(small: Path, tmp_path: Path) -> Path:
    return shutil.copytree(small, tmp_path / "out")


def test_only_what_is_missing_is_trained(out: Path, whole: Path, tmp_path: Path) -> None:
    places: list[Path] = []

    def observe(run: Run) -> list[Recorder]:
        places.append(run.folder)
        return []

    weights = out / "multi/seed-0/model/model.safetensors"
    before = weights.stat().st_mtime_ns
    experiment(tmp_path, out, MORE).train(resume=True, observe=observe)
    assert out / "multi/seed-0" not in places
    assert len(places) == 1 + 2 * 3
    assert weights.stat().st_mtime_ns == before
    assert contents(out) == contents(whole)
    assert (out / "recipe.yaml").read_bytes() == (whole / "recipe.yaml").read_bytes()
    assert finish(out).seeds == (0, 4)


def test_seeds_and_baselines_may_come_one_by_one(out: Path, whole: Path, tmp_path: Path) -> None:
    for changes in ({**SMALL, "seeds": [0, 4]}, MORE):
        experiment(tmp_path, out, changes).train(resume=True)
    assert contents(out) == contents(whole)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seeds": [4]}, r"seeds was \[0\], is \[4\]"),
        ({"seeds": [0, 4], "training.steps": 30}, r"training\.steps was 20, is 30"),
        ({"baselines": "single_task", "description": "new"}, "description was '', is 'new'"),
        ({"seeds": [0, 4], "select.mean": "harmonic"}, r"select\.mean was 'arithmetic'"),
    ],
)
def test_every_other_difference_is_named(
    changes: dict[str, Any], named: str, out: Path, tmp_path: Path
) -> None:
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=rf"another recipe \({named}"):
        experiment(tmp_path, out, {**SMALL, **changes}).train(resume=True)
    with pytest.raises(InputError, match="another recipe"):
        experiment(tmp_path, out, {**SMALL, **changes}).train()
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_folder_does_not_shrink(whole: Path, tmp_path: Path) -> None:
    for changes, named in (
        ({**MORE, "seeds": [0]}, r"seeds was \[0, 4\], is \[0\]"),
        ({**MORE, "baselines": "none"}, "baselines was 'single_task', is 'none'"),
    ):
        with pytest.raises(InputError, match=named):
            experiment(tmp_path, whole, changes).train(resume=True)


def test_without_resume_nothing_grows(out: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="--resume goes on"):
        experiment(tmp_path, out, MORE).train()


@pytest.mark.parametrize("at", ["recipe.yaml", "environment.json", "data.json", "run"])
def test_a_kill_while_it_grows(
    at: str, out: Path, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the new recipe is written the folder is that of the old one, from then on the new's."""

    def dying(write: Any) -> Any:
        def written(path: Path, value: Any) -> None:
            if path.name == at:
                raise Crash
            write(path, value)

        return written

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_text", dying(module.write_text))
        patch.setattr(module, "write_json", dying(module.write_json))
        with pytest.raises(Crash):
            experiment(tmp_path, out, MORE).train(
                resume=True, observe=lambda run: [Recorder(fail_after=3)]
            )
    old = at == "recipe.yaml"
    assert list(read_recipe(out / "recipe.yaml")[0].seeds) == ([0] if old else [0, 4])
    if old:
        experiment(tmp_path, out, SMALL).train(resume=True)
        assert finish(out).seeds == (0,)
    else:
        with pytest.raises(InputError, match="baselines was 'single_task', is 'none'"):
            experiment(tmp_path, out, SMALL).train(resume=True)
    if at == "run":
        with pytest.raises(InputError, match=r"multi/seed-4: .*not finished"):
            finish(out)
    experiment(tmp_path, out, MORE).train(resume=True)
    assert contents(out) == contents(whole)


def test_data_that_changed_is_not_mixed_with_what_it_was(out: Path, tmp_path: Path) -> None:
    made = experiment(tmp_path, out, MORE)
    write_rows(tmp_path / "second.csv", 25, seed=9)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"multi/seed-0: was trained on other data \(second"):
        made.train(resume=True)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_what_earlier_runs_were_trained_with_is_kept(out: Path, tmp_path: Path) -> None:
    file = out / "environment.json"
    now = json.loads(file.read_text())
    old = {**now, "python": "3.10.1"}
    file.write_text(json.dumps(old))
    experiment(tmp_path, out, MORE).train(resume=True)
    assert json.loads(file.read_text())["earlier"] == [old]
    assert environment_after(file, Path(old["recipe_folder"]))["earlier"][0] == old
    file.write_text("[]")
    with pytest.raises(InputError, match=r"environment\.json: cannot be read"):
        environment_after(file, tmp_path)
