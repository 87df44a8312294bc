"""How much of everything the study uses."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Size"]


@dataclass(frozen=True)
class Size:
    """How long the study takes.

    Args:
        steps: of the finetuning of a task; the joint model takes as many for each task.
        heads: training texts that the heads are made of.
        validation: texts of each task that choose factors.
        test: texts of each task that methods are compared on.
        batches: of training texts of each task, for methods that need some.
        rows: texts of such a batch, which are of like length.
        adaptation: steps of the methods that learn from them.
        fisher: of these texts, how many measure the Fisher information of each task.
    """

    steps: int = 200
    heads: int = 1000
    validation: int = 64
    test: int = 400
    batches: int = 32
    rows: int = 16
    adaptation: int = 30
    fisher: int = 128
