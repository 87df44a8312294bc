"""Steps of a loss weighting without a model, for the tests of the methods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch

from polytask.balance import LossWeighting, TaskContext

__all__ = ["named", "random_losses", "run", "softmax", "step"]


def named(values: Iterable[float], names: Sequence[str] = "abcdefgh") -> dict[str, torch.Tensor]:
    """Losses of tasks called a, b, ..."""
    return {
        name: torch.tensor(v, dtype=torch.float64) for name, v in zip(names, values, strict=False)
    }


def step(
    balancer: LossWeighting,
    losses: Mapping[str, torch.Tensor],
    context: Mapping[str, TaskContext] | None = None,
) -> np.ndarray:
    """``[K]`` weights of one step, counted as `backward` does."""
    found = balancer.weights(losses, context or {})
    balancer.steps += 1
    return found.numpy()


def run(balancer: LossWeighting, values: np.ndarray) -> np.ndarray:
    """``[T, K]`` weights of steps with the losses ``values [T, K]``."""
    return np.stack([step(balancer, named(row)) for row in values.tolist()])


def random_losses(steps: int, tasks: int, seed: int = 0) -> np.ndarray:
    """``[T, K]`` losses between 0.1 and 3."""
    return np.random.default_rng(seed).uniform(0.1, 3.0, (steps, tasks))


def softmax(values: np.ndarray) -> np.ndarray:
    """Along the last axis."""
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)
