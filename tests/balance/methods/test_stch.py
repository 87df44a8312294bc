from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.balance.methods.steps import named, random_losses, run, softmax, step

from polytask.balance import STCH
from polytask.errors import InputError


def test_plain_weights_by_hand() -> None:
    found = step(STCH(form="plain", smoothing=0.5), named([1.0, 3.0]))
    np.testing.assert_allclose(found, softmax(np.array([1.0, 3.0])) / 2)  # 1/2 L / mu = L


def test_plain_weights_are_the_derivatives_of_the_total() -> None:
    values = torch.tensor(random_losses(1, 3)[0], requires_grad=True)
    shares = torch.tensor([0.5, 0.25, 0.25])
    (0.1 * torch.logsumexp(shares * values / 0.1, 0)).backward()
    balancer = STCH(form="plain", smoothing=0.1, preferences={"a": 2.0})
    np.testing.assert_allclose(step(balancer, named(values.tolist())), values.grad)


def test_log_form_warms_up_averages_and_takes_the_smooth_maximum() -> None:
    values = random_losses(12, 3)
    reference = values[4:7].mean(0)
    expected = 1 / values
    ratios = np.log(values[7:] / reference)
    expected[7:] *= 3 * softmax(ratios / 0.7)
    found = run(STCH(warm_up=4, period=3, smoothing=0.7), values)
    np.testing.assert_allclose(found, expected)


def test_log_form_with_preferences_is_the_derivative_of_its_total() -> None:
    balancer = STCH(warm_up=0, period=1, preferences={"b": 3.0})
    importance = torch.tensor([0.5, 1.5])
    np.testing.assert_allclose(step(balancer, named([2.0, 4.0])), [0.25, 0.375])
    values = torch.tensor([1.0, 5.0], dtype=torch.float64, requires_grad=True)
    ratios = importance * torch.log(values / torch.tensor([2.0, 4.0]))
    (2 * torch.logsumexp(ratios, 0)).backward()
    np.testing.assert_allclose(step(balancer, named([1.0, 5.0])), values.grad)


def test_a_late_task_takes_its_first_positive_loss_for_reference() -> None:
    balancer = STCH(warm_up=0, period=1)
    step(balancer, named([2.0, 0.0]))
    assert step(balancer, named([2.0, 0.0])).tolist() == [1.0, 0.0]
    np.testing.assert_allclose(step(balancer, named([2.0, 4.0, 8.0])), [0.5, 0.25, 0.125])
    found = step(balancer, named([2.0, 8.0, 8.0]))
    np.testing.assert_allclose(found, 3 * np.array([1, 2, 1]) / 4 / [2, 8, 8])


def test_the_worst_task_takes_all_as_the_smoothing_goes_to_zero() -> None:
    for form in ("plain", "log"):
        balancer = STCH(form=form, smoothing=1e-9, warm_up=0, period=0)
        step(balancer, named([1.0, 1.0, 1.0]))
        weights = step(balancer, named([1.0, 2.0, 1.5]))
        assert weights[[0, 2]].tolist() == [0.0, 0.0]
        assert weights[1] > 0


def test_an_unknown_form_is_answered() -> None:
    with pytest.raises(InputError, match="unknown form 'plane'; did you mean 'plain'"):
        STCH(form="plane")  # type: ignore[arg-type]
