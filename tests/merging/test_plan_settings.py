"""Parameters of mergekit's YAML as options of methods of vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from polytask.errors import InputError
from polytask.merging import METHODS, AlongDepth, ByName, BySlice, Plan
from polytask.merging.methods.linear import Linear
from polytask.merging.plans.file import read_plan

TWO = "models: [{model: a, parameters: {weight: 0.3}}, {model: b}]\n"
ONE = "models: [{model: a}]\n"
START = "base_model: c\n"

PLANS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "breadcrumbs_ties": (
        START + TWO + "parameters: {gamma: 0.02, density: 0.4}",
        {"weights": [0.3, 1.0], "outliers": [0.02] * 2, "density": [0.4] * 2},
    ),
    "della": (
        START + TWO + "parameters: {epsilon: 0.1, density: 0.4, lambda: 0.5}",
        {"weights": [0.3, 1.0], "spread": [0.1] * 2, "density": [0.4] * 2, "scale": 0.5},
    ),
    "della_linear": (
        START + TWO + "parameters: {rescale: false}",
        {"weights": [0.3, 1.0], "spread": [0.15] * 2, "density": [1.0] * 2, "rescale": False},
    ),
    "nuslerp": (START + TWO, {"weights": [0.3, 1.0]}),
    "multislerp": (
        TWO + "parameters: {normalize_weights: false}",
        {"weights": [0.3, 1.0], "normalise": False},
    ),
    "karcher": (
        TWO + "parameters: {tol: 1e-3, max_iter: 7}",
        {"weights": [0.3, 1.0], "tolerance": 0.001, "iterations": 7},
    ),
    "model_stock": (START + "models: [{model: a}, {model: b}]", {}),
    "magmax": (START + ONE + "parameters: {lambda: 0.5}", {"scale": 0.5}),
    "sce": (
        START + ONE + "parameters: {select_topk: 0.3}",
        {"density": 0.3, "normalise": True},
    ),
    "arcee_fusion": (START + ONE, {}),
    "nearswap": (START + ONE + "parameters: {t: 0.01}", {"t": 0.01}),
    "geometric_median": (TWO, {"weights": [0.3, 1.0]}),
    "ram": (
        START + ONE + "parameters: {epsilon: 1e-4, r: 0.1, alpha: 0.3, lambda: 0.5}",
        {"threshold": 1e-4, "strength": 0.1, "most_shared": 0.3, "scale": 0.5},
    ),
    "pcb": (START + ONE + "parameters: {density: 0.2}", {"density": [0.2]}),
    "tsv_m": (START + ONE, {}),
    "iso_c": (START + ONE + "parameters: {lambda: [1.0, 0.5]}", {"scale": AlongDepth((1.0, 0.5))}),
    "iso_cts": (START + ONE, {}),
    "wudi": (START + ONE + "parameters: {steps: 7, rate: 1e-4}", {"steps": 7, "rate": 1e-4}),
}


@pytest.mark.parametrize("name", list(PLANS))
def test_a_plan_gives_the_method(name: str, tmp_path: Path) -> None:
    text, options = PLANS[name]
    (tmp_path / "plan.yaml").write_text(f"merge_method: {name}\n{text}\n")
    plan = read_plan(tmp_path / "plan.yaml")
    assert plan.method == METHODS.get(name)(**options)
    assert plan.base == (tmp_path / "c" if START in text else None)


DEFAULTS = {
    "nuslerp": TWO + "parameters: {nuslerp_flatten: true, nuslerp_row_wise: false}",
    "model_stock": START + "models: [{model: a}, {model: b}]\nparameters: {filter_wise: false}",
    "multislerp": TWO + "parameters: {eps: 1e-8}",
    "task_arithmetic": START + "models: [{model: a, parameters: {density: 1.0}}]",
}


@pytest.mark.parametrize("name", list(DEFAULTS))
def test_defaults_that_are_spelled_out_are_read(name: str, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(f"merge_method: {name}\n{DEFAULTS[name]}\n")
    assert type(read_plan(tmp_path / "plan.yaml").method) is METHODS.get(name)


WRONG = {
    "wudi": (START + ONE + "parameters: {steps: 1.5}", "steps: must be an integer"),
    "nearswap": (START + ONE, "nearswap needs the parameter t"),
    "sce": (START + "models: [{model: a, parameters: {density: 0.5}}]", "parameter 'density'"),
    "model_stock": (START + ONE + "parameters: {filter_wise: true}", "parameter 'filter_wise'"),
    "nuslerp": (START + TWO + "parameters: {nuslerp_flatten: false}", "'nuslerp_flatten'"),
    "karcher": (TWO + "parameters: {max_iter: 1.5}", "iterations"),
}


@pytest.mark.parametrize("name", list(WRONG))
def test_what_a_method_does_not_have_is_refused(name: str, tmp_path: Path) -> None:
    text, message = WRONG[name]
    (tmp_path / "plan.yaml").write_text(f"merge_method: {name}\n{text}\n")
    with pytest.raises(InputError, match=message):
        read_plan(tmp_path / "plan.yaml")


def test_what_depends_on_depth_name_or_slice_is_recorded_as_such() -> None:
    values = {
        AlongDepth((1.0, 0.5)): {"along_depth": [1.0, 0.5]},
        BySlice((1.0, 0.5)): {"by_slice": [1.0, 0.5]},
        ByName((("mlp", AlongDepth((1.0, 0.0))), (None, 0.5))): {
            "by_name": [["mlp", {"along_depth": [1.0, 0.0]}], [None, 0.5]]
        },
    }
    for value, described in values.items():
        plan = Plan(method=Linear(weights=[value, 1.0]), models=(Path("a"), Path("b")))
        assert plan.to_json()["options"]["weights"] == [described, 1.0]
