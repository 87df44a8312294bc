"""Models made of the layers of others: which layer goes where, and what the configuration says."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tests.cli.conftest import Command
from tests.merging.test_transformers import answer
from torch import Tensor

from polytask.errors import InputError
from polytask.merging import LayerRange, Plan, Stack, merge_state_dicts, run_plan
from polytask.merging.layers.names import find_stacks
from polytask.merging.methods.passthrough import Passthrough
from polytask.merging.plans.file import read_plan

LAYERS = 4
SMALL = {
    "hidden_size": 8,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "vocab_size": 30,
}
Model = dict[str, Tensor]


def llama() -> Any:
    config = transformers.Qwen2Config(
        num_key_value_heads=1, max_window_layers=2, use_sliding_window=True, **SMALL
    )
    return transformers.Qwen2ForCausalLM(config)


def bert() -> Any:
    return transformers.BertForSequenceClassification(transformers.BertConfig(**SMALL))


def t5() -> Any:
    config = transformers.T5Config(
        vocab_size=30, d_model=8, d_kv=4, d_ff=12, num_layers=LAYERS, num_heads=2
    )
    return transformers.T5ForConditionalGeneration(config)


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[Model]]:
    """Writes two models into the folders a and b; returns what is in their files."""
    monkeypatch.chdir(tmp_path)

    def save(make: Callable[[], Any]) -> list[Model]:
        for seed, name in enumerate("ab"):
            torch.manual_seed(seed)
            make().save_pretrained(name)
        return [load_file(f"{name}/model.safetensors") for name in "ab"]

    return save


def run(polytask: Command, text: str) -> Model:
    Path("plan.yaml").write_text(text)
    done = polytask("merge", "plan.yaml", "--out", "out")
    assert done.code == 0, done.err
    return load_file("out/model.safetensors")


def same(found: Model, expected: Mapping[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-6, atol=1e-7, msg=name)


def layer(model: Model, prefix: str, old: int, new: int) -> Model:
    """The tensors of a layer, under another number."""
    start = f"{prefix}{old}."
    return {
        f"{prefix}{new}.{name.removeprefix(start)}": value
        for name, value in model.items()
        if name.startswith(start)
    }


def test_layers_of_a_decoder(made: Callable[..., list[Model]], polytask: Command) -> None:
    one, other = made(llama)
    found = run(
        polytask,
        """
merge_method: passthrough
slices:
  - sources: [{model: a, layer_range: [0, 3]}]
  - sources: [{model: b, layer_range: [1, 4]}]
""",
    )
    expected = {
        "model.embed_tokens.weight": one["model.embed_tokens.weight"],
        "model.norm.weight": other["model.norm.weight"],
        "lm_head.weight": other["lm_head.weight"],
    }
    for new, (model, old) in enumerate(
        [(one, 0), (one, 1), (one, 2), *((other, n) for n in (1, 2, 3))]
    ):
        expected |= layer(model, "model.layers.", old, new)
    same(found, expected)
    config = json.loads(Path("out/config.json").read_text())
    kinds = json.loads(Path("a/config.json").read_text())["layer_types"]
    assert (config["num_hidden_layers"], config["max_window_layers"]) == (6, 2)
    assert config["layer_types"] == [kinds[old] for old in (0, 1, 2, 1, 2, 3)]
    merged, loading = transformers.Qwen2ForCausalLM.from_pretrained("out", output_loading_info=True)
    assert not any(loading.values()), loading
    assert answer(merged.eval()).isfinite().all()
    report = json.loads(Path("out/merge.json").read_text())
    assert [entry["path"] for entry in report["inputs"]] == ["a[0:3] + b[1:4]"]
    assert len(report["inputs"][0]["content"]) == 2
    assert report["merged"] == len(expected)


def test_slices_are_merged_with_numbers_of_their_own(
    made: Callable[..., list[Model]], polytask: Command
) -> None:
    one, other = made(bert)
    found = run(
        polytask,
        """
