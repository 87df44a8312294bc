from __future__ import annotations

import math

import pytest
import torch
from scipy.optimize import least_squares
from tests.balance.methods.gradients import close, random_rows, weights

from polytask.balance import PIVRG, FairGrad
from polytask.errors import InputError

BASELINES = {"a": 1.0, "b": 2.0, "c": 4.0}


def test_before_any_validation_it_is_fair_grad() -> None:
    rows = random_rows(3)
    close(weights(PIVRG(baselines=BASELINES), rows), weights(FairGrad(), rows))


@pytest.mark.parametrize(
    ("observed", "temperature"),
    [((1.02, 2.1, 4.0), 10.0), ((1.5, 2.0, 4.0), 50 / math.log(2))],
)
def test_as_a_general_solver(observed: tuple[float, ...], temperature: float) -> None:
    """Deficits of 2, 5 and 0 per cent are below the least temperature, of 50, 0 and 0 above."""
    balancer, rows = PIVRG(baselines=BASELINES), random_rows(3, width=5)
    balancer.observe(dict(zip("abc", observed, strict=True)))
    deficits = torch.tensor([observed[0] - 1, observed[1] / 2 - 1, observed[2] / 4 - 1]) * 100
    needs = 3 * torch.softmax(deficits.double() / temperature, 0)
    gramian = (rows @ rows.T).numpy()
    solved = least_squares(
        lambda a: gramian @ a - (needs.numpy() / a) ** 0.5, [0.3] * 3, bounds=(1e-9, 99), xtol=1e-15
    )
    close(weights(balancer, rows), torch.from_numpy(solved.x), rtol=1e-5)


def test_the_task_that_is_worst_off_gains() -> None:
    balancer, rows = PIVRG(baselines=BASELINES), random_rows(3)
    before = rows @ (weights(balancer, rows) @ rows)
    balancer.observe({"b": 4.0})
    after = rows @ (weights(balancer, rows) @ rows)
    assert (after / before).argmax() == 1


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="pivrg: baselines: unknown task 'x'"):
        PIVRG(baselines=BASELINES).observe({"x": 1.0})
    with pytest.raises(InputError, match="baselines: 'a' must be positive and finite"):
        PIVRG(baselines={"a": 0.0})
    with pytest.raises(InputError, match="bound must be above 1"):
        PIVRG(baselines=BASELINES, bound=1.0)
    with pytest.raises(InputError, match="leave priorities out"):
        PIVRG(baselines=BASELINES, priorities={"a": 1.0})
