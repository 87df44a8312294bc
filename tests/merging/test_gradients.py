"""Merging in memory is differentiable."""

from __future__ import annotations

import pytest
import torch
from tests.merging.conftest import trained
from torch import Tensor

from polytask.errors import InputError
from polytask.merging import METHODS, merge_state_dicts, prepare_state_dicts

OPTIONS: dict[str, dict[str, float]] = {
    "ties": {"density": 0.6},
    "dare_linear": {"density": 0.5},
    "dare_ties": {"density": 0.5},
    "breadcrumbs": {"density": 0.6, "outliers": 0.2},
    "slerp": {"t": 0.3},
}


@pytest.mark.parametrize("method", list(METHODS))
def test_gradients_are_those_of_finite_differences(method: str) -> None:
    generator = torch.Generator().manual_seed(3)
    inputs = [torch.randn(12, generator=generator, dtype=torch.float64) for _ in range(3)]
    needs_base = METHODS.get(method).contract.needs_base

    def merged(first: Tensor, second: Tensor, third: Tensor) -> Tensor:
        models = [{"w": first}, {"w": second}]
        base = {"w": third} if needs_base else None
        return merge_state_dicts(method, base=base, models=models, **OPTIONS.get(method, {}))["w"]

    if not needs_base:
        last = inputs[2]
        for value in inputs[:2]:
            value.requires_grad_()
        assert torch.autograd.gradcheck(lambda a, b: merged(a, b, last), inputs[:2])
        return
    if METHODS.get(method).contract.random:
        # The masks depend on the content of the models, which finite differences change: there is
        # a gradient for the base alone.
        base = inputs[2].requires_grad_()
        assert torch.autograd.gradcheck(lambda value: merged(*inputs[:2], value), [base])
        return
    for value in inputs:
        value.requires_grad_()
    assert torch.autograd.gradcheck(merged, inputs)


@pytest.mark.parametrize("method", list(METHODS))
def test_values_with_gradients_are_those_without(method: str) -> None:
    base, models = trained(2)
    needs_base = METHODS.get(method).contract.needs_base
    options = OPTIONS.get(method, {})
    plain = merge_state_dicts(method, base=base if needs_base else None, models=models, **options)
    for model in (base, *models):
        for value in model.values():
            value.requires_grad_()
    tracked = merge_state_dicts(method, base=base if needs_base else None, models=models, **options)
    for name, value in tracked.items():
        assert torch.equal(value, plain[name])
        assert value.requires_grad
    torch.stack([value.sum() for value in tracked.values()]).sum().backward()
    gradients = [value.grad for value in models[0].values()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_a_scale_has_a_gradient_and_is_tried_cheaply() -> None:
    base, models = trained(2)
    direction = prepare_state_dicts("ties", base=base, models=models, density=0.5)
    for scale in (0.0, 0.3, 1.0):
        expected = merge_state_dicts("ties", base=base, models=models, density=0.5, scale=scale)
        found = direction.apply(scale)
        assert all(torch.equal(found[name], expected[name]) for name in expected)
    scale_tensor = torch.tensor(0.3, requires_grad=True)
    total = torch.stack([value.sum() for value in direction.apply(scale_tensor).values()]).sum()
    (gradient,) = torch.autograd.grad(total, scale_tensor)
    change = direction.apply(1.0)
    expected_gradient = sum(float((change[name] - base[name]).double().sum()) for name in base)
    assert float(gradient) == pytest.approx(expected_gradient, rel=1e-4)


def test_a_method_of_weights_has_no_direction() -> None:
    base, models = trained(1)
    with pytest.raises(InputError, match="base"):
        prepare_state_dicts("average", base=base, models=models)
