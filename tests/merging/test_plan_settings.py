"""Parameters of mergekit's YAML as options of methods of vectors."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from polytask.errors import InputError
from polytask.merging import METHODS
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
}


@pytest.mark.parametrize("name", list(PLANS))
def test_a_plan_gives_the_method(name: str, tmp_path: Path) -> None:
    text, options = PLANS[name]
    (tmp_path / "plan.yaml").write_text(f"merge_method: {name}\n{text}\n")
    plan = read_plan(tmp_path / "plan.yaml")
    assert plan.method == METHODS.get(name)(**options)
    assert plan.base == (tmp_path / "c" if START in text else None)


WRONG = {
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
