"""Masks over task vectors that are learned without labels."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.merging.learning.problems import line, narrow, problem
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.merging import (
    Experts,
    InnerLevel,
    Masked,
    adamerging,
    concrete,
    entropy,
    merge_state_dicts,
)
from polytask.merging.learning.changes import Changes
from polytask.merging.learning.masked_merge import MaskedMerge
from polytask.merging.learning.masks import ConcreteMask, rescaled

ALL = 60.0
"""A logit with which every element is kept, whatever is drawn."""


def mask_of(experts: Experts, *, seed: int = 0, **options: float) -> ConcreteMask:
    chosen = {"initial_logits": 0.0, "temperature": 0.5, **options}
    return ConcreteMask(Changes(experts), seed=seed, **chosen)


def merge_of(experts: Experts, mask: ConcreteMask, **options: Any) -> MaskedMerge:
    chosen: dict[str, Any] = {"scale": 0.3, "inner": None, "loss": entropy, **options}
    return MaskedMerge(experts, Changes(experts), mask, **chosen)


def wide(experts: Experts) -> Experts:
    """The same in float64."""
    return replace(
        experts,
        model=experts.model.double(),
        base={name: value.double() for name, value in experts.base.items()},
        models={
            task: {name: value.double() for name, value in state.items()}
            for task, state in experts.models.items()
        },
    )


def test_a_mask_by_hand() -> None:
    drawn = mask_of(line([0.0, 0.0], a=[1.0, 2.0]), seed=3, initial_logits=0.4, temperature=0.7)
    uniform = torch.rand(2, generator=torch.Generator().manual_seed(3)).tolist()
    wanted = [1 / (1 + math.exp(-(0.4 + math.log(u / (1 - u))) / 0.7)) for u in uniform]
    assert drawn.sample()["weight"].tolist() == pytest.approx(wanted)


def test_masks_are_those_of_the_binary_concrete_distribution() -> None:
    logits = torch.linspace(-4, 4, 50)
    drawn = mask_of(line([0.0] * 50, a=[1.0] * 50), seed=5)
    drawn.logits["weight"] = nn.Parameter(logits)
    with torch.random.fork_rng():
        torch.manual_seed(5)
        temperature = torch.tensor(0.5)
        wanted = torch.distributions.RelaxedBernoulli(temperature, logits=logits).rsample()
    torch.testing.assert_close(drawn.sample()["weight"].detach(), wanted)


@pytest.mark.parametrize("logit", [-1.0, 0.0, 2.0])
@pytest.mark.parametrize("temperature", [0.1, 0.5, 2.0])
def test_a_logit_is_a_chance(logit: float, temperature: float) -> None:
    size = 20_000
    experts = line([0.0] * size, a=[1.0] * size)
    options = {"initial_logits": logit, "temperature": temperature, "steps": 0}
    found = concrete(experts, binary=True, **options)  # type: ignore[arg-type]
    assert set(found.mask["weight"].unique().tolist()) == {0.0, 1.0}
    assert found.kept == pytest.approx(1 / (1 + math.exp(-logit)), abs=0.015)


def test_a_mask_is_divided_by_its_mean() -> None:
    torch.testing.assert_close(
        rescaled(torch.tensor([1.0, 0.5, 0.0, 0.5])), torch.tensor([2.0, 1.0, 0.0, 1.0])
    )
    assert rescaled(torch.zeros(3)).tolist() == [0.0, 0.0, 0.0]


def test_kept_is_the_mean_over_all_elements() -> None:
    mask = {"a": torch.tensor([1.0, 0.0, 0.0]), "b": torch.tensor([[0.5]])}
    assert Masked({}, {}, mask, []).kept == pytest.approx(1.5 / 4)


@pytest.mark.parametrize("binary", [True, False])
def test_the_model_follows_from_the_mask(binary: bool) -> None:
    experts = line([0.5, -1.0, 2.0, 0.0], a=[1.0, 2.0, 2.5, 0.0], b=[0.0, 1.0, 3.0, 1.0])
    found = concrete(experts, scale=0.7, steps=3, rate=0.5, binary=binary, seed=4)
    mask = found.mask["weight"]
    assert set(mask.tolist()) == {0.0, 1.0} if binary else len(set(mask.tolist())) == 4
    change = torch.tensor([0.0, 5.0, 1.5, 1.0])
    wanted = experts.base["weight"] + 0.7 * mask / mask.mean() * change
    torch.testing.assert_close(found.state["weight"], wanted)


def test_what_is_never_kept_is_the_base() -> None:
    experts = line([1.0, 2.0], a=[2.0, 4.0])
    found = concrete(experts, initial_logits=-1e4, steps=2, rate=0.1)
    assert torch.equal(found.state["weight"], experts.base["weight"])
    assert all(math.isfinite(loss) for loss in found.losses)


@settings(deadline=None, max_examples=10)
@given(
    scale=st.floats(-1, 2),
    temperature=st.floats(0.05, 2),
    seed=st.integers(0, 2**31),
    binary=st.booleans(),
)
def test_a_mask_that_keeps_all_is_task_arithmetic(
    scale: float, temperature: float, seed: int, binary: bool
) -> None:
    experts = line([0.5, -1.0, 2.0], a=[1.0, 2.0, 2.5], b=[0.0, 1.0, 3.0])
    found = concrete(
        experts,
        scale=scale,
        initial_logits=ALL,
        temperature=temperature,
        steps=0,
        binary=binary,
        seed=seed,
    )
    models = list(experts.models.values())
    wanted = merge_state_dicts("task_arithmetic", base=experts.base, models=models, scale=scale)
    torch.testing.assert_close(found.state["weight"], wanted["weight"])
    assert found.kept == 1
    assert found.coefficients["b"][""] == pytest.approx(scale, abs=2e-6)


def test_a_mask_that_keeps_all_is_adamerging() -> None:
    experts = problem().experts
    inner = InnerLevel(each="tensor", steps=10, final_rate=1e-2)
    found = concrete(experts, inner=inner, initial_logits=ALL, steps=0)
    wanted = adamerging(experts, each="tensor", steps=10, rate=1e-2)
    assert found.losses == pytest.approx(wanted.losses)
    for name, value in wanted.state.items():
        torch.testing.assert_close(found.state[name], value)


def test_gradients_are_those_of_finite_differences() -> None:
    experts = wide(line([1.0, 0.0, 0.5], a=[2.0, 0.5, 0.5], b=[1.0, 1.0, 2.0]))

    def loss(logits: Tensor) -> Tensor:
        drawn = mask_of(experts, seed=2)
        drawn.logits["weight"] = logits  # type: ignore[assignment]
        merge = merge_of(experts, drawn, scale=0.8)
        return entropy(merge._merged(drawn.sample(), merge._factors)["weight"], "a")

    logits = torch.tensor([0.3, -0.5, 0.1], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(loss, [logits])
    # The first step of Adam is the rate against the sign of each element of that gradient.
    (gradient,) = torch.autograd.grad(loss(logits), [logits])
    drawn = mask_of(experts, seed=2)
    drawn.logits["weight"].data.copy_(logits.detach())
    merge = merge_of(experts, drawn, scale=0.8)

    def backward_of(state: dict[str, Tensor]) -> float:
        value = entropy(state["weight"], "a")
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    merge.learn_mask(backward_of, steps=1, rate=0.01)
    torch.testing.assert_close(drawn.logits["weight"].grad, gradient)
    moved = drawn.logits["weight"] - logits
    torch.testing.assert_close(moved, -0.01 * gradient.sign(), rtol=1e-3, atol=0)


@pytest.mark.parametrize("each", ["task", "tensor"])
def test_the_inner_level_is_one_gradient_step_from_the_start(each: Any) -> None:
    experts = wide(line([1.0, 0.0], a=[2.0, 0.5], b=[1.0, 1.0]))
    inner = InnerLevel(each=each, rate=0.5)
    drawn = mask_of(experts, initial_logits=ALL)
    merge = merge_of(experts, drawn, scale=0.4, inner=inner)

    def loss(factors: list[float]) -> float:
        given = [1.0 + factors[0], 0.5 * factors[0] + factors[1]]
        return 2 * float(entropy(torch.tensor(given, dtype=torch.float64), "a"))

    step = 1e-5
    slopes = [
        (loss([0.4 + step * (i == 0), 0.4 + step * (i == 1)]) - loss([0.4, 0.4])) / step
        for i in range(2)
    ]
    for _ in range(2):  # every time from the start, with nothing left of the step before
        merge._adapt({"weight": torch.ones(2).double()})
        got = merge._factors.of("weight").tolist()
        assert got == pytest.approx([0.4 - 0.5 * slope for slope in slopes], abs=1e-4)


def test_coefficients_adapt_to_each_mask_without_gradients_and_start_again() -> None:
    experts = line([1.0, 0.0], a=[2.0, 0.5], b=[1.0, 1.0])
    drawn = mask_of(experts, seed=1)
    merge = merge_of(experts, drawn, scale=0.3, inner=InnerLevel(steps=0))
    factors = []

    def backward_of(state: dict[str, Tensor]) -> float:
        factors.append(merge._factors.of("weight"))
        value = entropy(state["weight"], "a")
        value.backward()  # type: ignore[no-untyped-call]
        return float(value.detach())

    merge.learn_mask(backward_of, steps=2, rate=0.01)
    assert not any(values.requires_grad for values in factors)
    first, second = (values.tolist() for values in factors)
    assert first != second
    assert first != pytest.approx([0.3, 0.3], abs=0.01)
    assert merge.finish([], binary=False).coefficients["a"] == {"weight": 0.3}


@pytest.mark.parametrize(
    "inner", [None, InnerLevel(each="task", rate=0.1, steps=5), InnerLevel(rate=0.1, steps=5)]
)
def test_entropy_falls(inner: InnerLevel | None) -> None:
    found = problem()
    masked = concrete(found.experts, inner=inner, steps=60, rate=0.05)
    of_mask = masked.losses[:60]
    assert sum(of_mask[-10:]) < 0.85 * sum(of_mask[:10])
    assert len(masked.losses) == (60 if inner is None else 65)
    assert [*masked.coefficients["a"]] == (
        [*masked.mask] if inner is not None and inner.each == "tensor" else [""]
    )
    assert 0 < masked.kept < 1


@pytest.mark.parametrize("binary", [True, False])
def test_the_seed_draws_the_masks(binary: bool) -> None:
    experts = problem().experts
    before = torch.get_rng_state()
    one, same, other = (concrete(experts, steps=3, binary=binary, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before), "the global generator is left alone"
    assert one.losses == same.losses
    for name, value in one.state.items():
        assert torch.equal(value, same.state[name])
    assert not torch.equal(one.state["0.weight"], other.state["0.weight"])


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8, bias=False)
        self.second = nn.Linear(8, 8, bias=False)
        self.second.weight = self.first.weight
        self.norm = nn.BatchNorm1d(8)
        self.last = nn.Linear(8, 3)

    def forward(self, rows: Tensor) -> Any:
        return self.last(self.norm(self.second(torch.tanh(self.first(rows)))))


def test_tied_weights_and_what_holds_none() -> None:
    experts = problem(Tied).experts
    found = concrete(experts, steps=2)
    assert torch.equal(found.state["first.weight"], found.state["second.weight"])
    wanted = ["first.weight", "norm.weight", "norm.bias", "last.weight", "last.bias"]
    assert [*found.mask] == wanted
    assert found.state["norm.num_batches_tracked"] == experts.base["norm.num_batches_tracked"]
    means = [state["norm.running_mean"] for state in experts.models.values()]
    torch.testing.assert_close(found.state["norm.running_mean"], (means[0] + means[1]) / 2)
    assert not any(value.requires_grad for value in (*found.state.values(), *found.mask.values()))


def test_what_no_expert_changed_has_no_mask() -> None:
    experts = problem().experts
    models = {t: {**state, "0.bias": experts.base["0.bias"]} for t, state in experts.models.items()}
    found = concrete(replace(experts, models=models), steps=1)
    assert "0.bias" not in found.mask
    assert torch.equal(found.state["0.bias"], experts.base["0.bias"])


def test_narrow_weights_stay_narrow() -> None:
    experts = narrow(problem(lambda: nn.Linear(8, 3)).experts)
    found = concrete(experts, inner=InnerLevel(rate=0.1, steps=3), steps=3, binary=True)
    assert {value.dtype for value in found.state.values()} == {torch.bfloat16}
    assert {value.dtype for value in found.mask.values()} == {torch.float32}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"steps": -1}, "steps: must be an integer of at least 0"),
        ({"rate": 0}, "rate: must be positive"),
        ({"temperature": 0.0}, "temperature: must be positive"),
        ({"initial_logits": math.inf}, "initial_logits: must be a finite number"),
        ({"scale": "large"}, "scale: must be a finite number"),
        ({"inner": 3}, "inner: expected an InnerLevel, or None, got 3"),
        ({"inner": InnerLevel}, "inner: expected an InnerLevel, or None, got <class"),
        ({"seed": -1}, "seed: must be an integer of at least 0"),
    ],
)
def test_options_that_are_none(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        concrete(line([0.0, 0.0], a=[1.0, 2.0]), **{"steps": 1, **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"each": "layer"}, "inner: unknown each 'layer'"),
        ({"rate": -1.0}, "inner: rate: must be positive"),
        ({"steps": 1.5}, "inner: steps: must be an integer"),
        ({"final_rate": 0}, "inner: final_rate: must be positive"),
    ],
)
def test_inner_levels_that_are_none(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        InnerLevel(**options)


def test_models_that_cannot_be_masked() -> None:
    with pytest.raises(InputError, match="models: none differs from the base"):
        concrete(line([1.0, 0.0], a=[1.0, 0.0]), steps=1)
    experts = line([0.0, 0.0], a=[1.0, 2.0], b=[0.0, 1.0])
    with pytest.raises(InputError, match="those of task 'b' are missing"):
        concrete(replace(experts, batches={"a": [None]}), steps=1)