merge_method: slerp
base_model: a
slices:
  - sources: [{model: a, layer_range: [0, 3]}, {model: b, layer_range: [1, 4]}]
    parameters: {t: [0.25, 0.75]}
  - sources: [{model: a, layer_range: [3, 4]}, {model: b, layer_range: [0, 1]}]
parameters: {t: [{filter: attention, value: 0.5}, {value: [0, 1]}]}
""",
    )

    def between(name: str, theirs: str, t: float) -> Tensor:
        return merge_state_dicts("slerp", models=[{name: one[name]}, {name: other[theirs]}], t=t)[
            name
        ]

    expected = {}
    for new, (first, then, t) in enumerate([(0, 1, 0.25), (1, 2, 0.5), (2, 3, 0.75), (3, 0, 1.0)]):
        for name in [name for name in one if f"layer.{first}." in name]:
            share = 0.5 if new == 3 and "attention" in name else t
            theirs = name.replace(f"layer.{first}.", f"layer.{then}.")
            expected[name.replace(f"layer.{first}.", f"layer.{new}.")] = between(
                name, theirs, share
            )
    for name in one.keys() - expected.keys():
        expected[name] = between(name, name, 0.25 if "embeddings" in name else 0.0)
    same(found, expected)
    merged, loading = transformers.BertForSequenceClassification.from_pretrained(
        "out", output_loading_info=True
    )
    assert not any(loading.values()), loading
    assert merged.config.num_hidden_layers == 4


def test_encoder_and_decoder(made: Callable[..., list[Model]], polytask: Command) -> None:
    one, other = made(t5)
    found = run(
        polytask,
        """
merge_method: passthrough
modules:
  encoder:
    slices: [{sources: [{model: b, layer_range: [2, 4]}]}]
  decoder:
    slices:
      - sources: [{model: a, layer_range: [0, 4]}]
      - sources:
          - model: b
            layer_range: [3, 4]
            parameters: {scale: [{filter: wo, value: 0}, {value: 1}]}
