"""Gradients for tests of methods, and what a method makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from polytask.balance import GradientAggregator, GramianWeighting

Rows = Sequence[Sequence[float]] | Tensor


def losses(values: Sequence[float]) -> dict[str, Tensor]:
    """Tasks a, b, c, ... with these losses."""
    return {chr(97 + i): torch.tensor(v, dtype=torch.float64) for i, v in enumerate(values)}


def as_rows(rows: Rows) -> Tensor:
    return torch.as_tensor(rows, dtype=torch.float64)


def weights(
    balancer: GramianWeighting, rows: Rows, values: Sequence[float] | None = None
) -> Tensor:
    """Of a step whose losses are 1 unless given; counted as a step."""
    gradients = as_rows(rows)
    found = balancer.from_gramian(gradients @ gradients.T, losses(values or [1.0] * len(gradients)))
    balancer.steps += 1
    return found


def update(balancer: GramianWeighting, rows: Rows, values: Sequence[float] | None = None) -> Tensor:
    return weights(balancer, rows, values) @ as_rows(rows)


def aggregated(
    balancer: GradientAggregator, rows: Rows, values: Sequence[float] | None = None
) -> Tensor:
    """The update of a step whose losses are 1 unless given; counted as a step."""
    gradients = as_rows(rows).clone()
    found = balancer.from_gradients(gradients, losses(values or [1.0] * len(gradients)))
    balancer.steps += 1
    return found


def random_rows(tasks: int, *, seed: int = 0, width: int = 50) -> Tensor:
    """Gradients of which many pairs conflict."""
    rows = torch.randn(tasks, width, generator=torch.Generator().manual_seed(seed)).double()
    return rows - 0.9 * rows.mean(0)


def close(found: Tensor, expected: Rows | Sequence[float], *, rtol: float = 1e-9) -> None:
    torch.testing.assert_close(
        found, torch.as_tensor(expected, dtype=torch.float64), rtol=rtol, atol=1e-12
    )
