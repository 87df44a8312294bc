from __future__ import annotations

import pytest
from tests.balance.methods.steps import named, step

from polytask.balance import Static
from polytask.errors import InputError


def test_weights_are_those_of_the_user() -> None:
    balancer = Static(factors={"b": 2.5, "c": 0.0, "absent": 9.0})
    assert step(balancer, named([1.0, 2.0, 3.0])).tolist() == [1.0, 2.5, 0.0]


@pytest.mark.parametrize("factor", [-1.0, float("nan"), float("inf")])
def test_an_impossible_weight_is_refused(factor: float) -> None:
    with pytest.raises(InputError, match=r"factors: 'b' must be at least 0 and finite"):
        Static(factors={"b": factor})
