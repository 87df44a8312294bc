"""Eleven text tasks on MiniLM: what a token budget saves in padding, and in time.

The data is that of the recipe `sentences`; without it (see POLYTASK_DATA) nothing is measured.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from _measure import interleaved

from polytask.data import BatchSize, EncodedSplit, Loader, Stream, StreamOptions
from polytask.data.mixtures import Proportional
from polytask.models import MultiTaskModel
from polytask.recipe import prepare, read_recipe
from polytask.training.losses import batch_losses

CHECKOUT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("POLYTASK_DATA") or CHECKOUT.parent / "shared" / "data")
EXAMPLES, ROUNDS = 128, 9
"""Examples of one measurement, and pairs of measurements."""


def stream(splits: Mapping[str, EncodedSplit], size: BatchSize) -> Stream:
    return Stream(splits, Proportional(), dict.fromkeys(splits, size), StreamOptions())


def padding(source: Stream) -> str:
    """What one epoch of batches is made of."""
    rows = tokens = padded = 0
    for _ in range(source.steps_per_epoch):
        for name, drawn in source.draw().rows.items():
            lengths = source.splits[name].lengths[drawn]
            rows += len(drawn)
            tokens += int(lengths.sum())
            padded += len(drawn) * int(lengths.max())
    steps = source.steps_per_epoch
    return (
        f"{1 - tokens / padded:6.1%} padding, {steps} steps an epoch, "
        f"{rows / steps:.0f} examples and {padded / steps:.0f} tokens a step"
    )


def training(model: MultiTaskModel, source: Stream) -> Callable[[], None]:
    """Train on so many examples; what a call does too much, the next one does less."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
    steps = iter(Loader(source))
    ahead = 0

    def work() -> None:
        nonlocal ahead
        while ahead < EXAMPLES:
            step = next(steps)
            for batch in step.batches:
                outputs = model(batch.fields, batch.rows)
                sum(batch_losses(outputs, batch, model.tasks, step.totals).values()).backward()
                ahead += len(batch)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        ahead -= EXAMPLES

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
    ratio = interleaved(
        training(model, stream(splits, random)),
        training(model, stream(splits, recipe.batch)),
        ROUNDS,
    )
    print(f"examples per second in training, token budget / random: {ratio} (goal: >= 1.4)")


if __name__ == "__main__":
    main()
