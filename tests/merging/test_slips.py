"""What callers give by mistake is told, not met by an error from inside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.merging.conftest import Save, trained
from torch import nn

from polytask.errors import InputError
from polytask.merging import (
    Change,
    Contract,
    Delta,
    DeltaMethod,
    Method,
    Place,
    Plan,
    TaskVector,
    WeightMethod,
    Weights,
    compress,
    merge,
    merge_state_dicts,
    prepare_state_dicts,
    run_plan,
)
from polytask.merging.methods.task_arithmetic import TaskArithmetic

BASE, (A, B) = trained(2)

IN_MEMORY: dict[str, tuple[dict[str, Any], str]] = {
    "a module": (
        {"models": [nn.Linear(2, 2), A]},
        r"models\[0\]: is a Linear: give its state_dict",
    ),
    "a path": ({"models": [A, "b/"]}, r"models\[1\]: is a str: .*merge reads files"),
    "a base that is a path": ({"base": Path("b")}, "base: is a PosixPath: give a state dict"),
    "one model": ({"models": A}, "models: expected a list, got dict"),
    "no model": ({"models": None}, "models: expected a list, got NoneType"),
    "a number": ({"models": [7, A]}, r"models\[0\]: is a int: give a state dict$"),
    "names that are none": ({"models": [{0: torch.ones(2)}]}, r"models\[0\]: 0 is no name"),
    "no numbers": (
        {"models": [{name: value.to("meta") for name, value in A.items()}]},
        r"models\[0\]: tensor 'embed.weight' has no numbers: it is on the meta device",
    ),
    "sparse": (
        {"models": [{**A, "embed.weight": A["embed.weight"].to_sparse()}]},
        r"models\[0\]: tensor 'embed.weight' is sparse",
    ),
    "a seed": ({"seed": "x"}, "seed: must be an integer of at least 0, got 'x'"),
    "statistics": ({"statistics": [A, B], "method": "fisher"}, r"statistics\[0\]: is a dict, not"),
    "a class": ({"method": dict}, "method: expected a name, or a method, got <class 'dict'>"),
}


@pytest.mark.parametrize("case", list(IN_MEMORY))
def test_in_memory(case: str) -> None:
    given, message = IN_MEMORY[case]
    base = {} if given.get("method") == "fisher" else {"base": BASE}
    with pytest.raises(InputError, match=message):
        merge_state_dicts(**{"method": "ties", "models": [A, B], **base, **given})


@pytest.mark.parametrize("scale", ["x", torch.ones(2), None])
def test_scales_that_are_none(scale: Any) -> None:
    direction = prepare_state_dicts("task_arithmetic", base=BASE, models=[A])
    with pytest.raises(InputError, match="scale: expected a number, or a tensor without dim"):
        direction.apply(scale)


def test_models_may_be_given_one_by_one() -> None:
    found = merge_state_dicts("average", models=(model for model in (A, B)))
    expected = merge_state_dicts("average", models=[A, B])
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("number", [np.float32(0.5), np.float64(0.5)])
def test_numbers_of_numpy_are_numbers(number: Any) -> None:
    given = {"base": BASE, "models": [A, B]}
    found = merge_state_dicts("ties", **given, density=number, weights=[number, np.int64(1)])
    expected = merge_state_dicts("ties", **given, density=0.5, weights=[0.5, 1])
    assert all(torch.equal(found[name], expected[name]) for name in expected)


ON_DISK: dict[str, tuple[dict[str, Any], str]] = {
    "one model": ({"models": "a"}, "models: expected a list, got str"),
    "one path": ({"models": Path("a")}, "models: expected a list, got PosixPath"),
    "tensors": ({"models": [A]}, r"models\[0\]: expected a path, got dict"),
    "a base of tensors": ({"base": BASE}, "base: expected a path, got dict"),
    "no folder": ({"out": None}, "out: expected a path, got NoneType"),
    "threads": ({"threads": "2"}, "threads: must be an integer of at least 1, got '2'"),
    "half threads": ({"threads": 1.5}, "threads: must be an integer of at least 1, got 1.5"),
    "a list of dtypes": ({"dtype": ["float32"]}, "unknown dtype"),
    "a tokenizer": ({"tokenizer": 3}, "unknown tokenizer '3'"),
}


@pytest.mark.parametrize("case", list(ON_DISK))
def test_on_disk(case: str, save: Save, tmp_path: Path) -> None:
    given, message = ON_DISK[case]
    paths = {"base": save("base", BASE), "models": [save("a", A)], "out": tmp_path / "out"}
    with pytest.raises(InputError, match=message):
        merge("task_arithmetic", **{**paths, **given})
    assert not (tmp_path / "out").exists()


PLANS: dict[str, tuple[dict[str, Any], str]] = {
    "one model": ({"models": "a"}, "models: expected a list, got str"),
    "tensors": ({"models": (A,)}, r"models\[0\]: expected a path, got dict"),
    "a base of tensors": ({"base": BASE}, "base: expected a path, got dict"),
    "one file of statistics": ({"statistics": "a"}, "statistics: expected a list, got str"),
}


@pytest.mark.parametrize("case", list(PLANS))
def test_plans(case: str) -> None:
    given, message = PLANS[case]
    with pytest.raises(InputError, match=message):
        Plan(**{"method": TaskArithmetic(), "base": Path("base"), "models": (Path("a"),), **given})


def test_plans_take_texts_as_paths(save: Save, tmp_path: Path) -> None:
    base, one = str(save("base", BASE)), str(save("a", A))
    change: Any = Change(one, base)  # type: ignore[arg-type]
    plan = Plan(method=TaskArithmetic(), base=base, models=[one, change])  # type: ignore[arg-type]
    assert plan.models == (Path(one), Change(Path(one), Path(base)))
    assert run_plan(plan, out=str(tmp_path / "out")).out == tmp_path / "out"
    with pytest.raises(InputError, match="out: expected a path, got NoneType"):
        run_plan(plan, out=None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="plan: expected a Plan, got str"):
        run_plan("plan.yaml", out=tmp_path / "out")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="base: expected a path, got NoneType"):
        Change(Path(one), None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (["a"], "models: expected name -> path, got list"),
        ({"a": A}, r"models\['a'\]: expected a path, got dict"),
        ({0: "a"}, "0: cannot be the name of a model"),
    ],
)
def test_compressed(models: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        compress("int8", base="base", models=models, out=tmp_path / "out")


@dataclass(frozen=True, kw_only=True)
class Difference(WeightMethod):
    """A change where weights are promised."""

    contract = Contract(needs_base=False)

    def combine(self, models: Sequence[Weights], at: Place) -> Weights:
        return models[0] - models[1]  # type: ignore[return-value]


@dataclass(frozen=True, kw_only=True)
class Short(DeltaMethod):
    """One number for a whole piece."""

    contract = Contract(needs_base=True)

    def prepare(self, base: Weights, deltas: Sequence[Delta], at: Place) -> Delta:
        return Delta(deltas[0].values[:1])


@dataclass(frozen=True, kw_only=True)
class Same(DeltaMethod):
    """Weights where a change is promised."""

    contract = Contract(needs_base=True)

    def prepare(self, base: Weights, deltas: Sequence[Delta], at: Place) -> Delta:
        return base  # type: ignore[return-value]


class Bare(DeltaMethod):
    """Says nothing of what it needs."""

    def prepare(self, base: Weights, deltas: Sequence[Delta], at: Place) -> Delta:
        return deltas[0]


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Difference(), r"Difference.combine: returned Delta, expected Weights"),
        (Short(), r"Short.prepare: returned values of shape \[1\] for a piece of 320"),
        (Same(scale=0.5), r"Same.prepare: returned Weights, expected Delta"),
        (Bare(), r"Bare: needs a contract"),
    ],
)
def test_own_methods_that_return_something_else(method: Method, message: str) -> None:
    base = {} if isinstance(method, WeightMethod) else {"base": BASE}
    with pytest.raises(InputError, match=message):
        merge_state_dicts(method, models=[A, B], **base)


def test_task_vectors_are_numbers_to_sum(save: Save, tmp_path: Path) -> None:
    paths = [save(name, model) for name, model in (("base", BASE), ("a", A), ("b", B))]
    vectors = [TaskVector.from_models(paths[0], path) for path in paths[1:]]
    assert (sum(vectors) / 2).terms == (0.5 * vectors[0] + 0.5 * vectors[1]).terms
    for wrong, message in (
        (lambda: vectors[0] * vectors[1], "factor: expected a number"),  # type: ignore[operator]
        (lambda: vectors[0] * float("nan"), "factor: must be finite"),
        (lambda: vectors[0] / 0, "cannot be divided by 0"),
        (lambda: 1 + vectors[0], "only a task vector can be added to one, not int"),
        (lambda: vectors[0].apply(paths[0], out=tmp_path / "o", foo=1), "unknown option 'foo'"),
        (lambda: TaskVector.from_models(BASE, A), "model: expected a path, got dict"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InputError, match=message):
            wrong()
