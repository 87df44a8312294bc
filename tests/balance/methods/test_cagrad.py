from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from tests.balance.methods.gradients import close, random_rows, update, weights

from polytask.balance import CAGrad
from polytask.errors import InputError


def by_minimisation(rows: np.ndarray, mean: np.ndarray, c: float) -> np.ndarray:
    """The paper's dual problem with a general solver, on the Gramian of its scale."""
    radius, count = c * np.linalg.norm(mean), len(rows)

    def objective(shares: np.ndarray) -> float:
        mixed = shares @ rows
        return float(mixed @ mean + radius * np.linalg.norm(mixed))

    found = minimize(
        objective,
        np.full(count, 1 / count),
        bounds=[(0, 1)] * count,
        constraints={"type": "eq", "fun": lambda shares: shares.sum() - 1},
        options={"ftol": 1e-15, "maxiter": 1000},
    )
    mixed = found.x @ rows
    update: np.ndarray = mean + radius * mixed / np.linalg.norm(mixed)
    return update


def test_by_hand() -> None:
    # g_0 = (1, 1); of all d within 0.5 |g_0| of it, the one that both like best is 1.5 g_0
    close(update(CAGrad(c=0.5), [[2.0, 0.0], [0.0, 2.0]]), [1.5, 1.5])
    # (1, 0) and (0, 3): g_0 = (0.5, 1.5) helps the first least; w is all on it
    step = 0.1 * 2.5**0.5
    close(update(CAGrad(c=0.1), [[1.0, 0.0], [0.0, 3.0]]), [0.5 + step, 1.5])


@pytest.mark.parametrize("tasks", [2, 3, 8])
@pytest.mark.parametrize("c", [0.2, 0.4, 0.9])
def test_as_a_general_solver(tasks: int, c: float) -> None:
    for seed in range(3):
        rows = random_rows(tasks, seed=seed, width=6)
        expected = by_minimisation(rows.numpy(), rows.mean(0).numpy(), c)
        close(update(CAGrad(c=c), rows), torch.from_numpy(expected), rtol=1e-4)


def test_priorities_weigh_the_mean() -> None:
    rows = random_rows(3, width=6)
    shares = torch.tensor([0.6, 0.2, 0.2]).double()
    expected = by_minimisation(rows.numpy(), (shares @ rows).numpy(), 0.4)
    close(update(CAGrad(priorities={"a": 3.0}), rows), torch.from_numpy(expected), rtol=1e-4)


@pytest.mark.parametrize("scale", [1e-10, 1e-4, 1e15])
def test_no_scale_makes_it_zero(scale: float) -> None:
    """torchjd gives 0 where the normalised gradients mix to less than 1e-4, or are below 1e-2."""
    rows = random_rows(4)
    close(update(CAGrad(), scale * rows) / scale, update(CAGrad(), rows))
    nearly_opposite = torch.tensor([[1.0, 1e-3], [-1.0, 1e-3]]).double()
    found = update(CAGrad(), nearly_opposite)
    close(found, [0.0, 1.4e-3], rtol=1e-6)  # the mean, and 0.4 of its length along it


def test_a_radius_of_zero_is_the_mean() -> None:
    rows = random_rows(3)
    close(update(CAGrad(c=0.0), rows), rows.mean(0))


def test_rescaling() -> None:
    rows = random_rows(3)
    plain = update(CAGrad(c=0.5), rows)
    close(update(CAGrad(c=0.5, rescale="linear"), rows), plain / 1.5)
    close(update(CAGrad(c=0.5, rescale="square"), rows), plain / 1.25)


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="c must be finite and not negative, got -1"):
        CAGrad(c=-1.0)
    with pytest.raises(InputError, match="unknown rescaling 'squared'; did you mean 'square'"):
        CAGrad(rescale="squared")  # type: ignore[arg-type]


def test_opposite_gradients_leave_the_mean() -> None:
    close(weights(CAGrad(), [[1.0, 2.0], [-1.0, -2.0]]), [0.5, 0.5])
