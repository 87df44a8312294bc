"""From files as in memory, bit for bit, whatever the threads, chunks, paths and order."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.merging.conftest import Model, Save, random_model, trained
from tests.merging.methods import ALL, has, inputs, per_model
from tests.merging.test_invariants import same

from polytask.errors import InputError
from polytask.merging import METHODS, AlongDepth, ByName, merge, merge_state_dicts
from polytask.merging.engine import group, selection

SIZES = {"layers.0.weight": (300, 31), "layers.1.weight": (300, 31), "norm": (17,), "head": (9, 5)}


def large(seed: int, dtype: torch.dtype, start: Model | None = None) -> Model:
    """A model of a few chunks, when chunks are small."""
    generator = torch.Generator().manual_seed(seed)
    values = {name: torch.randn(shape, generator=generator) for name, shape in SIZES.items()}
    if start is not None:
        values = {name: start[name].float() + 0.1 * value for name, value in values.items()}
    return {name: value.to(dtype) for name, value in values.items()}


def family(dtype: torch.dtype) -> tuple[Model, list[Model]]:
    base = large(0, dtype)
    return base, [large(seed, dtype, base) for seed in (1, 2, 3)]


WHOLE = {"geometric_median"}
"""Methods whose weights are the same for all tensors."""


def options_of(method: str) -> dict[str, Any]:
    along = [ByName((("norm", 0.1), (None, AlongDepth((0.5, 1.0))))), 1.0, 0.5]
    own = {"density": [0.5, 0.3, 0.7], "weights": [0.4, 1.0, 0.5] if method in WHOLE else along}
    count = METHODS.get(method).contract.most
    options: dict[str, Any] = {n: v[:count] for n, v in own.items() if n in per_model(method)}
    return {**options, **({"scale": AlongDepth((0.3, 0.9))} if has(method, "scale") else {})}


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(("chunk", "threads"), [(512, 3), (4096, 1), (1 << 17, 2)])
def test_files_give_the_bits_that_memory_gives(
    method: str,
    dtype: torch.dtype,
    chunk: int,
    threads: int,
    save: Save,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    base, models = family(dtype)
    options = options_of(method)
    expected = merge_state_dicts(method, seed=5, **inputs(method, base, models), **options)
    monkeypatch.setattr(group, "CHUNK", chunk)
    monkeypatch.setattr(group, "PIECE", max(chunk, 1024))
    monkeypatch.setattr(selection, "SMALL", 1000)
    paths = [save(f"model-{index}", model) for index, model in enumerate(models)]
    chosen = inputs(method, save("base", base), paths)
    merge(method, out=tmp_path / "out", seed=5, threads=threads, **chosen, **options)
    assert same(load_file(tmp_path / "out" / "model.safetensors"), expected)


def test_seeds_paths_and_order(save: Save, tmp_path: Path) -> None:
    base, models = trained(3, dtype=torch.bfloat16)
    start = save("base", base)
    paths = [save(name, model) for name, model in zip("abc", models, strict=True)]
    moved = [save(f"moved/{name}", model) for name, model in zip("xyz", models, strict=True)]
    orders = {"one": paths, "two": moved[::-1], "three": [paths[1], moved[0], paths[2]]}
    files = {}
    for name, chosen in orders.items():
        merge("dare_ties", base=start, models=chosen, out=tmp_path / name, density=0.5, seed=3)
        files[name] = (tmp_path / name / "model.safetensors").read_bytes()
    assert len(set(files.values())) == 1
    merge("dare_ties", base=start, models=paths, out=tmp_path / "other", density=0.5, seed=4)
    assert (tmp_path / "other" / "model.safetensors").read_bytes() != files["one"]


def test_the_same_bits_in_another_process(save: Save, tmp_path: Path) -> None:
    base, models = trained(2)
    start, paths = save("base", base), [save("a", models[0]), save("b", models[1])]
    merge("dare_linear", base=start, models=paths, out=tmp_path / "here", density=0.5)
    program = (
        "import sys; from polytask.merging import merge; "
        "merge('dare_linear', base=sys.argv[1], models=sys.argv[2:4], out=sys.argv[4], density=0.5)"
    )
    subprocess.run(
        [sys.executable, "-c", program, start, *paths, tmp_path / "there"],
        env={**os.environ, "PYTHONHASHSEED": "123"},
        check=True,
    )
    one, other = (tmp_path / name / "model.safetensors" for name in ("here", "there"))
    assert one.read_bytes() == other.read_bytes()


def test_the_same_weights_count_twice(save: Save, tmp_path: Path) -> None:
    base, models = trained(2)
    start, path = save("base", base), save("a", models[0])
    copy = shutil.copytree(path, tmp_path / "copy")
    report = merge("task_arithmetic", base=start, models=[path, copy], out=tmp_path / "twice")
    expected = merge_state_dicts("task_arithmetic", base=base, models=models[:1], scale=2.0)
    found = load_file(tmp_path / "twice" / "model.safetensors")
    assert all(torch.allclose(found[name], expected[name], atol=1e-7) for name in found)
    assert [entry["occurrence"] for entry in report.inputs[1:]] == [0, 1]
    assert report.notes == [f"the same weights: {path}, {copy}"]
    masks = merge_state_dicts("dare_linear", base=base, models=[models[0], models[0]], density=0.5)
    single = merge_state_dicts("dare_linear", base=base, models=[models[0]], density=0.5, scale=2)
    assert not same(masks, single)  # each occurrence drops its own elements


def test_a_model_that_is_listed_twice(save: Save, tmp_path: Path) -> None:
    path = save("a", trained(1)[1][0])
    (tmp_path / "link").symlink_to(path)
    for again in (path, tmp_path / "a" / ".." / "a", tmp_path / "link"):
        with pytest.raises(InputError, match="is listed twice; give it a larger weight instead"):
            merge("average", models=[path, again], out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_models_that_differ_where_no_fingerprint_looks(save: Save, tmp_path: Path) -> None:
    base = {"w": torch.zeros(20_000)}
    models = [{"w": torch.ones(20_000)}, {"w": torch.ones(20_000)}]
    models[1]["w"][4000] = 2.0
    for order in (models, models[::-1]):
        merged = merge_state_dicts("dare_linear", base=base, models=order, density=0.5)
        assert 0.9 < float(merged["w"].mean()) / 2 < 1.1
        if order is models:
            first = merged
    assert same(first, merged)
    # Masks that were the same for both would only give 0 and 4.
    assert set(merged["w"].tolist()) >= {0.0, 2.0, 4.0}


def test_merge_json_tells_all(save: Save, tmp_path: Path) -> None:
    base, models = trained(2, dtype=torch.bfloat16)
    start, paths = save("base", base), [save("a", models[0]), save("b", models[1])]
    report = merge("ties", base=start, models=paths, out=tmp_path / "out", density=0.5, scale=0.3)
    found = json.loads((tmp_path / "out" / "merge.json").read_text())
    assert found["plan"]["method"] == "ties"
    assert found["plan"]["options"] == {
        "density": 0.5,
        "weights": 1.0,
        "normalise": True,
        "trim": "model",
        "scale": 0.3,
    }
    assert [entry["path"] for entry in found["inputs"]] == [str(start), *map(str, paths)]
    assert len({entry["content"][0] for entry in found["inputs"]}) == 3
    assert found["merged"] == len(base)
    assert found["dtype"] == "bfloat16"
    assert 0 < found["rounding_cost"] < 0.5
    assert any("rounding to bfloat16" in warning for warning in report.warnings)
    assert set(found["versions"]) == {"polytask", "torch", "numpy", "python"}


def test_what_rounding_costs(save: Save, tmp_path: Path) -> None:
    base, models = trained(2, dtype=torch.bfloat16)
    start, paths = save("base", base), [save("a", models[0]), save("b", models[1])]
    report = merge("task_arithmetic", base=start, models=paths, out=tmp_path / "out", scale=0.3)
    exact = merge_state_dicts(
        "task_arithmetic",
        base={name: value.float() for name, value in base.items()},
        models=[{name: value.float() for name, value in model.items()} for model in models],
        scale=0.3,
    )
    stored = load_file(tmp_path / "out" / "model.safetensors")
    error = sum(float((stored[n].float() - exact[n]).square().sum()) for n in exact)
    update = sum(float((exact[n] - base[n].float()).square().sum()) for n in exact)
    assert report.rounding_cost == pytest.approx((error / update) ** 0.5, rel=1e-3)
    wide = merge(
        "task_arithmetic", base=start, models=paths, out=tmp_path / "wide", dtype="float32"
    )
    assert wide.rounding_cost == 0
    assert not wide.warnings


def test_a_random_model_is_no_other(save: Save) -> None:
    assert not same(random_model(1), random_model(2))