""",
    )
    assert torch.equal(found["shared.weight"], other["shared.weight"])
    bias = "block.0.layer.0.SelfAttention.relative_attention_bias.weight"
    assert torch.equal(found[f"encoder.{bias}"], other[f"encoder.{bias}"])
    assert torch.equal(found[f"decoder.{bias}"], one[f"decoder.{bias}"])
    assert torch.equal(
        found["encoder.final_layer_norm.weight"], other["encoder.final_layer_norm.weight"]
    )
    key = "layer.0.SelfAttention.q.weight"
    assert torch.equal(found[f"encoder.block.0.{key}"], other[f"encoder.block.2.{key}"])
    assert torch.equal(found[f"decoder.block.4.{key}"], other[f"decoder.block.3.{key}"])
    assert not found["decoder.block.4.layer.2.DenseReluDense.wo.weight"].any()
    merged, loading = transformers.T5ForConditionalGeneration.from_pretrained(
        "out", output_loading_info=True
    )
    assert not any(loading.values()), loading
    assert (merged.config.num_layers, merged.config.num_decoder_layers) == (2, 5)
    assert answer(merged.eval()).isfinite().all()


def test_a_base_and_a_task_vector(made: Callable[..., list[Model]], tmp_path: Path) -> None:
    one, other = made(bert)
    paths = [tmp_path / name for name in "ab"]
    text = (
        "merge_method: task_arithmetic\nbase_model: a\nslices:\n"
        "  - sources: [{model: a, layer_range: [0, 2]},"
        " {model: b, layer_range: [2, 4], parameters: {weight: 0.5}}]\n"
        "  - sources: [{model: a, layer_range: [0, 2]},"
        " {model: b, layer_range: [2, 4], parameters: {weight: 2}}]\n"
    )
    (tmp_path / "plan.yaml").write_text(text)
    plan = read_plan(tmp_path / "plan.yaml")
    assert plan.base == Stack({"": (LayerRange(paths[0], 0, 2),) * 2})
    run_plan(plan, out=tmp_path / "out")
    found = load_file(tmp_path / "out/model.safetensors")
    key = "bert.encoder.layer.{}.output.dense.weight"
    for new, (old, theirs, weight) in enumerate([(0, 2, 0.5), (1, 3, 0.5), (0, 2, 2), (1, 3, 2)]):
        base, model = one[key.format(old)], other[key.format(theirs)]
        torch.testing.assert_close(found[key.format(new)], base + weight * (model - base))


def test_a_whole_model_passes_bit_for_bit(made: Callable[..., list[Model]], tmp_path: Path) -> None:
    one, _ = made(bert)
    stack = Stack({"": (LayerRange(tmp_path / "a", 0, LAYERS),)})
    for name, model in (("stacked", stack), ("plain", tmp_path / "a")):
        run_plan(Plan(method=Passthrough(), models=(model,)), out=tmp_path / name)
        assert all(
            torch.equal(value, one[key])
            for key, value in load_file(tmp_path / name / "model.safetensors").items()
        )


def test_paths_may_be_texts(made: Callable[..., list[Model]]) -> None:
    one, _ = made(bert)
    stack = Stack({"": [LayerRange("a", 0, LAYERS)]})  # type: ignore[dict-item]
    assert stack == Stack({"": (LayerRange(Path("a"), 0, LAYERS),)})
    for out, model in (("stacked", stack), ("plain", "a")):
        run_plan(Plan(method=Passthrough(), models=(model,)), out=out)  # type: ignore[arg-type]
        found = load_file(f"{out}/model.safetensors")
        assert all(torch.equal(value, one[key]) for key, value in found.items())


RANGE = LayerRange(Path("a"), 0, 1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LayerRange(None, 0, 1), "model: expected a path, got NoneType"),  # type: ignore[arg-type]
        (lambda: Stack([RANGE]), "slices: expected stack -> ranges of layers, got list"),  # type: ignore[arg-type]
        (lambda: Stack({"": RANGE}), r"slices\[''\]: expected a list, got LayerRange"),  # type: ignore[dict-item]
        (lambda: Stack({"": ("a",)}), r"slices\[''\]: expected a LayerRange, got str"),  # type: ignore[arg-type, dict-item]
        (lambda: Stack({0: (RANGE,)}), "slices: 0 is no name of a stack"),  # type: ignore[dict-item]
        (lambda: Stack({"": ()}), "slices: there are none"),
    ],
)
def test_stacks_that_are_none(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


PASS = "merge_method: passthrough\n"
SLICE = "  - sources: [{model: a, layer_range: [0, 2]}]\n"
TWO = "{{model: a, layer_range: {}}}, {{model: b, layer_range: {}}}"

WRONG = {
    PASS + "slices: []": "slices: expected a list of slices",
    PASS + "slices: [{source: []}]": r"slices\[0\]: expected sources",
    PASS + "slices: [{sources: [{model: a}]}]": "expected model, layer_range and parameters",
    PASS + "slices: [{sources: [{model: a, layer_range: 3}]}]": r"expected \[first, end\], got 3",
    PASS + "slices: [{sources: [{model: a, layer_range: [2, 2]}]}]": "no range of layers",
    PASS + "slices: [{sources: [{model: a, layer_range: [-1, 2]}]}]": "no range of layers",
    PASS + "slices: [{sources: [{model: a, layer_range: [0, 2.5]}]}]": "no range of layers",
    PASS + "slices: [{sources: [" + TWO.format("[0, 1]", "[0, 1]") + "]}]": "takes 1 models, got 2",
    PASS + "slices:\n" + SLICE + "    residual_weight: 1": "residual_weight: .* cannot be",
    PASS + "slices:\n" + SLICE + "    base_model: b": "base_model: .* cannot be merged yet",
    PASS + "slices:\n" + SLICE + "    params: {}": "unknown key 'params'",
    PASS + "models: [{model: a}]\nslices:\n" + SLICE: "models and slices: give one of them",
    PASS + "modules: []": "modules: expected names of stacks",
    PASS + "modules: {encoder: {models: []}}": "modules.encoder: expected slices",
    "merge_method: linear\nslices: [{sources: [" + TWO.format("[0, 2]", "[0, 3]") + "]}]":
        r"different numbers of layers: .*a\[0:2\], .*b\[0:3\]",
    "merge_method: linear\nslices:\n" + SLICE
    + "  - sources: [" + TWO.format("[0, 2]", "[0, 2]") + "]":
        r"slices\[1\]: merges 2 models, .*slices\[0\] 1; weight 0",
    "merge_method: ties\nbase_model: c\nslices:\n" + SLICE: "base_model c must be among them",
    "merge_method: linear\nslices:\n" + SLICE + "    parameters: {normalize: false}\n" + SLICE:
        "normalise: must be the same for all slices",
    "merge_method: slerp\nbase_model: a\nslices:\n"
    + "  - {sources: [" + TWO.format("[0, 2]", "[0, 2]") + "], parameters: {t: 0.5}}\n"
    + "  - sources: [" + TWO.format("[0, 2]", "[0, 2]") + "]": "slerp needs the parameter t",
    "merge_method: task_arithmetic\nbase_model: a\nslices:\n"
    + "  - {sources: [" + TWO.format("[0, 2]", "[0, 2]") + "], parameters: {lambda: 0.5}}\n"
    + "  - sources: [" + TWO.format("[0, 2]", "[0, 2]") + "]": "scale: some slices have it",
}  # fmt: skip


@pytest.mark.parametrize("text", list(WRONG))
def test_a_wrong_plan(text: str, tmp_path: Path) -> None:
    (tmp_path / "plan.yaml").write_text(text)
    with pytest.raises(InputError, match=WRONG[text]):
        read_plan(tmp_path / "plan.yaml")


def stack_of(folder: Path, *ranges: tuple[str, int, int], module: str = "") -> Plan:
    layers = tuple(LayerRange(folder / name, first, stop) for name, first, stop in ranges)
    return Plan(method=Passthrough(), models=(Stack({module: layers}),))


@pytest.mark.parametrize(
    ("ranges", "module", "message"),
    [
        ([("a", 0, 5)], "", r"a\[0:5\]: there are only 4 layers bert.encoder.layer"),
        ([("a", 0, 2), ("c", 0, 2)], "", r"c\[0:2\]: there are only 0 layers"),
        ([("a", 0, 2)], "decoder", "unknown module 'decoder'"),
        ([("c", 0, 1)], "", r"config.json: does not say that there are 2 layers"),
        ([("d", 0, 1)], "", "slices need one stack of layers, and there are: x, y; name each"),
        ([("d", 0, 1)], "x", "modules: say nothing of 'y'; name all"),
    ],
)
def test_layers_that_are_not_there(
    ranges: list[tuple[str, int, int]],
    module: str,
    message: str,
    made: Callable[..., list[Model]],
    tmp_path: Path,
) -> None:
    made(bert)
    for name, prefixes, config in (("c", ["h."], {}), ("d", ["x.", "y."], {"num_layers": 2})):
        (tmp_path / name).mkdir()
        tensors = {f"{prefix}{n}.w": torch.ones(2) for prefix in prefixes for n in range(2)}
        save_file(tensors, tmp_path / name / "model.safetensors")
        (tmp_path / name / "config.json").write_text(json.dumps({"x": 1, **config}))
    with pytest.raises(InputError, match=message):
        run_plan(stack_of(tmp_path, *ranges, module=module), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@given(st.lists(st.sets(st.sampled_from("abc"), min_size=1), min_size=1, max_size=4), st.booleans())
def test_stacks_are_found_by_their_numbers(ends: list[set[str]], gap: bool) -> None:
    names = [f"m.h.{n}.{end}" for n, of_layer in enumerate(ends) for end in of_layer]
    names += ["head.1.w", *(["head.0.w"] if not gap else []), "norm.w", "h0.w"]
    found = find_stacks(names)
    assert found.keys() == ({"m.h."} if gap else {"m.h.", "head."})
    assert [set(of_layer) for of_layer in found["m.h."].layers] == ends
