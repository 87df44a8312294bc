from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from tests.balance.methods.gradients import close, random_rows, weights

from polytask.balance import SDMGrad
from polytask.errors import InputError


def test_by_hand() -> None:
    # lengths 1 and 3, mean 2: C = diag(1/4, 9/4); slope C (0.5 + 0.5 closeness) with closeness 1
    balancer = SDMGrad(closeness=1.0, iterations=1, step_size=0.1)
    shares = np.array([0.5 - 0.025, 0.5 - 0.225]) + 0.125
    close(weights(balancer, [[1.0, 0.0], [0.0, 3.0]]), ((shares + 0.5) / 2).tolist())


@pytest.mark.parametrize("priorities", [None, {"b": 3.0}])
def test_many_steps_find_the_minimum(priorities: dict[str, float] | None) -> None:
    rows = random_rows(4, width=6)
    options = {"iterations": 3000, "step_size": 0.1, "momentum": 0.5}
    balancer = SDMGrad(closeness=0.3, priorities=priorities, **options)  # type: ignore[arg-type]
    gramian = (rows @ rows.T).numpy()
    towards = np.ones(4) if priorities is None else np.array([1.0, 3.0, 1.0, 1.0])
    towards = 0.3 * towards / towards.sum()
    found = minimize(
        lambda w: (w + towards) @ gramian @ (w + towards),
        np.full(4, 0.25),
        bounds=[(0, 1)] * 4,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1},
        options={"ftol": 1e-14},
    )
    expected = torch.from_numpy((found.x + towards) / 1.3)
    close(weights(balancer, rows) @ rows, expected @ rows, rtol=1e-4)


def test_far_from_the_mean_and_near_it() -> None:
    rows = random_rows(4, width=6)
    near = weights(SDMGrad(closeness=1e6), rows)
    close(near, [0.25] * 4, rtol=1e-5)


def test_bad_options() -> None:
    for options in ({"closeness": -1.0}, {"iterations": 0}, {"step_size": 0.0}, {"momentum": 1.0}):
        with pytest.raises(InputError, match=next(iter(options))):
            SDMGrad(**options)  # type: ignore[arg-type]
