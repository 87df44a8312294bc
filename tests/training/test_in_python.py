"""A researcher's own run, without a recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from torch import nn

from polytask.data import BatchSize, Loader, Stream, StreamOptions, Table, encode_split
from polytask.data.inputs import Features
from polytask.data.mixtures import Uniform
from polytask.models import ModuleBackbone, MultiTaskModel
from polytask.tasks import Classification, Regression, Task, TaskSet
from polytask.training import Trainer, TrainingOptions


def test_ten_lines_of_python(tmp_path: Path) -> None:
    x = np.random.default_rng(0).normal(size=(256, 5))
    table = Table({"x": x, "sign": (x.sum(1) > 0).astype(int), "sum": x.sum(1)}, "made")

    inputs = Features(numeric=["x"]).fit(table)
    sign = Task(name="sign", output=Classification(), data="d").fit(table.column("sign"), where="")
    total = Task(name="sum", output=Regression(), data="d").fit(table.column("sum"), where="")
    tasks = TaskSet([sign, total])
    split = encode_split("d", table, inputs, tasks.values())
    network = nn.Sequential(nn.Linear(5, 32), nn.ReLU())
    model = MultiTaskModel(ModuleBackbone(network, width=32, field="numeric"), tasks)
    stream = Stream({"d": split}, Uniform(), {"d": BatchSize(examples=32)}, StreamOptions())
    options = TrainingOptions(epochs=20, learning_rate=0.01, device="cpu")
    trainer = Trainer(model, Loader(stream), options, tmp_path)
    trainer.fit()

    metrics = trainer.evaluate({"d": split})
    assert metrics["sign"]["accuracy"] > 0.95
    assert metrics["sum"]["r2"] > 0.95
