"""LoRA adapters as inputs: the exact change that they make, whatever the method."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.cli.conftest import Command
from tests.merging import definitions
from tests.merging.adapters import Factors, change_of, factors, save_adapter
from tests.merging.conftest import Model, Save, random_model
from tests.merging.test_invariants import same

from polytask.merging import Change, Plan, TaskVector, merge, merge_state_dicts, run_plan
from polytask.merging.methods.task_arithmetic import TaskArithmetic
from polytask.merging.sources.adapter import Adapter
from polytask.merging.sources.locate import locate
from polytask.merging.sources.low_rank import Decomposed, Product
from polytask.merging.sources.state_dict import StateDict

LAYERS = {"layers_0": (24, 8), "layers_1": (24, 8)}
WEIGHTS = ("layers.0.weight", "layers.1.weight")


@pytest.fixture
def base(save: Save) -> Model:
    """What lies in the folder base."""
    model = random_model(0)
    save("base", model)
    return model


def moved(base: Model, of_modules: Factors, scale: float = 2.0) -> Model:
    """The base with an adapter, rounded to float32 once."""
    model = dict(base)
    for module, pair in of_modules.items():
        change = change_of(pair, scale)
        model[f"{module}.weight"] = torch.from_numpy(
            base[f"{module}.weight"].double().numpy()
            + change.reshape(base[f"{module}.weight"].shape)
        ).float()
    return model


def close(found: Path, expected: Model) -> None:
    model = load_file(found / "model.safetensors")
    assert model.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(model[name], value, rtol=1e-6, atol=1e-8)


def test_one_adapter_is_the_base_with_its_product(base: Model, tmp_path: Path) -> None:
    pairs = factors(1, **LAYERS)
    adapter = save_adapter(tmp_path / "a", pairs)
    report = merge(
        "task_arithmetic", base=tmp_path / "base", models=[adapter], out=tmp_path / "out"
    )
    close(tmp_path / "out", moved(base, pairs))
    assert (report.merged, report.unchanged, report.copied) == (2, 4, [])
    found = load_file(tmp_path / "out" / "model.safetensors")
    assert same(
        {name: found[name] for name in found if name not in WEIGHTS},
        {name: base[name] for name in base if name not in WEIGHTS},
    )


SCALES = {
    "alpha over rank": ({"lora_alpha": 3}, 1.5),
    "rank-stabilised": ({"lora_alpha": 3, "use_rslora": True}, 3 / 2**0.5),
    "alpha of a pattern": ({"alpha_pattern": {"0": 5}}, 2.5),
    "alpha of a whole name": ({"alpha_pattern": {r"layers\.0": 5}}, 2.5),
    "alpha of another module": ({"alpha_pattern": {"1": 5, "ayers.0": 7}}, 2.0),
    "rank of a pattern": ({"r": 8, "rank_pattern": {"layers.0": 2}}, 2.0),
    "both": ({"r": 8, "rank_pattern": {"0": 2}, "alpha_pattern": {"0": 1}}, 0.5),
}


@pytest.mark.parametrize("case", list(SCALES))
def test_scales(case: str, base: Model, tmp_path: Path) -> None:
    config, scale = SCALES[case]
    pairs = factors(1, layers_0=(24, 8))
    adapter = save_adapter(tmp_path / "a", pairs, **config)
    merge("task_arithmetic", base=tmp_path / "base", models=[adapter], out=tmp_path / "out")
    close(tmp_path / "out", moved(base, pairs, scale))


@pytest.mark.parametrize("flag", [True, False])
def test_weights_that_are_input_by_output(flag: bool, save: Save, tmp_path: Path) -> None:
    """The shape decides; for square ones the others, or else the configuration."""
    torch.manual_seed(0)
    base = {"wide.weight": torch.randn(3, 5), "square.weight": torch.randn(4, 4)}
    save("base", base)
    pairs = factors(1, wide=(5, 3), square=(4, 4))
    for name, kept in {"both": ["wide", "square"], "square": ["square"]}.items():
        chosen = {module: pairs[module] for module in kept}
        adapter = save_adapter(tmp_path / name, chosen, fan_in_fan_out=flag)
        out = tmp_path / f"out {name}"
        merge("task_arithmetic", base=tmp_path / "base", models=[adapter], out=out)
        expected = dict(base)
        for module, pair in chosen.items():
            transposed = name == "both" or flag
            change = change_of(pair).T if transposed else change_of(pair)
            expected[f"{module}.weight"] = (
                base[f"{module}.weight"] + torch.from_numpy(change).float()
            )
        close(out, expected)


def test_embeddings_and_convolutions(save: Save, tmp_path: Path) -> None:
    torch.manual_seed(0)
    base = {"embed.weight": torch.randn(6, 4), "conv.weight": torch.randn(5, 3, 2, 2)}
    save("base", base)
    embedding, kernel = torch.randn(2, 6), torch.randn(2, 3, 2, 2)
    up, mix = torch.randn(4, 2), torch.randn(5, 2, 1, 1)
    adapter = save_adapter(
        tmp_path / "a", {"conv": (kernel, mix)}, embeddings={"embed": (embedding, up)}
    )
    merge("task_arithmetic", base=tmp_path / "base", models=[adapter], out=tmp_path / "out")
    change = torch.einsum("or,rihw->oihw", mix.double()[:, :, 0, 0], kernel.double())
    close(
        tmp_path / "out",
        {
            "embed.weight": (base["embed.weight"].double() + 2 * (up @ embedding).T).float(),
            "conv.weight": (base["conv.weight"].double() + 2 * change).float(),
        },
    )


@pytest.mark.parametrize("transposed", [True, False])
def test_dora(transposed: bool, save: Save, tmp_path: Path) -> None:
    """m (W + s B A) / ||W + s B A||, one norm per output."""
    torch.manual_seed(0)
    weight, magnitude = torch.randn(7, 5), torch.rand(7) + 0.5
    save("base", {"layer.weight": weight.T.contiguous() if transposed else weight})
    pairs = factors(1, layer=(7, 5))
    whole = {"layer.lora_magnitude_vector": magnitude}
    adapter = save_adapter(tmp_path / "a", pairs, whole=whole, use_dora=True)
    merge("task_arithmetic", base=tmp_path / "base", models=[adapter], out=tmp_path / "out")
    together = weight.double().numpy() + change_of(pairs["layer"])
    norms = np.linalg.norm(together, axis=1)
    expected = torch.from_numpy(magnitude.double().numpy()[:, None] * together / norms[:, None])
    expected = (expected.T.contiguous() if transposed else expected).float()
    close(tmp_path / "out", {"layer.weight": expected})


def test_biases_heads_and_weights_under_factors(base: Model, tmp_path: Path) -> None:
    pairs = factors(1, layers_0=(24, 8))
    whole = {
        "layers.1.weight": torch.full((24, 8), 0.5),
        "layers.0.base_layer.bias": torch.full((24,), 0.25),
        "layers.0.base_layer.weight": torch.ones(24, 8),
    }
    adapter = save_adapter(tmp_path / "a", pairs, whole=whole)
    merge("task_arithmetic", base=tmp_path / "base", models=[adapter], out=tmp_path / "out")
    under = {**base, "layers.0.weight": torch.ones(24, 8)}
    more = {"layers.1.weight": torch.full((24, 8), 0.5), "layers.0.bias": torch.full((24,), 0.25)}
    close(tmp_path / "out", {**moved(under, pairs), **more})


def test_a_bias_of_the_factor(base: Model, tmp_path: Path) -> None:
    pairs, bias = factors(1, layers_0=(24, 8)), torch.randn(24)
    adapter = save_adapter(tmp_path / "a", pairs, whole={"layers.0.lora_B.bias": bias})
    merge("task_arithmetic", base=tmp_path / "base", models=[adapter], out=tmp_path / "out")
    expected = {**moved(base, pairs), "layers.0.bias": base["layers.0.bias"] + 2 * bias}
    close(tmp_path / "out", expected)


METHODS = {
    "average": {},
    "linear": {"weights": [3.0, 1.0]},
    "slerp": {"t": 0.3},
    "task_arithmetic": {"weights": [0.5, -1.0], "scale": 0.7},
    "ties": {"density": 0.5, "trim": "tensor"},
    "breadcrumbs": {"density": 0.5, "outliers": 0.1},
}


@pytest.mark.parametrize("method", list(METHODS))
def test_methods_see_models_that_are_merged_one_by_one(
    method: str, base: Model, tmp_path: Path
) -> None:
    """Adapters of other ranks, on other modules; one of the inputs may be a whole model."""
    pairs = factors(1, **LAYERS), factors(2, rank=3, layers_1=(24, 8))
    adapters = [
        save_adapter(tmp_path / "a", pairs[0]),
        save_adapter(tmp_path / "b", pairs[1], r=3, lora_alpha=6),
    ]
    wide = {name: value.double() for name, value in base.items()}
    models = [moved(base, of_modules) for of_modules in pairs]
    needs_base = method not in ("average", "linear", "slerp")
    expected = merge_state_dicts(
        method, models=models, base=base if needs_base else None, **METHODS[method]
    )
    for name, inputs in (
        ("adapters", adapters),
        ("one whole", [adapters[0], tmp_path / "b whole"]),
    ):
        if name == "one whole":
            merge("task_arithmetic", base=tmp_path / "base", models=adapters[1:], out=inputs[1])
        out = tmp_path / f"out {name}"
        merge(method, base=tmp_path / "base", models=inputs, out=out, **METHODS[method])
        found = load_file(out / "model.safetensors")
        for tensor, value in expected.items():
            torch.testing.assert_close(found[tensor], value, rtol=1e-5, atol=1e-7)
    assert wide["scale"].dtype == torch.float64


def test_ties_counts_what_an_adapter_changes(base: Model, tmp_path: Path) -> None:
    """The share that is kept is one of the tensors that change, not of the whole model."""
    pairs = [factors(seed, **LAYERS) for seed in (1, 2)]
    adapters = [save_adapter(tmp_path / str(i), p) for i, p in enumerate(pairs)]
    report = merge(
        "ties", base=tmp_path / "base", models=adapters, out=tmp_path / "out", density=0.3
    )
    assert (report.merged, report.unchanged) == (2, 4)
    changes = [np.stack([change_of(of[m]) for m in ("layers.0", "layers.1")]) for of in pairs]
    kept = [definitions.trimmed(change, 0.3, np.abs(change)) for change in changes]
    direction = definitions.agreeing(kept, [1.0, 1.0], mean=True)
    expected = {**base}
    for index, name in enumerate(WEIGHTS):
        expected[name] = torch.from_numpy(base[name].double().numpy() + direction[index]).float()
    close(tmp_path / "out", expected)


@pytest.mark.parametrize("method", ["dare_ties", "ties", "slerp"])
def test_same_bits_whatever_threads_and_order(method: str, base: Model, tmp_path: Path) -> None:
    adapters = [save_adapter(tmp_path / str(i), factors(i, **LAYERS)) for i in (1, 2)]
    whole = {"base": tmp_path / "base", "seed": 3}
    merge(method, models=adapters, out=tmp_path / "one", threads=1, **whole)
    merge(method, models=adapters, out=tmp_path / "three", threads=3, **whole)
    found = [load_file(tmp_path / name / "model.safetensors") for name in ("one", "three")]
    assert same(*found)
    if method != "slerp":
        merge(method, models=adapters[::-1], out=tmp_path / "back", **whole)
        assert same(found[0], load_file(tmp_path / "back" / "model.safetensors"))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2999), st.integers(1, 3000), st.booleans())
def test_same_bits_whatever_piece_is_read(start: int, length: int, dora: bool) -> None:
    torch.manual_seed(0)
    product = Product(torch.randn(60, 3), torch.randn(3, 50), 0.3, torch.float32)
    product.step = 7
    weights = torch.randn(3000)
    read: Callable[[int, int], torch.Tensor] = product
    if dora:
        read = Decomposed(lambda a, b: weights[a:b], product, torch.rand(60), by_row=True)
    stop = min(start + length, 3000)
    assert torch.equal(read(start, stop), read(0, 3000)[start:stop])


def test_a_source_of_zeros_where_nothing_changes(base: Model, tmp_path: Path) -> None:
    folder = save_adapter(tmp_path / "a", factors(1, layers_0=(24, 8)))
    adapter = Adapter(locate(folder), StateDict("base", base))
    assert [name for name in base if adapter.touches(name)] == ["layers.0.weight"]
    assert not adapter.read("layers.1.weight", 3, 50).any()
    assert adapter.read("layers.0.weight", 3, 50).shape == (47,)


def test_low_precision_is_computed_in_float32(save: Save, tmp_path: Path) -> None:
    base = random_model(0, dtype=torch.bfloat16)
    save("base", base)
    pairs = {m: (a.bfloat16(), b.bfloat16()) for m, (a, b) in factors(1, **LAYERS).items()}
    adapter = save_adapter(tmp_path / "a", pairs)
    merge(
        "average", base=tmp_path / "base", models=[adapter], out=tmp_path / "out", dtype="float32"
    )
    close(tmp_path / "out", moved({name: value.float() for name, value in base.items()}, pairs))


NAMINGS = {
    "under a head": ("bert.", ""),
    "under two": ("model.bert.", ""),
    "alone": ("", "bert."),
}


@pytest.mark.parametrize("case", list(NAMINGS))
def test_an_encoder_with_other_prefixes(case: str, save: Save, tmp_path: Path) -> None:
    of_adapter, of_base = NAMINGS[case]
    model = random_model(0)
    save("base", {of_base + name: value for name, value in model.items()})
    pairs = factors(1, **LAYERS)
    head = {"classifier.weight": torch.randn(3, 8), f"{of_adapter}layers.0.bias": torch.ones(24)}
    named = {of_adapter + module: pair for module, pair in pairs.items()}
    adapter = save_adapter(tmp_path / "a", named, whole=head)
    report = merge("average", base=tmp_path / "base", models=[adapter], out=tmp_path / "out")
    expected = moved({**model, "layers.0.bias": torch.ones(24)}, pairs)
    found = {of_base + name: value for name, value in expected.items()}
    close(tmp_path / "out", {**found, "classifier.weight": head["classifier.weight"]})
    assert report.heads == {"classifier.weight": str(adapter)}


def test_heads_of_several_adapters(base: Model, tmp_path: Path) -> None:
    heads = [torch.randn(3, 8, generator=torch.Generator().manual_seed(i)) for i in (0, 1, 1)]
    adapters = [
        save_adapter(tmp_path / str(i), factors(i, **LAYERS), whole={"classifier.weight": head})
        for i, head in enumerate(heads)
    ]
    for name, chosen, options in (
        ("same", adapters[1:], {}),
        ("first", adapters, {"heads": "first", "dtype": "float64"}),
        ("skip", adapters, {"heads": "skip"}),
    ):
        out = tmp_path / f"out {name}"
        merge("task_arithmetic", base=tmp_path / "base", models=chosen, out=out, **options)
        found = load_file(out / "model.safetensors").get("classifier.weight")
        kept = {"same": heads[1], "first": heads[0].double(), "skip": None}[name]
        assert (found is None and kept is None) or torch.equal(found, kept)


def test_changes_and_task_vectors(base: Model, tmp_path: Path) -> None:
    """The change of an adapter from its own base, added to another model."""
    pairs = factors(1, **LAYERS)
    adapter = save_adapter(tmp_path / "a", pairs)
    vector = TaskVector.from_models(tmp_path / "base", adapter)
    (-0.5 * vector).apply(tmp_path / "base", out=tmp_path / "less")
    close(tmp_path / "less", moved(base, pairs, scale=-1.0))
    whole = tmp_path / "less"
    change = Change(adapter, tmp_path / "base")
    plan = Plan(method=TaskArithmetic(), base=whole, models=(change,))
    run_plan(plan, out=tmp_path / "out")
    close(tmp_path / "out", moved(base, pairs, scale=1.0))


def test_what_the_report_tells_apart(base: Model, tmp_path: Path) -> None:
    """An adapter and a copy of it, and the same factors with another scale."""
    pairs = factors(1, **LAYERS)
    one = save_adapter(tmp_path / "a", pairs)
    copy = shutil.copytree(one, tmp_path / "copy")
    other = save_adapter(tmp_path / "b", pairs, lora_alpha=8)
    report = merge(
        "dare_linear",
        base=tmp_path / "base",
        models=[one, copy, other],
        out=tmp_path / "out",
        density=0.5,
    )
    assert report.notes == [f"the same weights: {one}, {copy}"]
    assert [entry.get("occurrence") for entry in report.inputs] == [None, 0, 1, 0]
    assert json.loads((tmp_path / "out" / "merge.json").read_text())["unchanged"] == 4


PLANS = {
    "average": ("models: [{model: a}, {model: b}]", ["a", "b"], {}),
    "slerp": ("models: [{model: a}, {model: b}]\nparameters: {t: 0.3}", ["a", "b"], {"t": 0.3}),
    "ties": (
        "models: [{model: a, parameters: {density: 0.5}}, {model: b}]",
        ["a", "b"],
        {"density": [0.5, 1.0], "trim": "tensor"},
    ),
}


@pytest.mark.parametrize("method", list(PLANS))
def test_plans_and_the_command_line(
    method: str,
    base: Model,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    polytask: Command,
) -> None:
    monkeypatch.chdir(tmp_path)
    for index, name in enumerate("ab"):
        save_adapter(tmp_path / name, factors(index, **LAYERS))
    text, models, options = PLANS[method]
    Path("plan.yaml").write_text(f"merge_method: {method}\nbase_model: base\n{text}\n")
    answer = polytask("merge", "plan.yaml", "--out", "out")
    assert answer.code == 0, answer.err
    merge(method, base="base", models=models, out="expected", **options)
    assert same(load_file("out/model.safetensors"), load_file("expected/model.safetensors"))
