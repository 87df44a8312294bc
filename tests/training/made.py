"""Small runs for the tests of this folder: made in memory, done in milliseconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polytask.data import EncodedSplit, Loader, Stream, StreamOptions, Table, encode_split
from polytask.data.inputs import Features
from polytask.data.mixtures import Mixture, Proportional
from polytask.data.sampling import BatchSize
from polytask.models import Backbone, MultiTaskModel
from polytask.models.backbones.tabular import MLP, Columns
from polytask.models.sharing import SharingOptions
from polytask.models.sharing.hard import Hard
from polytask.randomness import initialised
from polytask.recipe.balance import read_balancing
from polytask.tasks import Classification, Output, Regression, Task, TaskSet
from polytask.training import Observer, Processes, Trainer, TrainingOptions
from polytask.training.observer import Outcome

WIDTH = 4
INPUT = Features(numeric=("x",), standardise=False)


def table(rows: int, seed: int) -> Table:
    """Four numbers a row; a class and a value that follow from them, a fifth of them missing."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, WIDTH))
    label = np.where(x[:, 0] + 0.3 * rng.normal(size=rows) > 0, "up", "down").astype(object)
    value = x @ np.arange(1.0, WIDTH + 1) + 0.1 * rng.normal(size=rows)
    label[rng.random(rows) < 0.2] = None
    value[rng.random(rows) < 0.2] = np.nan
    label[:2], value[:2] = ["up", "down"], [0.5, 1.5]
    return Table({"x": x, "label": label, "value": value, "weight": rng.random(rows)}, "a.csv")


def two_tasks(data: str = "a", **options: Any) -> list[Task]:
    """A classification and a regression of one data set."""
    label = Task(name=f"{data}_label", output=Classification(), data=data, target="label")
    value = Task(name=f"{data}_value", output=Regression(), data=data, target="value")
    return [replace(label, **options), replace(value, **options)]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One small run.

    Args:
        tables: data set -> its training rows.
        tasks: not fitted.
    """

    tables: Mapping[str, Table] = field(default_factory=lambda: {"a": table(40, 0)})
    tasks: Sequence[Task] = field(default_factory=two_tasks)
    options: Mapping[str, Any] = field(default_factory=dict)
    mixture: Mixture = field(default_factory=Proportional)
    per_step: int | None = 1
    joined: bool = False
    examples: int = 8
    dropout: float = 0.0
    sharing: SharingOptions = field(default_factory=Hard)
    balance: str | Mapping[str, Any] = "equal"
    validate: bool = True
    seed: int = 0

    def fitted(self) -> TaskSet:
        return TaskSet(
            task.fit(self.tables[task.data].columns[task.target_column], where="a.csv")
            for task in self.tasks
        )

    def splits(self, *, seed: int | None = None) -> dict[str, EncodedSplit]:
        """The training rows, or other rows of the same kind."""
        tasks, source = self.fitted(), INPUT.fit(next(iter(self.tables.values())))
        return {
            name: encode_split(
                name, rows if seed is None else table(30, seed), source, tasks.of_data(name)
            )
            for name, rows in self.tables.items()
        }

    def backbone(self) -> Backbone:
        columns = Columns(WIDTH, (), embedding=1)
        return MLP(columns, hidden=(6, 5), dropout=self.dropout)

    def model(self, tasks: Sequence[str] | None = None) -> MultiTaskModel:
        chosen = self.fitted() if tasks is None else self.fitted().only(tasks)
        with initialised(self.seed, "backbone"):
            backbone = self.backbone()
        with initialised(self.seed, "sharing"):
            sharing = self.sharing.build(backbone.width, chosen)
        return MultiTaskModel(backbone, chosen, sharing=sharing, seed=self.seed)

    def trainer(
        self,
        folder: Path,
        *,
        observers: Sequence[Observer] = (),
        tasks: Sequence[str] | None = None,
        splits: Mapping[str, EncodedSplit] | None = None,
        processes: Processes | None = None,
    ) -> Trainer:
        options = TrainingOptions(
            **{"steps": 12, "evaluate_every": 4, "log_every": 3, "device": "cpu", **self.options}
        )
        processes = processes or Processes("cpu")
        model = self.model(tasks)
        chosen = self.splits() if splits is None else splits
        stream = Stream(
            chosen,
            self.mixture,
            dict.fromkeys(chosen, BatchSize(examples=self.examples)),
            StreamOptions(per_step=self.per_step, joined=self.joined, seed=self.seed),
        )
        loader = Loader(
            stream,
            tasks=model.tasks,
            rank=processes.rank,
            processes=processes.count,
            micro_batches=options.micro_batches,
            uncut={t.data for t in model.tasks.values() if t.output.scope == "batch"},
            workers=options.workers,
        )
        validation = {n: s.only(model.tasks) for n, s in self.splits(seed=9).items()}
        return Trainer(
            model,
            loader,
            options,
            folder,
            validation=validation if self.validate else None,
            seed=self.seed,
            processes=processes,
            observers=observers,
            balancing=read_balancing(self.balance, seed=self.seed),
        )

    def trained(self, folder: Path, **keywords: Any) -> dict[str, Tensor]:
        """The weights after a whole run."""
        trainer = self.trainer(folder, **keywords)
        trainer.fit()
        return weights(trainer.model)


def weights(model: torch.nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def assert_equal(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    """Bit for bit."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert torch.equal(value, second[name]), name


def assert_close(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> None:
    """Within what float32 loses by adding in another order."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=1e-4, atol=2e-6, msg=name)


def one_task(output: Output | None = None, **options: Any) -> list[Task]:
    task = Task(name="value", output=output or Regression(), data="a", target="value")
    return [replace(task, **options)]


class Recorder:
    """An observer that notes everything, and raises after some steps if asked."""

    def __init__(self, fail_after: int | None = None) -> None:
        self.fail_after = fail_after
        self.steps: list[int] = []
        self.scores: list[float] = []
        self.started: list[tuple[int, int]] = []
        self.closed: list[Outcome] = []

    def start(self, step: int, total: int) -> None:
        self.started.append((step, total))

    def step(self, step: int, total: int, losses: Mapping[str, float]) -> None:
        self.steps.append(step)
        if self.fail_after is not None and step >= self.fail_after:
            raise Crash

    def evaluated(
        self, step: int, metrics: Mapping[str, Mapping[str, float]], score: float
    ) -> None:
        self.scores.append(score)

    def close(self, outcome: Outcome) -> None:
        self.closed.append(outcome)


class Crash(Exception):  # noqa: N818 - it stands for one, it is none
    """Ends a run in the middle."""
