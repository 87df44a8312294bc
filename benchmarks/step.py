"""A training step of `Trainer` against a hand-written PyTorch loop.

Same model, data, batches, optimiser (fused AdamW) and clipping; both loops gather their batches
from tensors in memory. The bare loop knows its two tasks by name, masks nothing and logs nothing.
Prints the ratio of the times; at most 1.05 is wanted.
"""

from __future__ import annotations

import queue
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from _measure import Ratio, interleaved
from torch import Tensor, nn

from polytask.data import (
    BatchSize,
    EncodedSplit,
    Loader,
    Stream,
    StreamOptions,
    Table,
    encode_split,
)
from polytask.data import Step as DataStep
from polytask.data.inputs import Features, Input, Text
from polytask.data.inputs.columns import object_column
from polytask.data.mixtures import Proportional
from polytask.models import BACKBONES, MultiTaskModel
from polytask.tasks import Classification, Regression, Task, TaskSet
from polytask.training import Trainer, TrainingOptions

RATE = 1e-4
STEPS = {"mlp": 20, "minilm": 2}
"""Steps of one measurement."""
ROUNDS = {"mlp": 40, "minilm": 30}


def targets(rows: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    return {
        "kind": rng.integers(0, 10, rows).astype(str).astype(object),
        "amount": rng.normal(size=rows),
    }


def tabular() -> tuple[Table, Input, object, int]:
    """784 numbers to 1024, 1024 and 512 units: 2.4 million parameters; batches of 128."""
    rng = np.random.default_rng(0)
    table = Table({"x": rng.normal(size=(4096, 784)), **targets(4096, rng)}, "made")
    return table, Features(numeric=("x",)), {"type": "mlp", "hidden": [1024, 1024, 512]}, 128


def sentences() -> tuple[Table, Input, object, int]:
    """Sentences of 32 tokens for a real encoder of 22 million parameters; batches of 16."""
    rng = np.random.default_rng(0)
    words = np.array(["the", "a", "cat", "dog", "sees", "likes", "big", "small", "house", "tree"])
    texts = object_column([" ".join(rng.choice(words, 30)) for _ in range(512)])
    return Table({"x": texts, **targets(512, rng)}, "made"), Text(column="x"), "transformer", 16


def build(case: str) -> tuple[MultiTaskModel, EncodedSplit, int]:
    """A model, its data and the batch size."""
    table, source, backbone_spec, batch = tabular() if case == "mlp" else sentences()
    fitted = source.fit(table)
    outputs = {"kind": Classification(), "amount": Regression()}
    tasks = TaskSet(
        Task(name=name, output=output, data="d").fit(table.columns[name], where="made")
        for name, output in outputs.items()
    )
    torch.manual_seed(0)
    backbone = BACKBONES.build(backbone_spec).build(fitted.shapes())
    model = MultiTaskModel(backbone, tasks)
    return model, encode_split("d", table, fitted, tasks.values(), backbone.text), batch


class Bare(nn.Module):
    """The same network, written by hand around the same backbone."""

    def __init__(self, model: MultiTaskModel) -> None:
        super().__init__()
        self.backbone = model.backbone
        self.kind, self.amount = model.heads["kind_head"], model.heads["amount_head"]

    def forward(self, fields: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        features = self.backbone(fields).example
        return self.kind(features), self.amount(features).squeeze(1)


def bare_loop(model: MultiTaskModel, split: EncodedSplit, batch: int) -> Callable[[int], None]:
    """The hand-written loop: returns a function that takes some steps."""
    network = Bare(model)
    columns = {name: split.fields[name] for name in split.fields}
    kind = split.targets["kind"].values.take(torch.arange(len(split)))
    amount = split.targets["amount"].values.take(torch.arange(len(split)))
    amount = (amount - amount.mean()) / amount.std(correction=0)
    optimizer = torch.optim.AdamW(network.parameters(), lr=RATE, weight_decay=0.0, fused=True)
    orders = [torch.randperm(len(split))]
    position = 0

    def steps(count: int) -> None:
        nonlocal position
        network.train()
        for _ in range(count):
            if position + batch > len(split):
                orders[0], position = torch.randperm(len(split)), 0
            rows = orders[0][position : position + batch]
            position += batch
            fields = {}
            for name, column in columns.items():
                fields[name] = column.take(rows)
                if hasattr(column, "lengths"):
                    fields[f"{name}.length"] = column.offsets[rows + 1] - column.offsets[rows]
            logits, value = network(fields)
            loss = F.cross_entropy(logits, kind[rows]) + F.mse_loss(value, amount[rows])
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()

    return steps


class Director:
    """Stands in for the loader, so that both loops run in one thread, as they do in real life.

    The trainer asks it for steps; it hands on the loader's, or lets the bare loop run, as told.
    """

    def __init__(self, loader: Loader, bare: Callable[[int], None]) -> None:
        self.stream, self._loader, self._bare = loader.stream, loader, bare
        self._orders: queue.Queue[tuple[str, int]] = queue.Queue()
        self._done = threading.Semaphore(0)

    def ask(self, whom: str, count: int) -> None:
        """Have steps taken by ``ours`` or ``bare``; called from the thread that measures."""
        self._orders.put((whom, count))
        self._done.acquire()

    def __iter__(self) -> Iterator[DataStep]:
        steps = iter(self._loader)
        while True:
            whom, count = self._orders.get()
            if whom == "end":
                raise Ended
            if whom == "bare":
                self._bare(count)
            else:
                for _ in range(count):
                    yield next(steps)
            self._done.release()


class Ended(Exception):  # noqa: N818 - not an error
    """The measurement is over."""


def measure(case: str, folder: Path) -> Ratio:
    """Time of `Trainer`, with its log, divided by that of the bare loop."""
    model, split, batch = build(case)
    stream = Stream({"d": split}, Proportional(), {"d": BatchSize(examples=batch)}, StreamOptions())
    options = TrainingOptions(
        steps=10**9,
        schedule="constant",
        learning_rate=RATE,
        checkpoint_every=10**9,
        evaluate_every=10**9,
        device="cpu",
    )
    trainer = Trainer(model, Loader(stream), options, folder)
    director = Director(trainer.loader, bare_loop(*build(case)))
    trainer.loader = director  # type: ignore[assignment]
    found: list[Ratio] = []

    def measuring() -> None:
        count, rounds = STEPS[case], ROUNDS[case]
        ours, bare = (partial(director.ask, whom, count) for whom in ("ours", "bare"))
        found.append(interleaved(ours, bare, rounds))
        director._orders.put(("end", 0))

    threading.Thread(target=measuring, daemon=True).start()
    with suppress(Ended):
        trainer.fit()
    return found[0]


def main() -> None:
    torch.set_num_threads(1)
    for case in STEPS:
        with tempfile.TemporaryDirectory() as folder:
            ratio = measure(case, Path(folder))
        print(f"training step, {case}: Trainer / hand-written loop = {ratio} (<= 1.05)")


if __name__ == "__main__":
    main()
