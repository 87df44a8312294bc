"""Encoded targets with features that tell them apart, for contract tests.

Shapes: N examples, T longest number of words, D features, O outputs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from polytask.fields import Ragged, Targets
from polytask.tasks import HeadOptions, Output
from polytask.tasks.metrics import Evidence

__all__ = ["Examples", "make_examples"]


@dataclass(frozen=True)
class Examples:
    """A fitted output with the targets of a column, as one batch.

    Args:
        output: the fitted output.
        targets: ``[N, ...]``, or ``[N, T]`` for words.
        mask: the shape of the targets.
        lengths: ``[N]`` the number of words of each row; 0 where the output has one target per row.
    """

    output: Output
    targets: Tensor
    mask: Tensor
    lengths: tuple[int, ...]

    def random_outputs(self, seed: int = 0) -> Tensor:
        """What an untrained head gives: ``[N, O]``, or ``[N, T, O]`` for words."""
        generator = torch.Generator().manual_seed(seed)
        return torch.randn((*self._units, self.output.size), generator=generator)

    @property
    def _units(self) -> tuple[int, ...]:
        """Shape of the things that have a target of their own: examples, or words."""
        return tuple(self.targets.shape[: 2 if self.output.level == "word" else 1])

    def features(self) -> Tensor:
        """``[N, D]`` or ``[N, T, D]``: one indicator per example or word."""
        count = int(np.prod(self._units))
        return torch.eye(count).reshape(*self._units, count)

    def changed_where_masked(self, seed: int = 0) -> Examples:
        """The same, with other valid targets in the place of missing ones."""
        generator = torch.Generator().manual_seed(seed)
        known = self.targets[self.mask]
        draw = torch.randint(len(known), self.targets.shape, generator=generator)
        return replace(self, targets=torch.where(self.mask, self.targets, known[draw]))

    def loss(self, outputs: Tensor) -> Tensor:
        """The loss of all examples as one scalar."""
        weights = self.output.weights(self.targets, self.mask)
        whole = self.output.batch_loss(outputs, self.targets, weights)
        if whole is not None:
            return whole
        return (self.output.losses(outputs, self.targets) * weights).sum() / weights.sum()

    def evidence(self, outputs: Tensor) -> Evidence:
        """What metrics see of these outputs."""
        columns = [
            x.detach().numpy() for x in (self.output.scores(outputs), self.targets, self.mask)
        ]
        ids = np.arange(len(self.targets))
        if self.output.level == "example":
            return Evidence(ids, *columns)
        return Evidence(
            ids, *([row[:n] for row, n in zip(x, self.lengths, strict=True)] for x in columns)
        )

    def trained(self, steps: int = 80) -> Tensor:
        """Outputs of a linear head that has learned these examples by heart."""
        torch.manual_seed(0)
        features = self.features()
        head = self.output.head(features.shape[-1], HeadOptions())
        optimiser = torch.optim.Adam(head.parameters(), lr=0.3)
        for _ in range(steps):
            optimiser.zero_grad()
            self.loss(head(features)).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        outputs: Tensor = head(features).detach()
        return outputs


def make_examples(output: Output, column: np.ndarray) -> Examples:
    """Fit an output on a column and encode it.

    Args:
        output: any output; it need not be fitted.
        column: ``[N, ...]`` a target column.
    """
    fitted = output.fit(column, where="column")
    targets = fitted.encode(column, lambda row: f"row {row + 1}")
    every = torch.arange(len(targets))
    return Examples(fitted, targets.values.take(every), targets.mask.take(every), _lengths(targets))


def _lengths(targets: Targets) -> tuple[int, ...]:
    if isinstance(targets.values, Ragged):
        return tuple(targets.values.lengths.tolist())
    return (0,) * len(targets)
