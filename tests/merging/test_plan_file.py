"""Plans in YAML: what they mean, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import InputError
from polytask.merging import AlongDepth, ByName
from polytask.merging.plan import parse_size
from polytask.merging.plans.file import read_plan


def read(folder: Path, text: str) -> Any:
    (folder / "plan.yaml").write_text(text)
    return read_plan(folder / "plan.yaml")


def test_models_with_weights_and_densities(tmp_path: Path) -> None:
    plan = read(
        tmp_path,
        """
merge_method: ties
base_model: base
models:
  - model: base
  - model: a
    parameters: {weight: 0.5, density: 0.3}
  - model: /elsewhere/b
    parameters: {weight: 2}
parameters: {density: 0.7, lambda: 1e-1, normalize: false, int8_mask: true}
dtype: float32
out_dtype: bfloat16
tokenizer_source: base
seed: 3
shard_size: 2GB
""",
    )
    assert plan.base == tmp_path / "base"
    assert plan.models == (tmp_path / "a", Path("/elsewhere/b"))
    method = plan.method
    assert (method.weights, method.density, method.scale) == ([0.5, 2.0], [0.3, 0.7], 0.1)
    assert (method.normalise, method.trim) == (False, "tensor")
    assert (plan.dtype, plan.tokenizer, plan.seed) == ("bfloat16", "base", 3)
    assert parse_size(plan.shard_size) == 2_000_000_000


def test_gradients_and_filters(tmp_path: Path) -> None:
    plan = read(
        tmp_path,
        """
merge_method: linear
models:
  - model: a
    parameters:
      weight:
        - {filter: self_attn, value: [0, 0.5, 1]}
        - {filter: "*", value: 0.25}
  - model: b
    parameters: {weight: {filter: mlp, value: 2}}
parameters: {weight: 0.5}
""",
    )
    along = AlongDepth((0.0, 0.5, 1.0))
    assert plan.method.weights == [
        ByName((("self_attn", along), (None, 0.25), (None, 0.5), (None, 1.0))),
        ByName((("mlp", 2.0), (None, 0.5), (None, 1.0))),
    ]


def test_slerp_goes_from_the_base_to_the_other_model(tmp_path: Path) -> None:
    text = "merge_method: slerp\nbase_model: b\nmodels: [{model: a}, {model: b}]\n"
    plan = read(tmp_path, text + "parameters: {t: [0, 1]}\n")
    assert (plan.base, plan.models) == (None, (tmp_path / "b", tmp_path / "a"))
    assert plan.method.t == AlongDepth((0.0, 1.0))


START = "merge_method: ties\nbase_model: base\n"
A = "models: [{model: a}]\n"

WRONG = {
    "- 1": "is no plan: expected merge_method and models",
    "a: [": "plan.yaml, line 1, column 5: ",
    "seed: 1\nseed: 2": "plan.yaml, line 2, column 1: the key 'seed' is there twice",
    "merge_method: tie\n": "unknown merge_method 'tie'; did you mean 'ties'",
    A: "merge_method is missing",
    "merge_method: [ties]": "unknown merge_method",
    START: "models: expected a list of models",
    START + "models: []": "models: expected a list of models",
    START + "models: [a]": r"models\[0\]: expected model and parameters, got 'a'",
    START + "models: [{model: 3}]": "expected a path, got 3",
    START + "models: [{model: base}]": "there is none beside base_model",
    "merge_method: ties\n" + A: "TIES merges changes from a base model",
    "merge_method: linear\nbase_model: base\n" + A: "linear takes no base",
    "merge_method: slerp\n" + A: "slerp goes from base_model to the other model",
    "merge_method: slerp\nbase_model: b\n" + A: "slerp needs the parameter t",
    START + A + "slices: []": "models and slices: give one of them",
    START + A + "tokenizer_source: unoin": "unknown tokenizer 'unoin'; did you mean 'union'",
    START + A + "tokenizer_source: union\ntokenizer: {}": "either tokenizer_source or tokenizer",
    START + A + "tokenizer: {sorce: union}": "unknown key 'sorce'; did you mean 'source'",
    START + A + "tokenizer: {pad_to_multiple_of: 8}": "unknown key 'pad_to_multiple_of'",
    START + A + "tokenizer: {tokens: [x]}": "tokens: expected a mapping",
    START + A + "tokenizer: {tokens: {x: 1}}": "tokens: x: expected a mapping with force, source",
    START + A + "tokenizer: {tokens: {x: {force: true}}}": "x: source: expected a path",
    START + A + "tokenizer: {tokens: {x: {source: {kind: one}}}}": "unknown kind 'one'",
    START
    + A
    + "tokenizer: {tokens: {x: {source: a, force: 1}}}": "x: tokens: force: expected true",
    START + A + "tokenizer: {tokens: {x: {source: {kind: model_token, model: a}}}}": "or token_id",
    START + A + "outdtype: float16": "unknown key 'outdtype'; did you mean 'out_dtype'",
    START + A + "dtype: half": "unknown dtype 'half'",
    START + A + "seed: two": "seed: must be an integer of at least 0, got 'two'",
    START + A + "shard_size: [1]": "is no size",
    START + A + "parameters: 3": "parameters: expected a mapping",
    START + A + "parameters: {densty: 1}": "ties: unknown parameter 'densty'; did you mean",
    START + A + "parameters: {normalize: 1}": "normalize: expected true or false, got 1",
    START + A + "parameters: {weight: big}": "weight: expected a number, got 'big'",
    START + A + "parameters: {weight: [1, [2]]}": "weight: expected a number",
    START + A + "parameters: {weight: {filter: x}}": "weight: expected filter and value",
    START + A + "parameters: {weight: {filter: 3, value: 1}}": "filter: expected a part of a name",
    START + A + "parameters: {trim: layer}": "ties: unknown trim 'layer'",
    START + "models: [{model: a, parameters: {lambda: 2}}]": "lambda goes under the parameters of",
    "merge_method: dare_linear\nbase_model: b\n"
    + A
    + "parameters: {normalize: true}": "dare_linear has no normalize",
}


@pytest.mark.parametrize("text", list(WRONG))
def test_a_wrong_plan(text: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=WRONG[text]):
        read(tmp_path, text)


@given(st.integers(1, 999), st.sampled_from(["", "KB", " MB", "gb", "TB"]))
def test_sizes(number: int, unit: str) -> None:
    factor = {"": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "tb": 10**12}[unit.strip().lower()]
    assert parse_size(f"{number}{unit}") == number * factor
