from __future__ import annotations

import pytest
import torch
from scipy.optimize import least_squares
from tests.balance.methods.gradients import close, random_rows, update, weights
from torchjd.aggregation import FairGradWeighting

from polytask.balance import FairGrad, NashMTL
from polytask.errors import InputError


def test_by_hand() -> None:
    # orthogonal gradients: a_k |g_k|^2 = a_k^(-1/2), so a_k = |g_k|^(-4/3)
    close(weights(FairGrad(), [[8.0, 0.0], [0.0, 27.0]]), [1 / 16, 1 / 81])


@pytest.mark.parametrize(("alpha", "spread"), [(0.5, 3), (1.0, 6), (2.0, 6), (8.0, 3)])
@pytest.mark.parametrize("tasks", [2, 5, 20])
def test_the_equation_holds(tasks: int, alpha: float, spread: int) -> None:
    """Lengths up to 1e12 apart; further from 1, cosines with the update drop below rounding."""
    lengths = torch.logspace(-spread, spread, tasks, dtype=torch.float64)
    rows = lengths[:, None] * random_rows(tasks)
    found = weights(FairGrad(alpha=alpha), rows)
    close((rows @ (found @ rows)) * found ** (1 / alpha), torch.ones(tasks), rtol=1e-8)


def test_equal_collinear_and_zero_gradients() -> None:
    rows = random_rows(5)
    rows = torch.cat([rows, rows[:1], 1e6 * rows[1:2], torch.zeros(1, rows.shape[1])])
    found = weights(FairGrad(), rows)
    gains = rows[:-1] @ (found @ rows)
    close(gains * found[:-1].sqrt(), torch.ones(7), rtol=1e-8)
    close(found[0], found[5])
    assert found[-1] == 0


def test_with_alpha_one_it_is_nash_mtl() -> None:
    rows = random_rows(5)
    close(weights(FairGrad(alpha=1.0), rows), weights(NashMTL(), rows))


@pytest.mark.parametrize("tasks", [2, 5])
def test_as_torchjd(tasks: int) -> None:
    """Its least squares stop at 1e-8 of their value, which is less exact than ours."""
    rows = random_rows(tasks, width=5)
    close(weights(FairGrad(), rows), FairGradWeighting(alpha=2.0)(rows @ rows.T), rtol=1e-4)


def test_priorities_weigh_the_terms_of_the_sum() -> None:
    rows = random_rows(3, width=5)
    gramian, given = (rows @ rows.T).numpy(), torch.tensor([2.4, 0.3, 0.3]).double().numpy()
    solved = least_squares(
        lambda a: gramian @ a - (given / a) ** 0.5, [0.3] * 3, bounds=(1e-9, 99), xtol=1e-15
    )
    found = weights(FairGrad(priorities={"a": 8.0}), rows)
    close(found, torch.from_numpy(solved.x), rtol=1e-5)


def test_between_opposite_gradients_float32_keeps_the_others() -> None:
    """The weights of those that cancel are so large that float32 has two digits of the rest."""
    rows = torch.cat([random_rows(3), -random_rows(3)[:1]])
    found = weights(FairGrad(), rows)
    assert found.isfinite().all()
    exact = found @ rows
    rounded = found.float() @ rows.float()
    assert (rounded - exact).norm() < 0.01 * exact.norm()
    assert (rows[1:3] @ exact > 0).all()
    assert (rows[0] @ exact).abs() < 0.02 * rows[0].norm() * exact.norm()


def test_what_is_nearly_opposite_gives_an_update_that_fades() -> None:
    lengths = []
    for angle in (1e-2, 1e-4, 1e-6, 0.0):
        turn = torch.tensor(angle).double()
        lengths.append(float(update(FairGrad(), [[1.0, 0.0], [-turn.cos(), turn.sin()]]).norm()))
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[-1] < 1e-6


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="alpha must be positive and finite, got 0"):
        FairGrad(alpha=0.0)
