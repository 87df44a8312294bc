"""A trained model as a folder: weights, tasks, inputs, tokenizer; all that predicting needs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from polytask.construct import construct, plain
from polytask.data import INPUTS
from polytask.data.inputs import Input
from polytask.data.sources.saved import SavedSource
from polytask.errors import InputError, unknown
from polytask.files import verify, whole_folder
from polytask.models import BACKBONES, SHARING, MultiTaskModel
from polytask.tasks import OUTPUTS, HeadOptions, Task, TaskSet
from polytask.training.weights import load_weights, read_tensors, write_tensors

__all__ = ["SavedModel", "load_model", "model_folder", "save_model"]

FORMAT = 1
"""Version of the layout of ``model.json``."""


@dataclass(frozen=True)
class SavedModel:
    """A model and how its inputs are read.

    Args:
        model: in evaluation mode.
        inputs: data set -> fitted input.
        backbone: the recipe's words for the backbone.
        sharing: the recipe's words for the sharing module.
        sources: data set -> how its files are read; none in the folder of an older version.
    """

    model: MultiTaskModel
    inputs: Mapping[str, Input]
    backbone: Any
    sharing: Any
    sources: Mapping[str, SavedSource] = field(default_factory=dict)


def save_model(saved: SavedModel, folder: Path) -> None:
    """Write a model folder.

    Raises:
        RunError: it cannot be written; an older folder of that name stays.
    """
    with whole_folder(folder) as partial:
        write_tensors(saved.model.state_dict(), partial / "model.safetensors")
        saved.model.backbone.save_assets(partial / "assets")
        description = {
            "format": FORMAT,
            "backbone": saved.backbone,
            "sharing": saved.sharing,
            "inputs": {name: INPUTS.spec(item) for name, item in saved.inputs.items()},
            "sources": {n: plain(s) for n, s in saved.sources.items() if n in saved.inputs},
            "tasks": [_describe(task) for task in saved.model.tasks.values()],
        }
        # default: YAML has dates, JSON has not.
        text = json.dumps(description, indent=2, ensure_ascii=False, default=str)
        (partial / "model.json").write_text(text, encoding="utf-8")


def model_folder(folder: Path, *, seed: int | None = None) -> Path:
    """The model folder inside the folder of a run; the first seed by default.

    Raises:
        InputError: there is none, or none of this seed.
    """
    if (folder / "model.json").is_file():
        return folder
    if (folder / "model" / "model.json").is_file():
        return folder / "model"
    found = {
        int(path.parent.parent.name.removeprefix("seed-")): path.parent
        for path in folder.glob("multi/seed-*/model/model.json")
    }
    if not found:
        missing = "" if folder.exists() else "there is no such folder: "
        raise InputError(f"{folder}: {missing}holds no trained model")
    if seed is not None and seed not in found:
        raise unknown("seed", seed, found, where=str(folder))
    return found[min(found) if seed is None else seed]


def load_model(folder: Path, *, trust: bool = False) -> SavedModel:
    """Read a model folder; nothing in it is executed.

    Args:
        folder: that `save_model` wrote.
        trust: it may name the user's own classes (``python:``), which are imported.

    Raises:
        InputError: it is no such folder, a file is absent, truncated or altered, or weights do not
            fit.
    """
    if not (folder / "model.json").is_file():
        raise InputError(f"{folder}: holds no trained model (no model.json)")
    verify(folder)
    found = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if found.get("format") != FORMAT:
        raise InputError(
            f"{folder}: model format {found.get('format')!r}, this version reads {FORMAT}"
        )
    where = str(folder / "model.json")
    inputs = {
        name: INPUTS.build(spec, where=where, trust=trust) for name, spec in found["inputs"].items()
    }
    tasks = TaskSet(_task(spec, where=where, trust=trust) for spec in found["tasks"])
    options = BACKBONES.build(found["backbone"], where=where, trust=trust)
    backbone = options.build(next(iter(inputs.values())).shapes(), assets=folder / "assets")
    sharing = SHARING.build(found["sharing"], where=where, trust=trust).build(backbone.width, tasks)
    model = MultiTaskModel(backbone, tasks, sharing=sharing)
    file = folder / "model.safetensors"
    load_weights(model, read_tensors(file), where=str(file))
    sources = {
        name: construct(SavedSource, item, kind="key of a source", where=where)
        for name, item in found.get("sources", {}).items()
    }
    return SavedModel(model.eval(), inputs, found["backbone"], found["sharing"], sources)


def _describe(task: Task) -> dict[str, Any]:
    values = {
        name: getattr(task, name)
        for name in task.__dataclass_fields__
        if name not in ("output", "head")
    }
    head = {"hidden": list(task.head.hidden), "dropout": task.head.dropout}
    return {**values, "where": dict(task.where), "head": head, "output": OUTPUTS.spec(task.output)}


def _task(spec: Mapping[str, Any], *, where: str, trust: bool) -> Task:
    output = OUTPUTS.build(spec["output"], where=where, trust=trust)
    head = construct(HeadOptions, spec["head"], kind="option of the head", where=where)
    plain = {key: value for key, value in spec.items() if key not in ("output", "head")}
    return replace(Task(name=spec["name"], output=output, data=spec["data"]), **plain, head=head)
