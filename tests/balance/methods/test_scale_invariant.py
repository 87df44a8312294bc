from __future__ import annotations

import numpy as np
from tests.balance.methods.steps import named, step

from polytask.balance import ScaleInvariant


def test_weights_are_one_over_the_losses() -> None:
    np.testing.assert_allclose(step(ScaleInvariant(), named([0.5, 4.0])), [2.0, 0.25])


def test_a_loss_of_zero_has_weight_zero() -> None:
    assert step(ScaleInvariant(), named([0.0, 4.0])).tolist() == [0.0, 0.25]
