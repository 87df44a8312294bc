"""What holds for every weighting of losses, with all its forms."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.balance.methods.steps import named, step

from polytask.balance import BALANCERS, Balancer, LossWeighting, TaskContext, backward, get
from polytask.errors import InputError
from polytask.testing import BalancerContract
from polytask.testing.balancers import assert_equal
from polytask.testing.problem import NAMES

Options = Mapping[str, Any]
FORMS: list[tuple[str, Options]] = [
    ("static", {"factors": {NAMES[0]: 2.0, NAMES[3]: 0.0}}),
    ("dwa", {"period": 1}),
    ("rlw", {"distribution": "uniform"}),
    ("rlw", {"distribution": "dirichlet", "seed": 5}),
    ("rlw", {"distribution": "bernoulli"}),
    ("rlw", {"distribution": "constrained", "chosen": 2}),
    ("stch", {"form": "plain", "smoothing": 0.1, "preferences": {NAMES[1]: 2.0}}),
    ("stch", {"warm_up": 1, "period": 2, "smoothing": 0.5, "preferences": {NAMES[1]: 2.0}}),
    ("famo", {"lower_bounds": {NAMES[1]: -1.0}, "weight_decay": 0.1}),
    ("coba", {"window": 3, "warm_up": 3}),
    ("go4align", {"groups": 3, "step_size": 0.1}),
    ("pbi", {"penalty": 0.5, "preferences": {NAMES[1]: 2.0}, "ideal": {NAMES[2]: 0.1}}),
    ("focal", {"focus": 2.0, "smoothing": 1.0}),
    ("task_normalised", {"mean_over": "examples"}),
    ("bandit_weights", {"limit": 0.05}),
    ("convergence_plateau", {"patience": 0, "rest": 0, "every": 3}),
]
"""Forms that differ from the defaults in what they do."""

PLAIN: list[tuple[str, Options]] = [
    (name, {}) for name in BALANCERS if issubclass(BALANCERS.get(name), LossWeighting)
]
POSITIVE = ["geometric_mean", "scale_invariant", "imtl_l", "stch", "famo", "go4align", "focal"]
PROMISES = [name for name in vars(BalancerContract) if name.startswith("test_")]
RELATIVE = ["rlw", "famo", "coba", "go4align", "pbi", "task_normalised", "bandit_weights"]
"""Weights that are shares of the tasks: one task alone has all."""

every = pytest.mark.parametrize(
    ("name", "options"), PLAIN + FORMS, ids=lambda x: x if isinstance(x, str) else "-".join(x)
)


def make(name: str, options: Options) -> LossWeighting:
    balancer = get(name, **options)
    assert isinstance(balancer, LossWeighting)
    return balancer


def known(names: tuple[str, ...]) -> dict[str, TaskContext]:
    return {n: TaskContext(classes=2 + i, examples=1 + i, tokens=3) for i, n in enumerate(names)}


def observed(losses: Mapping[str, torch.Tensor]) -> dict[str, float]:
    return {name: float(loss) for name, loss in losses.items()}


@every
@pytest.mark.parametrize("tasks", [1, 2, 40])
def test_losses_of_any_size_give_finite_weights(name: str, options: Options, tasks: int) -> None:
    balancer, random = make(name, options), np.random.default_rng(tasks)
    names = tuple(f"task {i}" for i in range(tasks))
    for _ in range(6):
        losses = named(10 ** random.uniform(-10, 10, tasks), names)
        weights = step(balancer, losses, known(names))
        assert weights.shape == (tasks,)
        assert weights.dtype == np.float64
        assert np.isfinite(weights).all()
        balancer.observe(observed(losses))


@every
def test_losses_of_zero_give_finite_weights(name: str, options: Options) -> None:
    balancer = make(name, options)
    for values in ([0.0, 1.0, 0.0, 2.0], [0.0] * 4, [1.0] * 4, [0.0, 0.0, 3.0, 1.0]):
        losses = named(values, NAMES)
        assert np.isfinite(step(balancer, losses, known(NAMES))).all()
        balancer.observe(observed(losses))


@settings(deadline=None, max_examples=10)
@given(order=st.permutations(range(4)))
@every
def test_weights_belong_to_tasks_and_not_to_places(
    name: str, options: Options, order: list[int]
) -> None:
    first, second = make(name, options), make(name, options)
    for row in np.random.default_rng(0).uniform(0.1, 3, (5, 4)):
        losses = named(row, NAMES)
        moved = {NAMES[i]: losses[NAMES[i]] for i in order}
        expected = step(first, losses, known(NAMES))
        found = step(second, moved, known(NAMES))
        np.testing.assert_allclose(found, expected[order], rtol=1e-9, atol=1e-12)
        first.observe(observed(losses))
        second.observe(observed(moved))


@every
def test_one_task_alone_is_ordinary_training(name: str, options: Options) -> None:
    balancer, parameter = make(name, options), torch.tensor(3.0, requires_grad=True)
    for _ in range(3):
        parameter.grad = None
        loss = {NAMES[1]: parameter.square()}
        info = backward(loss, balancer, shared=[parameter], context=known(NAMES))
        assert info.weights is not None
        if name in RELATIVE:
            assert float(info.weights) == pytest.approx(1.0)
        torch.testing.assert_close(parameter.grad, 6 * info.weights[0].float())


@pytest.mark.parametrize("name", POSITIVE)
def test_a_negative_loss_is_named(name: str) -> None:
    with pytest.raises(InputError, match="'b'"):
        step(make(name, {}), named([1.0, -0.5, 2.0]))


@every
def test_an_overflow_leaves_the_state(name: str, options: Options) -> None:
    balancer = make(name, options)
    step(balancer, named([1.0, 2.0], NAMES), known(NAMES))
    before = deepcopy(balancer.state_dict())
    for value in (float("inf"), float("nan")):
        found = balancer.known_weights(named([1.0, value], NAMES), known(NAMES))
        assert found.isnan().all()
    assert_equal(balancer.state_dict(), before)


@every
def test_the_options_are_told(name: str, options: Options) -> None:
    spec = BALANCERS.spec(make(name, options))
    assert spec == {"type": name, **options}
    assert BALANCERS.spec(BALANCERS.build(spec)) == spec


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize(
    ("name", "options"), FORMS, ids=lambda x: x if isinstance(x, str) else "-".join(x)
)
def test_every_form_keeps_the_contract(name: str, options: Options, promise: str) -> None:
    class Tested(BalancerContract):
        def balancer(self) -> Balancer:
            return get(name, **options)

    getattr(Tested(), promise)()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("uncertainty", {"learning_rate": 0.0}),
        ("dwa", {"temperature": 0.0}),
        ("dwa", {"period": 0}),
        ("rlw", {"chosen": 0}),
        ("imtl_l", {"learning_rate": 0.0}),
        ("stch", {"smoothing": 0.0}),
        ("stch", {"warm_up": -1}),
        ("stch", {"preferences": {"a": 0.0}}),
        ("famo", {"learning_rate": 0.0}),
        ("famo", {"weight_decay": -1.0}),
        ("famo", {"lower_bounds": {"a": float("nan")}}),
        ("coba", {"warm_up": 1}),
        ("coba", {"warm_up": 6}),
        ("coba", {"temperature": 0.0}),
        ("go4align", {"groups": 0}),
        ("go4align", {"step_size": -1.0}),
        ("pbi", {"penalty": -1.0}),
        ("pbi", {"preferences": {"a": -1.0}}),
        ("focal", {"focus": -1.0}),
        ("focal", {"smoothing": 0.0}),
        ("bandit_weights", {"limit": 0.0}),
        ("bandit_weights", {"step_size": 0.0}),
        ("convergence_plateau", {"every": 0}),
        ("convergence_plateau", {"improvement": 1.0}),
        ("convergence_plateau", {"rest": -1}),
    ],
)
def test_an_option_out_of_range_is_refused(name: str, options: Options) -> None:
    with pytest.raises(InputError, match=next(iter(options))):
        get(name, **options)
