"""A merged change as an adapter again: exact where the rank suffices, honest where it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tests.cli.conftest import Command
from tests.merging.adapters import change_of, factors, save_adapter
from tests.merging.conftest import Model, Save, random_model
from tests.merging.test_invariants import same

from polytask.merging import merge
from polytask.merging.adapters.truncation import low_rank

LAYERS = {"layers_0": (24, 8), "layers_1": (24, 8)}


@pytest.fixture
def base(save: Save) -> Model:
    model = random_model(0)
    save("base", model)
    return model


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 8), st.integers(1, 8))
def test_a_matrix_of_that_rank_is_exact(rows: int, columns: int, true: int, more: int) -> None:
    torch.manual_seed(rows)
    matrix = torch.randn(rows, true).double() @ torch.randn(true, columns).double()
    left, right = low_rank(matrix, true + more - 1, b"key")
    assert (left.shape, right.shape) == ((rows, true + more - 1), (true + more - 1, columns))
    torch.testing.assert_close(left @ right, matrix, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("decay", [0.0, 0.5, 1.0])
def test_what_is_lost_is_nearly_the_least(decay: float) -> None:
    """Against the whole decomposition, for spectra from flat to steep."""
    torch.manual_seed(0)
    size = 400
    u, v = (torch.linalg.qr(torch.randn(size, size).double()).Q for _ in range(2))
    singular = torch.arange(1, size + 1).double() ** -decay
    matrix = u @ torch.diag(singular) @ v.T if decay else torch.randn(size, size).double()
    if not decay:
        singular = torch.linalg.svdvals(matrix)
    left, right = low_rank(matrix, 16, b"key")
    least = singular[16:].norm()
    lost = (matrix - left @ right).norm()
    assert least * (1 - 1e-9) <= lost <= 1.001 * least


def test_linear_merges_are_exact_when_the_ranks_add_up(base: Model, tmp_path: Path) -> None:
    pairs = factors(1, **LAYERS), factors(2, rank=3, layers_1=(24, 8))
    adapters = [
        save_adapter(tmp_path / "a", pairs[0]),
        save_adapter(tmp_path / "b", pairs[1], r=3, lora_alpha=6),
    ]
    options: dict[str, Any] = {
        "base": tmp_path / "base",
        "models": adapters,
        "weights": [0.5, -1.0],
    }
    report = merge("task_arithmetic", out=tmp_path / "out", adapter_rank=5, **options)
    assert report.adapter is not None
    assert report.adapter["rank"] == 5
    assert report.adapter["lost"] < 1e-6
    assert report.warnings == []
    found = load_file(tmp_path / "out" / "adapter_model.safetensors")
    up, down = (found[f"base_model.model.layers.1.lora_{x}.weight"].double() for x in "BA")
    expected = 0.5 * change_of(pairs[0]["layers.1"]) - change_of(pairs[1]["layers.1"])
    np.testing.assert_allclose((up @ down).numpy(), expected, atol=1e-7)
    merge("task_arithmetic", out=tmp_path / "whole", **options)
    merge(
        "task_arithmetic",
        base=tmp_path / "base",
        models=[tmp_path / "out"],
        out=tmp_path / "again",
    )
    whole, again = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "again"))
    for name, value in whole.items():
        torch.testing.assert_close(again[name], value, rtol=1e-6, atol=1e-7)


def test_the_report_says_what_is_lost(base: Model, tmp_path: Path, polytask: Command) -> None:
    pairs = [factors(seed, **LAYERS) for seed in (1, 2)]
    adapters = [str(save_adapter(tmp_path / str(i), of)) for i, of in enumerate(pairs)]
    out, start = tmp_path / "out", ("--base", str(tmp_path / "base"))
    ran = polytask(
        "merge", "task_arithmetic", *start, *adapters, "--out", str(out), "--adapter-rank", "1"
    )
    assert ran.code == 0, ran.err
    report = json.loads((out / "merge.json").read_text())
    singular = {
        f"{module}.weight": np.linalg.svd(sum(change_of(of[module]) for of in pairs))[1]
        for module in ("layers.0", "layers.1")
    }
    for name, values in singular.items():
        share = np.linalg.norm(values[1:]) / np.linalg.norm(values)
        assert report["adapter"]["lost_per_tensor"][name] == pytest.approx(share, abs=2e-6)
    lost, whole = (
        np.concatenate([values[first:] for values in singular.values()]) for first in (1, 0)
    )
    share = np.linalg.norm(lost) / np.linalg.norm(whole)
    assert report["adapter"]["lost"] == pytest.approx(share, abs=2e-6)
    assert report["rounding_cost"] is None
    assert report["plan"]["adapter_rank"] == 1


def test_heads_and_whole_tensors_stay_whole(base: Model, tmp_path: Path) -> None:
    heads = torch.randn(3, 8), torch.ones(24)
    whole = {"classifier.weight": heads[0], "layers.0.bias": heads[1]}
    pairs = factors(1, layers_0=(24, 8))
    adapter = save_adapter(tmp_path / "a", pairs, whole=whole, modules_to_save=["classifier"])
    out = tmp_path / "out"
    report = merge(
        "task_arithmetic",
        base=tmp_path / "base",
        models=[adapter],
        out=out,
        adapter_rank=9,
        scale=0.5,
        dtype="bfloat16",
    )
    found = load_file(out / "adapter_model.safetensors")
    assert {value.dtype for value in found.values()} == {torch.bfloat16}
    assert found["base_model.model.layers.0.lora_A.weight"].shape == (9, 8)  # wider than the rank
    assert torch.equal(found["base_model.model.classifier.weight"], heads[0].bfloat16())
    expected = (base["layers.0.bias"] + 0.5 * (heads[1] - base["layers.0.bias"])).bfloat16()
    assert torch.equal(found["base_model.model.layers.0.base_layer.bias"], expected)
    config = json.loads((out / "adapter_config.json").read_text())
    assert config["modules_to_save"] == ["classifier"]
    assert config["target_modules"] == ["layers.0"]
    assert report.heads == {"classifier.weight": str(adapter)}
    assert sorted(path.name for path in out.iterdir()) == [
        "adapter_config.json",
        "adapter_model.safetensors",
        "merge.json",
    ]


def test_a_head_that_is_left_out_is_not_said_to_be_there(base: Model, tmp_path: Path) -> None:
    adapter = save_adapter(
        tmp_path / "a",
        factors(1, layers_0=(24, 8)),
        whole={"classifier.weight": torch.randn(3, 8)},
        modules_to_save=["classifier"],
    )
    merge(
        "task_arithmetic",
        base=tmp_path / "base",
        models=[adapter],
        out=tmp_path / "out",
        adapter_rank=2,
        heads="skip",
    )
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text())
    assert config["modules_to_save"] is None


@pytest.mark.parametrize("method", ["ties", "dare_linear", "average", "slerp"])
def test_other_methods_and_the_same_bits(method: str, base: Model, tmp_path: Path) -> None:
    adapters = [save_adapter(tmp_path / str(i), factors(i, **LAYERS)) for i in (1, 2)]
    options = {} if method in ("average", "slerp") else {"density": 0.5}
    whole = {"base": tmp_path / "base", "models": adapters, **options}
    for threads in (1, 3):
        out = tmp_path / f"out {threads}"
        report = merge(method, out=out, adapter_rank=8, threads=threads, **whole)
        assert report.adapter is not None
        assert report.adapter["lost"] < 1e-5  # the whole rank of a 24 x 8 matrix
    one, three = (load_file(tmp_path / f"out {n}" / "adapter_model.safetensors") for n in (1, 3))
    assert same(one, three)
    merge(method, out=tmp_path / "merged", **whole)
    merge("average", base=tmp_path / "base", models=[tmp_path / "out 1"], out=tmp_path / "back")
    merged, back = (load_file(tmp_path / n / "model.safetensors") for n in ("merged", "back"))
    for name, value in merged.items():
        torch.testing.assert_close(back[name], value, rtol=1e-5, atol=1e-6)
