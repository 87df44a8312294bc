"""Eleven text tasks on MiniLM: what a token budget saves in padding, and in time.

The data is that of the recipe `sentences`; without it (see POLYTASK_DATA) nothing is measured.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from _measure import interleaved

from polytask.data import Batch, BatchSize, EncodedSplit, Stream, StreamOptions, collate
from polytask.data.mixtures import Proportional
from polytask.data.stream import Draw
from polytask.models import MultiTaskModel
from polytask.recipe import prepare, read_recipe
from polytask.training.losses import batch_losses

CHECKOUT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("POLYTASK_DATA") or CHECKOUT.parent / "shared" / "data")
STEPS, ROUNDS = 12, 5
"""Steps of one measurement, and pairs of measurements."""


def stream(splits: Mapping[str, EncodedSplit], size: BatchSize) -> Stream:
    return Stream(splits, Proportional(), dict.fromkeys(splits, size), StreamOptions())


def epoch(source: Stream) -> list[Draw]:
    return [source.draw() for _ in range(source.steps_per_epoch)]


def sizes(source: Stream, draw: Draw) -> tuple[int, int, int]:
    """Rows, tokens, and tokens with padding of a step."""
    ((name, rows),) = draw.rows.items()
    lengths = source.splits[name].lengths[rows]
    return len(rows), int(lengths.sum()), len(rows) * int(lengths.max())


def padding(source: Stream) -> str:
    """What one epoch of batches is made of."""
    rows, tokens, padded = np.sum([sizes(source, draw) for draw in epoch(source)], axis=0)
    steps = source.steps_per_epoch
    return (
        f"{1 - tokens / padded:6.1%} padding, {steps} steps an epoch, "
        f"{rows / steps:.0f} examples and {padded / steps:.0f} tokens a step"
    )


def sample(source: Stream) -> list[Batch]:
    """Batches that stand for an epoch: evenly spaced among all of them, sorted by their cost."""
    draws = sorted(epoch(source), key=lambda draw: sizes(source, draw)[2])
    spaced = ((np.arange(STEPS) + 0.5) * len(draws) / STEPS).astype(int)
    return [
        collate([(source.splits[name], rows)])
        for index in spaced
        for name, rows in draws[index].rows.items()
    ]


def training(model: MultiTaskModel, batches: Sequence[Batch]) -> Callable[[], None]:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)

    def work() -> None:
        for batch in batches:
            totals = {name: float(len(batch)) for name in batch.tasks}
            outputs = model(batch.fields, batch.rows)
            sum(batch_losses(outputs, batch, model.tasks, totals).values()).backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)

    return work


def main() -> None:
    if not DATA.is_dir():
        print(f"not measured: {DATA} is no folder (set POLYTASK_DATA)")
        return
    os.environ["POLYTASK_DATA"] = str(DATA.resolve())
    recipe, folder = read_recipe(CHECKOUT / "recipes" / "sentences" / "recipe.yaml")
    prepared = prepare(recipe, folder=folder)
    model = prepared.model(prepared.tasks, seed=0).train()
    splits = prepared.encode("train", model)
    random = BatchSize(examples=32)
    print(f"random:       {padding(stream(splits, random))}")
    grouped = BatchSize(examples=32, group_by_length=True)
    print(f"grouped:      {padding(stream(splits, grouped))}")
    print(f"token budget: {padding(stream(splits, recipe.batch))} (goal: <= 4% padding)")
    one, other = stream(splits, random), stream(splits, recipe.batch)
    ratio = interleaved(training(model, sample(one)), training(model, sample(other)), ROUNDS)
    # Both epochs hold the same examples, in different numbers of steps.
    whole = ratio.times(one.steps_per_epoch / other.steps_per_epoch)
    print(f"examples per second in training, token budget / random: {whole} (goal: >= 1.4)")


if __name__ == "__main__":
    main()
