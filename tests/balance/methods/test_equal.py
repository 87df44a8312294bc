from __future__ import annotations

from tests.balance.methods.steps import named, step

from polytask.balance import Equal


def test_every_weight_is_one() -> None:
    assert step(Equal(), named([0.0, 1e10, -3.0])).tolist() == [1.0, 1.0, 1.0]
