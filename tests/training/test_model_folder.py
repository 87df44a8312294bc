"""A trained model as a folder: equal predictions, checks, warm starts, tasks that go and come."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.models.encoders import KINDS, save_encoder
from tests.training.made import Case, assert_equal, two_tasks, weights

from polytask.data import Table
from polytask.data.inputs import Features, Image, Input, Text, Waveform, Words
from polytask.data.inputs.columns import object_column
from polytask.data.sources.saved import SavedSource
from polytask.errors import InputError, RunError
from polytask.models import BACKBONES, SHARING, MultiTaskModel
from polytask.predictor import Predictor, load
from polytask.tasks import Classification, Regression, Tagging, Task, TaskSet
from polytask.training import SavedModel, drop_task, load_model, save_model
from polytask.training import model_folder as module
from polytask.training.warm_start import warm_start

RNG = np.random.default_rng(0)
KIND = object_column(["up", "down", "up", "side"])
NUMBER = np.array([1.0, 2.0, np.nan, 4.0])

INPUTS: dict[str, tuple[Input, Any, Any]] = {
    "linear": (Features(numeric=("x",)), RNG.normal(size=(4, 3)), "linear"),
    "mlp": (
        Features(numeric=("x",), categorical=("kind",)),
        RNG.normal(size=(4, 3)),
        {"type": "mlp", "hidden": [6], "embedding": 2},
    ),
    "resnet": (Image(column="x"), RNG.random((4, 8, 8)), {"type": "resnet", "widths": [4]}),
    "audio": (
        Waveform(column="x", rate=8000),
        object_column([RNG.normal(size=n).astype(np.float32) for n in (90, 200, 150, 30)]),
        {"type": "audio", "widths": [4], "mels": 8, "seconds": 0.02},
    ),
}
INPUTS |= {
    kind: (Text(column="x"), object_column(["a b", "c", "d a b", "b"]), kind) for kind in KINDS
}


def saved_model(name: str, folder: Path, sharing: str = "hard") -> tuple[SavedModel, Table]:
    """An untrained model on four rows, and the rows."""
    source, column, spec = INPUTS[name]
    if name in KINDS:
        save_encoder(name, folder / "encoder")
        spec = {"type": "transformer", "path": str(folder / "encoder")}
    rate = {"sample_rate": np.full(4, 8000)}
    table = Table({"x": column, "kind": KIND, "number": NUMBER, **rate}, "made")
    fitted = source.fit(table)
    tasks = TaskSet(
        Task(name=name, output=output, data="d").fit(table.columns[name], where="made")
        for name, output in {"kind": Classification(), "number": Regression()}.items()
    )
    backbone = BACKBONES.build(spec).build(fitted.shapes())
    model = MultiTaskModel(
        backbone, tasks, sharing=SHARING.build(sharing).build(backbone.width, tasks)
    )
    return SavedModel(model.eval(), {"d": fitted}, spec, sharing), table


@pytest.mark.parametrize("name", INPUTS)
def test_predictions_are_the_same_after_loading(name: str, tmp_path: Path) -> None:
    saved, table = saved_model(name, tmp_path, "residual")
    before = Predictor(saved).predict(table, scores=True)
    save_model(saved, tmp_path / "model")
    if name in KINDS:  # the folder stands on its own
        (tmp_path / "encoder").rename(tmp_path / "gone")
    loaded = load(tmp_path / "model")
    assert loaded.predict(table, scores=True) == before
    one = loaded.predict(table.take(np.array([2])), scores=True)[0]
    assert one["number"]["value"] == pytest.approx(before[2]["number"]["value"], rel=1e-4)


def test_words_are_predicted_one_by_one(tmp_path: Path) -> None:
    save_encoder("bert", tmp_path / "encoder")
    words = object_column([["a", "bc"], ["d"], ["a", "b", "c"]])
    tags = object_column([["N", "V"], ["N"], ["V", "V", "N"]])
    table = Table({"words": words, "tags": tags}, "made")
    source = Words(column="words").fit(table)
    tasks = TaskSet([Task(name="tags", output=Tagging(), data="d").fit(tags, where="made")])
    spec = {"type": "transformer", "path": str(tmp_path / "encoder")}
    backbone = BACKBONES.build(spec).build(source.shapes())
    model = MultiTaskModel(backbone, tasks).eval()
    save_model(SavedModel(model, {"d": source}, spec, "hard"), tmp_path / "model")
    found = load(tmp_path / "model").predict(table)
    assert [len(row["tags"]) for row in found] == [2, 1, 3]
    assert found == Predictor(SavedModel(model, {"d": source}, spec, "hard")).predict(table)


def test_altered_and_absent_folders(tmp_path: Path) -> None:
    saved, _ = saved_model("mlp", tmp_path)
    save_model(saved, tmp_path / "model")
    file = tmp_path / "model" / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-4])
    with pytest.raises(InputError, match=r"model\.safetensors: truncated"):
        load(tmp_path / "model")
    with pytest.raises(InputError, match="no such folder"):
        load(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="empty: holds no trained model"):
        load(tmp_path / "empty")


def test_code_of_the_user_needs_trust(tmp_path: Path) -> None:
    saved, _ = saved_model("mlp", tmp_path)
    path = "python:polytask.models.backbones.tabular:MLPOptions"
    own = replace(saved, backbone={**saved.backbone, "type": path})
    save_model(own, tmp_path / "model")
    with pytest.raises(InputError, match="--trust"):
        load(tmp_path / "model")
    assert set(load(tmp_path / "model", trust=True).tasks) == {"kind", "number"}


def test_a_full_disk_keeps_the_older_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, table = saved_model("mlp", tmp_path)
    save_model(saved, tmp_path / "model")

    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_tensors", full)
        with pytest.raises(RunError, match="No space left"):
            save_model(saved, tmp_path / "model")
    assert load(tmp_path / "model").predict(table) == Predictor(saved).predict(table)


@pytest.mark.parametrize("sharing", ["hard", "residual"])
def test_a_task_goes_and_the_others_stay(sharing: str, tmp_path: Path) -> None:
    saved, table = saved_model("mlp", tmp_path, sharing)
    smaller = drop_task(saved, "kind")
    save_model(smaller, tmp_path / "model")
    before = Predictor(saved).predict(table, tasks=["number"])
    assert load(tmp_path / "model").predict(table) == before
    assert not [name for name in weights(smaller.model) if "kind" in name]
    assert set(saved.model.tasks) == {"kind", "number"}


def test_a_task_that_cannot_go(tmp_path: Path) -> None:
    saved, _ = saved_model("mlp", tmp_path)
    with pytest.raises(InputError, match="did you mean 'kind'"):
        drop_task(saved, "knd")
    with pytest.raises(InputError, match="'number' cannot be dropped: it is the only one"):
        drop_task(drop_task(saved, "kind"), "number")
    kind, number = saved.model.tasks.values()
    tasks = TaskSet([kind, replace(number, depends_on={"kind": "detached"})])
    needing = replace(saved, model=MultiTaskModel(saved.model.backbone, tasks))
    with pytest.raises(InputError, match="'kind' cannot be dropped: needed by number"):
        drop_task(needing, "kind")
    assert list(drop_task(needing, "number").model.tasks) == ["kind"]


def written(case: Case, folder: Path) -> MultiTaskModel:
    """A model of a case with random weights, in a folder."""
    model = case.model()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    save_model(SavedModel(model, {}, "mlp", "hard"), folder)
    return model


def test_a_warm_start_takes_what_fits(tmp_path: Path) -> None:
    """A task that comes starts anew; a task that went is left out; the rest is taken."""
    old = weights(written(Case(), tmp_path / "old"))
    label, value = two_tasks()
    model = Case(tasks=[label, replace(value, name="new")]).model()
    fresh = weights(model)
    found = warm_start(model, tmp_path / "old")
    now = weights(model)
    assert_equal({n: now[n] for n in found.taken}, {n: old[n] for n in found.taken})
    assert_equal({n: now[n] for n in found.new}, {n: fresh[n] for n in found.new})
    assert set(found.new) == {"heads.new_head.weight", "heads.new_head.bias"}
    assert set(found.left) == {"heads.a_value_head.weight", "heads.a_value_head.bias"}
    assert "4 weights taken" not in str(found)
    assert f"{len(found.taken)} weights taken" in str(found)


def test_a_head_with_other_classes_starts_anew(tmp_path: Path) -> None:
    written(Case(), tmp_path / "old")
    label, value = two_tasks()
    other = replace(label, output=Classification(classes=("up", "down")))
    model = Case(tasks=[other, value]).model()
    found = warm_start(model, tmp_path / "old")
    assert found.left["heads.a_label_head.weight"] == "the classes of the task are others"


def test_a_warm_start_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"model\.warm_start: .*no such folder"):
        warm_start(Case().model(), tmp_path / "nowhere")
    saved, _ = saved_model("resnet", tmp_path)
    save_model(saved, tmp_path / "old")
    with pytest.raises(InputError, match="no weight fits: "):
        warm_start(Case().model(), tmp_path / "old")


def test_a_description_of_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved, _ = saved_model("linear", tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(module, "FORMAT", 99)
        save_model(saved, tmp_path / "model")
    with pytest.raises(InputError, match="format 99"):
        load_model(tmp_path / "model")


def test_the_description_is_plain_json(tmp_path: Path) -> None:
    saved, _ = saved_model("mlp", tmp_path)
    save_model(saved, tmp_path / "model")
    found: Mapping[str, Any] = json.loads((tmp_path / "model" / "model.json").read_text())
    assert [task["name"] for task in found["tasks"]] == ["kind", "number"]


def test_how_files_are_read_is_kept(tmp_path: Path) -> None:
    """For the data sets that the model has; a date, which only YAML knows, becomes text."""
    saved, _ = saved_model("linear", tmp_path)
    options = {"type": "function", "function": "own:read", "options": {"since": date(2020, 1, 2)}}
    source = SavedSource(source=options, endings=(".csv",), kinds={"x": "number"})
    save_model(replace(saved, sources={"d": source, "gone": source}), tmp_path / "model")
    text = {**options, "options": {"since": "2020-01-02"}}
    assert load_model(tmp_path / "model").sources == {"d": replace(source, source=text)}
