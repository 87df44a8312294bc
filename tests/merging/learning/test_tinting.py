"""One layer for each task."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.merging.learning.digits import digits
from tests.merging.learning.problems import problem
from tests.merging.learning.test_experts import Tied
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.merging import Experts, Tinted, merge_state_dicts, tinting
from polytask.merging.learning.imitation import Rows, confident, imitation

# Three rows of two classes: both say the first; the expert is surer; the merged model is surer.
MERGED = torch.tensor([[2.0, 0.0], [1.0, 0.0], [3.0, 0.0]])
EXPERT = torch.tensor([[0.5, 0.0], [0.0, 1.5], [0.0, 1.0]])


def test_rows_that_an_expert_is_sure_of() -> None:
    assert confident(MERGED, EXPERT).tolist() == [True, True, False]
    assert confident(MERGED, MERGED.flip(1)).all(), "equally sure"


@given(seed=st.integers(0, 2**16), rows=st.integers(1, 6), classes=st.integers(2, 5))
def test_confidence_row_by_row(seed: int, rows: int, classes: int) -> None:
    drawn = torch.randn(2, rows, classes, generator=torch.Generator().manual_seed(seed))
    kept = []
    for merged, expert in zip(*(drawn.double().exp().tolist()), strict=True):
        same = merged.index(max(merged)) == expert.index(max(expert))
        kept.append(same or max(expert) / sum(expert) >= max(merged) / sum(merged))
    assert confident(drawn[0].double(), drawn[1].double()).tolist() == kept


def test_imitation_by_hand() -> None:
    first, second, third = (math.log(1 + math.exp(x)) for x in (-2.0, 1.0, 3.0))
    loss = imitation(MERGED, EXPERT, "t", rows="confident")
    assert float(loss) == pytest.approx((first + second) / 2)
    every = imitation(MERGED[:, None], EXPERT[:, None], "t", rows="all")
    assert float(every) == pytest.approx((first + second + third) / 3)


def test_no_row_is_kept() -> None:
    outputs = MERGED[2:].clone().requires_grad_()
    loss = imitation(outputs, EXPERT[2:], "t", rows="confident")
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(loss.detach()) == 0
    assert outputs.grad is not None
    assert not outputs.grad.any()


def pair() -> Experts:
    """Two logits of a number, from weights that both experts changed."""
    return Experts(
        model=nn.Sequential(nn.Linear(1, 2, bias=False)),
        base={"0.weight": torch.zeros(2, 1)},
        models={
            "a": {"0.weight": torch.tensor([[1.0], [-1.0]])},
            "b": {"0.weight": torch.tensor([[-1.0], [1.0]])},
        },
        batches={"a": [torch.ones(1, 1)], "b": [torch.ones(1, 1)]},
        outputs=lambda model, task, batch: model(batch),
    )


def test_a_step_of_adam_is_the_rate() -> None:
    tinted = tinting(pair(), "0", steps=1, rate=0.1)
    torch.testing.assert_close(tinted.state("a")["0.weight"], torch.tensor([[0.1], [-0.1]]))
    torch.testing.assert_close(tinted.state("b")["0.weight"], torch.tensor([[-0.1], [0.1]]))
    assert not tinted.shared["0.weight"].any(), "one task vector is the other, negated"
    assert tinted.shares == {"a": 1.0, "b": 1.0}
    assert tinted.losses == pytest.approx([2 * math.log(2)])


def test_without_steps_it_is_task_arithmetic() -> None:
    experts = problem().experts
    tinted = tinting(experts, "2", steps=0, start=0.4)
    models = list(experts.models.values())
    wanted = merge_state_dicts("task_arithmetic", base=experts.base, models=models, scale=0.4)
    for task in "ab":
        for name, value in tinted.state(task).items():
            assert torch.equal(value, tinted.shared[name])
            torch.testing.assert_close(value, wanted[name], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rows", ["confident", "all"])
@pytest.mark.parametrize("seed", [0, 1])
def test_better_than_the_plain_merge(seed: int, rows: Rows) -> None:
    found = digits(seed)
    tinted = tinting(found.experts, "0", rows=rows, steps=40)
    assert tinted.losses[-1] < 0.2 * tinted.losses[0]
    gains = [
        found.accuracy(task, tinted.state(task)) - found.accuracy(task, found.plain)
        for task in found.experts.models
    ]
    assert sum(gains) / len(gains) > 0.35
    assert min(gains) > 0.15


def test_only_the_layer_is_a_task_s_own() -> None:
    experts = problem().experts
    base = {name: value.clone() for name, value in experts.base.items()}
    same = {t: {**state, "2.bias": base["2.bias"]} for t, state in experts.models.items()}
    tinted = tinting(replace(experts, models=same), "2", steps=5)
    a, b = tinted.state("a"), tinted.state("b")
    assert {n for n in base if not torch.equal(a[n], b[n])} == {"2.weight", "2.bias"}
    assert all({*layer} == {"2.weight", "2.bias"} for layer in tinted.own.values())
    assert tinted.shares["a"] == (16 * 3 + 3) / (8 * 16 + 16 + 16 * 3 + 3)
    assert all(torch.equal(value, base[name]) for name, value in experts.base.items())
    assert torch.equal(tinted.shared["2.bias"], base["2.bias"])


def test_a_layer_for_each_task() -> None:
    tinted = tinting(problem().experts, {"a": "0", "b": "2"}, steps=2)
    assert {task: [*layer] for task, layer in tinted.own.items()} == {
        "a": ["0.weight", "0.bias"],
        "b": ["2.weight", "2.bias"],
    }


def test_tied_weights_stay_tied() -> None:
    tinted = tinting(problem(Tied).experts, "second", steps=2)
    a = tinted.state("a")
    assert a["first.weight"] is a["second.weight"]
    assert not torch.equal(a["first.weight"], tinted.shared["first.weight"])
    assert tinted.shares["a"] == 64 / (64 + 27)


def test_statistics_are_shared() -> None:
    net = lambda: nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 3))  # noqa: E731
    tinted = tinting(problem(net).experts, "1", steps=2)
    assert [*tinted.own["b"]] == ["1.weight", "1.bias"]


def test_narrow_weights_stay_narrow() -> None:
    experts = pair()
    base, a, b = (
        {name: (value + 1).bfloat16() for name, value in state.items()}
        for state in (experts.base, *experts.models.values())
    )
    narrow = replace(
        experts,
        model=experts.model.bfloat16(),
        base=base,
        models={"a": a, "b": b},
        outputs=lambda model, task, batch: model(batch.bfloat16()).float(),
    )
    # Each step by itself is lost in the rounding of the weights.
    tinted = tinting(narrow, "0", steps=100, rate=1e-3).state("a")["0.weight"]
    assert tinted.dtype == torch.bfloat16
    assert tinted[:, 0].tolist() == pytest.approx([1.1, 0.9], abs=0.01)


def test_the_same_bits() -> None:
    one, other = (tinting(problem().experts, "0", steps=5) for _ in range(2))
    assert one.losses == other.losses
    assert_same(one, other)


def assert_same(one: Tinted, other: Tinted) -> None:
    assert one.coefficients == other.coefficients
    assert one.shares == other.shares
    for task in one.own:
        state, again = one.state(task), other.state(task)
        assert state.keys() == again.keys()
        assert all(torch.equal(value, again[name]) for name, value in state.items())


def test_saved_and_loaded(tmp_path: Path) -> None:
    tinted = tinting(problem(Tied).experts, {"a": "first", "b": "last"}, steps=2)
    tinted.save(tmp_path / "tinted")
    (tmp_path / "merged").mkdir()
    with pytest.raises(InputError, match="merged: exists already; choose another folder"):
        tinted.save(tmp_path / "merged")
    again = Tinted.load(tmp_path / "tinted")
    assert again.losses == tinted.losses
    assert_same(tinted, again)
    shared = load_file(tmp_path / "tinted" / "model.safetensors")
    assert shared.keys() == tinted.shared.keys()
    assert all(torch.equal(value, tinted.shared[name]) for name, value in shared.items())
    file = tmp_path / "tinted" / "layers.safetensors"
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"layers\.safetensors: truncated or altered"):
        Tinted.load(tmp_path / "tinted")


def test_a_task_that_is_none() -> None:
    with pytest.raises(InputError, match="unknown task 'aa'; did you mean 'a'"):
        tinting(pair(), "0", steps=0).state("aa")


@pytest.mark.parametrize(
    ("layers", "options", "message"),
    [
        ("3", {}, "unknown layer '3'"),
        ("", {}, "unknown layer ''"),
        ("1", {}, "layer '1': has no parameters"),
        ({"a": "0", "c": "0"}, {}, "layers: unknown task 'c'"),
        ({"a": "0"}, {}, "layers: that of task 'b' is missing"),
        (None, {}, "layers: expected a name, or task -> name, got NoneType"),
        ("0", {"rows": "sure"}, "unknown rows 'sure'"),
        ("0", {"start": math.inf}, "start"),
        ("0", {"start": 5}, r"start: must be in \[0, 1\], got 5"),
        ("0", {"steps": 1.5}, "steps"),
        ("0", {"rate": -1}, "rate"),
    ],
)
def test_options_that_are_none(layers: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tinting(problem().experts, layers, **{"steps": 1, **options})


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batches": {"a": [None], "c": [None]}}, "unknown task 'c'"),
        ({"outputs": lambda model, task, batch: model(batch).sum()}, "task 'a': tinting needs"),
        ({"outputs": lambda model, task, batch: model(batch)[:, :1]}, "two classes or more"),
        ({"outputs": lambda model, task, batch: model(batch).int()}, "outputs are torch.int32"),
        ({"outputs": lambda model, task, batch: model(batch) / 0}, "loss of task 'a'"),
    ],
)
def test_batches_that_do_not_fit(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        tinting(replace(pair(), **changed), "0", rows="all", steps=1)


def test_an_expert_of_other_classes() -> None:
    with pytest.raises(InputError, match=r"\[1, 3\], those of the expert \[1, 2\]"):
        imitation(torch.ones(1, 3), torch.ones(1, 2), "t", rows="all")


def test_outputs_of_any_shape() -> None:
    logits = torch.randn(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    wanted = logits.flip(0)
    flat: Tensor = imitation(logits.flatten(0, 2), wanted.flatten(0, 2), "t", rows="confident")
    assert torch.equal(imitation(logits, wanted, "t", rows="confident"), flat)
