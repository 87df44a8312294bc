from __future__ import annotations

import numpy as np
import pytest
from tests.balance.methods.steps import named, random_losses, softmax, step

from polytask.balance import CoBa
from polytask.errors import InputError


def observe(balancer: CoBa, values: np.ndarray, names: str = "abcdefgh") -> None:
    for row in values:
        balancer.observe(dict(zip(names, row.tolist(), strict=False)))


def weights(balancer: CoBa, tasks: int) -> np.ndarray:
    return step(balancer, named([1.0] * tasks))


def shares(values: np.ndarray, axis: int) -> np.ndarray:
    return values / np.abs(values).sum(axis, keepdims=True)


def expected(losses: np.ndarray, *, window: int, warm_up: int, tau: float) -> np.ndarray:
    """The weights after losses ``[T, K]``, written down from the paper's equations."""
    ratios, tasks = losses / losses[0], losses.shape[1]
    slopes = []
    for end in range(warm_up, len(losses) + 1):
        newest = ratios[max(end - window, 0) : end]
        slopes.append(np.polyfit(np.arange(len(newest)), newest, 1)[0])
    a = np.array(slopes)
    relative = softmax(tasks * shares(a[-1], 0))
    recent = a[-window:]
    absolute = softmax(-len(recent) * shares(recent, 0)[-1])
    largest = a.max(1)
    count = len(largest)
    factor = min(1.0, count * softmax(-tau * count * shares(largest, 0))[-1])
    return factor * relative + (1 - factor) * absolute


def test_weights_are_equal_until_there_is_a_slope() -> None:
    balancer = CoBa(warm_up=3)
    observe(balancer, np.array([[1.0, 2.0], [0.5, 2.0]]))
    assert weights(balancer, 2).tolist() == [0.5, 0.5]
    observe(balancer, np.array([[0.2, 2.0]]))
    assert weights(balancer, 2)[1] > 0.5


@pytest.mark.parametrize("length", [3, 5, 9, 25])
@pytest.mark.parametrize(("window", "warm_up"), [(2, 2), (5, 2), (6, 4)])
def test_weights_follow_the_equations(length: int, window: int, warm_up: int) -> None:
    losses = random_losses(max(length, warm_up), 3)
    balancer = CoBa(window=window, warm_up=warm_up, temperature=2.0)
    observe(balancer, losses)
    wanted = expected(losses, window=window, warm_up=warm_up, tau=2.0)
    np.testing.assert_allclose(weights(balancer, 3), wanted, rtol=1e-9)


def test_of_two_tasks_that_converge_the_slower_one_gets_more() -> None:
    balancer = CoBa()
    observe(balancer, np.array([[1.0, 1.0], [0.8, 0.9], [0.6, 0.8], [0.4, 0.7]]))
    # Steady slopes -0.2 and -0.1: DF is 1, RCS the softmax of 2 x (-2/3, -1/3).
    np.testing.assert_allclose(weights(balancer, 2), softmax(np.array([-4 / 3, -2 / 3])))


def test_a_task_that_diverges_gets_less() -> None:
    balancer = CoBa()
    falling = 1 - 0.1 * np.arange(6)
    observe(balancer, np.stack([falling, falling], axis=1))
    observe(balancer, np.array([[0.4, 0.9], [0.3, 1.6], [0.2, 2.5]]))
    assert weights(balancer, 2)[1] < 0.2


def test_a_subset_has_the_weights_of_all_divided_by_their_sum() -> None:
    balancer = CoBa()
    observe(balancer, random_losses(6, 3))
    a, _, c = weights(balancer, 3)
    found = step(balancer, named([1.0, 1.0], "ca"))
    np.testing.assert_allclose(found, np.array([c, a]) / (a + c))


def test_a_task_observed_late_joins_the_others() -> None:
    balancer = CoBa()
    losses = random_losses(6, 2)
    observe(balancer, losses[:3, :1])
    observe(balancer, losses[3:])
    assert weights(balancer, 2).sum() == pytest.approx(1.0)
    assert len(balancer.slopes.values["a"]) == 5
    assert len(balancer.slopes.values["b"]) == 2


def test_steady_and_zero_losses_are_finite() -> None:
    balancer = CoBa()
    observe(balancer, np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]]))
    assert weights(balancer, 2).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("loss", [-1.0, float("nan"), float("inf")])
def test_an_impossible_validation_loss_is_named(loss: float) -> None:
    with pytest.raises(InputError, match="CoBa: the validation loss of 'b' must be finite"):
        CoBa().observe({"a": 1.0, "b": loss})
