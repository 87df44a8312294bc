from __future__ import annotations

import math

import pytest
import torch
from tests.balance.methods.gradients import close, random_rows, update, weights

from polytask.balance import NashMTL
from polytask.errors import InputError


def test_by_hand() -> None:
    # orthogonal gradients: a_k |g_k|^2 = 1 / a_k
    close(weights(NashMTL(), [[2.0, 0.0], [0.0, 5.0]]), [0.5, 0.2])
    # G = ((1, 1), (1, 2)) for (1, 0) and (1, 1): a^2 + ab = 1, ab + 2 b^2 = 1, so a = b sqrt 2
    second = 1 / math.sqrt(2 + math.sqrt(2))
    close(weights(NashMTL(), [[1.0, 0.0], [1.0, 1.0]]), [math.sqrt(2) * second, second])


@pytest.mark.parametrize("tasks", [2, 5, 20])
def test_the_equation_holds_and_the_length_is_the_root_of_k(tasks: int) -> None:
    rows = torch.logspace(-6, 6, tasks, dtype=torch.float64)[:, None] * random_rows(tasks)
    found = weights(NashMTL(), rows)
    close((rows @ (found @ rows)) * found, torch.ones(tasks), rtol=1e-7)
    close((found @ rows).norm(), tasks**0.5, rtol=1e-7)


def test_the_product_of_the_gains_is_the_largest() -> None:
    rows = random_rows(3, width=4)
    best = update(NashMTL(), rows)
    product = (rows @ best).log().sum()
    generator = torch.Generator().manual_seed(0)
    others = best + 0.1 * torch.randn(1000, 4, generator=generator).double()
    others *= best.norm() / others.norm(dim=1, keepdim=True)
    gains = (others @ rows.T).clamp(min=1e-30).log().sum(1)
    assert (gains <= product).all()


def test_priorities_are_powers_in_the_product() -> None:
    # orthogonal gradients: a_k |g_k|^2 = p_k / a_k with p = (1.5, 0.5)
    found = weights(NashMTL(priorities={"a": 3.0}), [[2.0, 0.0], [0.0, 5.0]])
    close(found, [1.5**0.5 / 2, 0.5**0.5 / 5])
    rows = random_rows(5)
    found = weights(NashMTL(priorities={"a": 6.0}), rows)
    close((rows @ (found @ rows)) * found, [3.0, 0.5, 0.5, 0.5, 0.5])


def test_max_norm_scales_as_the_authors_code() -> None:
    rows = 1e-3 * random_rows(3)
    gramian = rows @ rows.T
    plain, scaled = weights(NashMTL(), rows), weights(NashMTL(max_norm=1.0), rows)
    close(scaled, plain * gramian.norm().sqrt())
    close(update(NashMTL(max_norm=1.0), 1e6 * rows).norm(), 1.0)


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="max_norm must be positive, got 0"):
        NashMTL(max_norm=0.0)
