"""The results of mergekit, where its definitions are ours.

mergekit needs other versions of our dependencies: ``POLYTASK_MERGEKIT`` names an interpreter that
has it. What differs by definition is not compared: ties in the sign (mergekit takes plus), the
trim over the whole model, the factor of DARE (mergekit restores the sum of magnitudes), rounding.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from polytask.merging import merge_state_dicts

INTERPRETER = os.environ.get("POLYTASK_MERGEKIT")

pytestmark = pytest.mark.skipif(
    INTERPRETER is None, reason="POLYTASK_MERGEKIT names no interpreter that has mergekit"
)

PROGRAM = """
import json, sys
from mergekit.config import MergeConfiguration
from mergekit.merge import run_merge
from mergekit.options import MergeOptions
options = MergeOptions(quiet=True, copy_tokenizer=False, write_model_card=False, random_seed=0)
for plan, out in json.loads(sys.argv[1]):
    run_merge(MergeConfiguration.model_validate(plan), out, options=options)
"""

HIDDEN, INTERMEDIATE, VOCABULARY, COUNT = 16, 24, 50, 3

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "model_type": "llama",
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": INTERMEDIATE,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "tie_word_embeddings": False,
}

SHAPES = {
    "model.embed_tokens.weight": (VOCABULARY, HIDDEN),
    **{f"model.layers.0.self_attn.{name}_proj.weight": (HIDDEN, HIDDEN) for name in "qkvo"},
    "model.layers.0.mlp.gate_proj.weight": (INTERMEDIATE, HIDDEN),
    "model.layers.0.mlp.up_proj.weight": (INTERMEDIATE, HIDDEN),
    "model.layers.0.mlp.down_proj.weight": (HIDDEN, INTERMEDIATE),
    "model.layers.0.input_layernorm.weight": (HIDDEN,),
    "model.layers.0.post_attention_layernorm.weight": (HIDDEN,),
    "model.norm.weight": (HIDDEN,),
    "lm_head.weight": (VOCABULARY, HIDDEN),
}

Model = dict[str, torch.Tensor]

WEIGHTS = [1.0, 0.5, 0.8]
CASES: Mapping[str, tuple[dict[str, float], dict[str, Any]]] = {
    "linear": ({}, {}),
    "task_arithmetic": ({}, {}),
    "slerp": ({"t": 0.3}, {"t": 0.3}),
    "ties": ({"density": 0.4}, {"density": 0.4, "trim": "tensor"}),
    "breadcrumbs": ({"density": 0.7, "gamma": 0.1}, {"density": 0.7, "outliers": 0.1}),
}
"""Options of mergekit and of ours beside the weights."""


def family() -> list[Model]:
    """A base and models that are far enough from it that all methods change it."""
    generator = torch.Generator().manual_seed(0)
    base = {name: torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    models = [
        {
            name: value + torch.randn(value.shape, generator=generator)
            for name, value in base.items()
        }
        for _ in range(COUNT)
    ]
    return [base, *models]


def plan(method: str, paths: Sequence[Path], options: Mapping[str, float]) -> dict[str, Any]:
    base, *models = map(str, paths)
    if method == "slerp":
        both = [{"model": base}, {"model": models[0]}]
        return {
            "merge_method": method,
            "base_model": base,
            "models": both,
            "dtype": "float32",
            "parameters": options,
        }
    own = [
        {"model": model, "parameters": {**options, "weight": weight}}
        for model, weight in zip(models, WEIGHTS, strict=True)
    ]
    start = {} if method == "linear" else {"base_model": base}
    return {"merge_method": method, "models": own, "dtype": "float32", **start}


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Model]:
    """What mergekit makes of the family, by method; in one process, for its imports take long."""
    folder = tmp_path_factory.mktemp("mergekit")
    paths = []
    for index, model in enumerate(family()):
        paths.append(folder / f"model-{index}")
        paths[-1].mkdir()
        save_file(model, paths[-1] / "model.safetensors", metadata={"format": "pt"})
        (paths[-1] / "config.json").write_text(json.dumps(CONFIG))
    plans = {method: plan(method, paths, options) for method, (options, _) in CASES.items()}
    plans["dare_linear"] = plan("dare_linear", paths, {"density": 0.25})
    work = [(of_method, str(folder / method)) for method, of_method in plans.items()]
    assert INTERPRETER is not None
    subprocess.run([INTERPRETER, "-c", PROGRAM, json.dumps(work)], check=True, capture_output=True)
    return {method: load_folder(folder / method) for method in plans}


def load_folder(folder: Path) -> Model:
    files = folder.glob("*.safetensors")
    return {name: value for file in files for name, value in load_file(file).items()}


@pytest.mark.parametrize("method", list(CASES))
def test_the_results_are_the_same(method: str, theirs: dict[str, Model]) -> None:
    base, *models = family()
    options = dict(CASES[method][1])
    if method == "slerp":
        ours = merge_state_dicts(method, models=[base, models[0]], **options)
    elif method == "linear":
        ours = merge_state_dicts(method, models=models, weights=WEIGHTS, **options)
    else:
        ours = merge_state_dicts(method, base=base, models=models, weights=WEIGHTS, **options)
    assert set(theirs[method]) == set(ours)
    for name, value in ours.items():
        torch.testing.assert_close(theirs[method][name], value, rtol=1e-5, atol=1e-5)


def test_dare_has_the_same_mean_and_variance(theirs: dict[str, Model]) -> None:
    base, *models = family()
    ours = merge_state_dicts("dare_linear", base=base, models=models, weights=WEIGHTS, density=0.25)
    exact = merge_state_dicts("task_arithmetic", base=base, models=models, weights=WEIGHTS)
    # The variance of m tau / p is tau^2 (1 - p) / p = 3 tau^2.
    expected = sum(
        3 * (weight * (model[name] - base[name])).square().sum()
        for model, weight in zip(models, WEIGHTS, strict=True)
        for name in base
    )
    for merged in (ours, theirs["dare_linear"]):
        errors = torch.cat([(merged[name] - exact[name]).reshape(-1) for name in base])
        assert float(errors.square().sum() / expected) == pytest.approx(1, abs=0.15)
        assert abs(float(errors.mean())) < 5 * float(errors.std()) / len(errors) ** 0.5
