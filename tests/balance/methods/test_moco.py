from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import brentq
from tests.balance.methods.gradients import aggregated, close, losses, random_rows

from polytask.balance import MGDA, MoCo
from polytask.errors import InputError


def test_by_hand() -> None:
    # y = g / 2 = (1, 0) and (0, 2); shares (0.5, 0.5) - 0.1 (0.5, 2) = (0.45, 0.3), and 1/8 more
    found = aggregated(MoCo(normalise=False), [[2.0, 0.0], [0.0, 4.0]])
    close(found, [0.575, 0.85])
    # lengths of 1 and 2, which are the losses, halved: the same of (0.5, 0) and (0, 1)
    found = aggregated(MoCo(), [[2.0, 0.0], [0.0, 4.0]], [1.0, 2.0])
    shares = np.array([0.5 - 0.1 * 0.125, 0.5 - 0.1 * 0.5])
    shares += (1 - shares.sum()) / 2
    close(found, shares * [0.5, 1.0])


def nearest(values: np.ndarray) -> np.ndarray:
    """The projection onto the simplex by a search for its level."""
    low = values.min() - 1
    level = brentq(lambda t: np.maximum(values - t, 0).sum() - 1, low, values.max(), xtol=1e-15)
    return np.maximum(values - level, 0)


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_as_the_algorithm(normalise: bool, ridge: float) -> None:
    balancer = MoCo(normalise=normalise, ridge=ridge, step_size=0.3, step_size_decay=0.2)
    tracked, shares, rng = np.zeros((4, 6)), np.full(4, 0.25), np.random.default_rng(0)
    for time in range(1, 21):
        rows, values = random_rows(4, seed=time, width=6).numpy(), rng.uniform(0.5, 2, 4)
        seen = rows * (values / np.linalg.norm(rows, axis=1))[:, None] if normalise else rows
        tracked = tracked - 0.5 / time**0.5 * (tracked - seen)
        slope = (tracked @ tracked.T + ridge * np.eye(4)) @ shares
        shares = nearest(shares - 0.3 / time**0.2 * slope)
        found = aggregated(balancer, torch.from_numpy(rows), values.tolist())
        close(found, shares @ tracked, rtol=1e-8)


def test_of_constant_gradients_it_finds_the_shortest_vector() -> None:
    rows = random_rows(4, width=6) / 2
    balancer = MoCo(normalise=False, tracking_decay=0.0, step_size_decay=0.0)
    for _ in range(2000):
        found = aggregated(balancer, rows)
    expected = MGDA().from_gramian(rows @ rows.T, losses([1.0] * 4)) @ rows
    close(found, expected, rtol=1e-6)


def test_noise_is_averaged_out() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).double()
    generator = torch.Generator().manual_seed(0)
    balancer = MoCo(normalise=False)
    for _ in range(3000):
        found = aggregated(balancer, rows + torch.randn(2, 2, generator=generator))
    assert (found - 0.5).norm() < 0.1


def test_absent_tasks_keep_their_weight() -> None:
    balancer = MoCo()
    aggregated(balancer, random_rows(3), [1.0, 2.0, 3.0])
    before = balancer.weight.get("abc")
    aggregated(balancer, random_rows(2, seed=1), [1.0, 2.0])
    after = balancer.weight.get("abc")
    assert after[2] == before[2]
    close(after.sum(), before.sum())
    assert not torch.equal(after[:2], before[:2])


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="tracking must be above 0 and at most 1"):
        MoCo(tracking=0.0)
    with pytest.raises(InputError, match="moco: ridge must not be negative, got -1"):
        MoCo(ridge=-1.0)
    with pytest.raises(InputError, match="leave priorities out"):
        MoCo(priorities={"a": 1.0})
    with pytest.raises(InputError, match="moco: the loss of 'b' is negative"):
        aggregated(MoCo(), random_rows(2), [1.0, -1.0])
