"""From models to compressed task vectors, and back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tests.merging.adapters import factors, save_adapter
from tests.merging.conftest import Model, Save, save, trained
from torch import Tensor

from polytask.errors import InputError
from polytask.merging import (
    COMPRESSIONS,
    Compression,
    Contract,
    Delta,
    Part,
    Place,
    Weights,
    compress,
    merge,
    restore_state_dict,
)
from polytask.merging.compression.bits import packed, unpacked
from polytask.merging.compression.methods.tall_mask import TallMask
from polytask.merging.compression.source import CompressedModel
from polytask.merging.engine.group import CHUNK
from polytask.merging.methods.ties import TIES

__all__ = ["save"]

ALL = list(COMPRESSIONS)
NAMES = ("one", "two", "three")


class Stored:
    """A base, three models, and where they are."""

    def __init__(self, save: Save, base: Model, models: list[Model]) -> None:
        self.base, self.models = base, dict(zip(NAMES, models, strict=True))
        self.folder = save("base", base)
        self.paths = {name: save(name, model) for name, model in self.models.items()}

    def change(self, name: str) -> dict[str, Tensor]:
        return {key: value.double() - self.base[key] for key, value in self.models[name].items()}


@pytest.fixture
def stored(save: Save) -> Stored:
    return Stored(save, *trained(3))


def restored(stored: Stored, folder: Path, name: str) -> dict[str, Tensor]:
    """The change of a model, as it is read."""
    found = restore_state_dict(folder, name, base=stored.base)
    return {key: value.double() - stored.base[key].double() for key, value in found.items()}


def flat(tensors: Mapping[str, Tensor]) -> np.ndarray:
    return torch.cat([tensors[key].reshape(-1) for key in sorted(tensors)]).numpy()


@pytest.mark.parametrize("method", ALL)
def test_what_is_read_is_what_merge_writes(method: str, stored: Stored, tmp_path: Path) -> None:
    report = compress(method, base=stored.folder, models=stored.paths, out=tmp_path / "x")
    for name in NAMES:
        out = tmp_path / f"{name} again"
        merge("task_arithmetic", base=stored.folder, models=[tmp_path / "x" / name], out=out)
        written = load_file(out / "model.safetensors")
        found = restore_state_dict(tmp_path / "x", name, base=stored.base)
        assert all(torch.equal(found[key], written[key]) for key in stored.base)
        error = flat(restored(stored, report.out, name)) - flat(stored.change(name))
        lost = np.linalg.norm(error) / np.linalg.norm(flat(stored.change(name)))
        assert report.lost[name] == pytest.approx(lost, rel=1e-3, abs=1e-5)


@pytest.mark.parametrize("method", ALL)
def test_bits_are_those_of_the_file(method: str, stored: Stored, tmp_path: Path) -> None:
    report = compress(method, base=stored.folder, models=stored.paths, out=tmp_path / "x")
    size = (tmp_path / "x" / "vectors.safetensors").stat().st_size
    parameters = sum(value.numel() for value in stored.base.values())
    assert report.bits == 8 * size / (3 * parameters)
    about = json.loads((tmp_path / "x" / "vectors.json").read_text())
    assert about["bits_per_parameter_and_model"] == round(report.bits, 4)
    assert list(about["models"]) == list(NAMES)


def test_16_bits_lose_little_and_32_nothing_that_a_weight_shows(
    stored: Stored, tmp_path: Path
) -> None:
    half = compress("rounded", base=stored.folder, models=stored.paths, out=tmp_path / "half")
    assert max(half.lost.values()) < 2**-8
    options: dict[str, Any] = {"dtype": "float32", "base": stored.folder, "models": stored.paths}
    full = compress("rounded", out=tmp_path / "full", **options)
    assert max(full.lost.values()) == 0
    found = restore_state_dict(tmp_path / "full", "two", base=stored.base)
    for key, value in stored.models["two"].items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=1e-8)


def test_int8_is_off_by_half_a_step_at_most(stored: Stored, tmp_path: Path) -> None:
    compress("int8", base=stored.folder, models=stored.paths, out=tmp_path / "x")
    found, wanted = restored(stored, tmp_path / "x", "three"), stored.change("three")
    for key, value in wanted.items():
        blocks = value.reshape(-1).split(128)
        for error, block in zip((found[key] - value).reshape(-1).split(128), blocks, strict=True):
            assert error.abs().max() <= block.abs().max() / 254 + 1e-8


def test_bit_delta_is_the_sign_times_the_mean_magnitude(stored: Stored, tmp_path: Path) -> None:
    compress("bit_delta", base=stored.folder, models=stored.paths, out=tmp_path / "x")
    found, change = restored(stored, tmp_path / "x", "one"), stored.change("one")
    for key, value in change.items():
        wanted = torch.where(value >= 0, 1, -1) * value.abs().mean() if value.ndim == 2 else value
        torch.testing.assert_close(found[key], wanted, rtol=2**-8, atol=1e-7)


@pytest.mark.parametrize("threshold", [0.4, [0.1, 0.5, 2.0]])
def test_tall_masks(threshold: Any, stored: Stored, tmp_path: Path) -> None:
    options = {"thresholds": threshold, "dtype": "float32"}
    compress("tall_mask", base=stored.folder, models=stored.paths, out=tmp_path / "x", **options)
    changes = {name: flat(stored.change(name)) for name in NAMES}
    merged = sum(changes.values())
    for place, (name, change) in enumerate(changes.items()):
        least = threshold[place] if isinstance(threshold, list) else threshold
        wanted = np.where(np.abs(change) > least * np.abs(merged - change), merged, 0)
        np.testing.assert_allclose(flat(restored(stored, tmp_path / "x", name)), wanted, atol=1e-7)


def test_tall_masks_of_another_merge(stored: Stored, tmp_path: Path) -> None:
    ties = TIES(density=0.5)
    compression = TallMask(of=ties, thresholds=0.0, dtype="float32")
    compress(compression, base=stored.folder, models=stored.paths, out=tmp_path / "x")
    merge(ties, base=stored.folder, models=list(stored.paths.values()), out=tmp_path / "merged")
    merged = load_file(tmp_path / "merged" / "model.safetensors")
    found = restore_state_dict(tmp_path / "x", "one", base=stored.base)
    for key, value in merged.items():  # only a change of exactly 0 is masked
        torch.testing.assert_close(found[key], value, rtol=0, atol=1e-7)


def test_emr(stored: Stored, tmp_path: Path) -> None:
    options: dict[str, Any] = {"dtype": "float32"}
    compress("emr", base=stored.folder, models=stored.paths, out=tmp_path / "x", **options)
    changes = np.stack([flat(stored.change(name)) for name in NAMES])
    sign = np.sign(changes.sum(0))
    elected = sign * np.max(np.where(changes * sign > 0, np.abs(changes), 0), axis=0)
    for name, change in zip(NAMES, changes, strict=True):
        kept = np.where(change * elected > 0, elected, 0)
        wanted = kept * np.abs(change).sum() / np.abs(kept).sum()
        np.testing.assert_allclose(flat(restored(stored, tmp_path / "x", name)), wanted, atol=1e-7)
        found = flat(restored(stored, tmp_path / "x", name))
        assert np.abs(found).sum() == pytest.approx(np.abs(change).sum(), rel=1e-5)


@pytest.mark.parametrize(("share", "rank"), [(0.0, 2), (0.5, 4), (1.0, 8)])
def test_tsv_c_keeps_the_largest_singular_values(
    share: float, rank: int, stored: Stored, tmp_path: Path
) -> None:
    options = {"share": share}
    compress("tsv_c", base=stored.folder, models=stored.paths, out=tmp_path / "x", **options)
    found = restored(stored, tmp_path / "x", "two")
    change = stored.change("two")["layers.1.weight"].numpy()
    u, s, v = np.linalg.svd(change, full_matrices=False)
    wanted = u[:, :rank] * s[:rank] @ v[:rank]
    difference = np.linalg.norm(found["layers.1.weight"].numpy() - wanted)
    assert difference <= 2**-7 * np.linalg.norm(wanted)


@pytest.mark.parametrize("method", ALL)
def test_the_order_of_models_changes_nothing_but_the_rows(
    method: str, stored: Stored, tmp_path: Path
) -> None:
    turned = dict(reversed(stored.paths.items()))
    for folder, paths in (("x", stored.paths), ("y", turned)):
        compress(method, base=stored.folder, models=paths, out=tmp_path / folder)
    for name in NAMES:
        one, other = (restored(stored, tmp_path / folder, name) for folder in "xy")
        assert all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("method", ALL)
def test_threads_and_pieces_change_nothing(method: str, save: Save, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    size = 2 * CHUNK + 300
    base = {"w": torch.randn(size // 4, 4, generator=generator), "b": torch.zeros(3)}
    models = [
        {
            key: value + 0.1 * torch.randn(value.shape, generator=generator)
            for key, value in base.items()
        }
        for _ in NAMES
    ]
    stored = Stored(save, base, models)
    reports = [
        compress(method, base=stored.folder, models=stored.paths, out=tmp_path / f"x{n}", threads=n)
        for n in (1, 3)
    ]
    one, other = (report.out / "vectors.safetensors" for report in reports)
    assert one.read_bytes() == other.read_bytes()
    source = CompressedModel(tmp_path / "x1", "two")
    whole = source.read("w", 0, source.entries["w"].size)
    for start, stop in (
        (0, 1),
        (7, 130),
        (CHUNK - 1, CHUNK + 1),
        (size - 400, source.entries["w"].size),
    ):
        assert torch.equal(source.read("w", start, stop), whole[start:stop])


def test_factors_do_not_depend_on_the_threads_of_the_process(save: Save, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    base = {"w": torch.zeros(300, 200)}
    stored = Stored(save, base, [{"w": torch.randn(300, 200, generator=generator)} for _ in NAMES])
    before, written = torch.get_num_threads(), []
    try:
        for count in (1, 2):
            torch.set_num_threads(count)
            out = tmp_path / f"x{count}"
            compress("tsv_c", base=stored.folder, models=stored.paths, out=out)
            written.append((out / "vectors.safetensors").read_bytes())
    finally:
        torch.set_num_threads(before)
    assert written[0] == written[1]


def test_tensors_that_are_alike_or_no_weights_are_those_of_the_base(
    save: Save, tmp_path: Path
) -> None:
    base, models = trained(3, dtype=torch.bfloat16)
    for number, model in enumerate((base, *models)):
        model["n"] = torch.tensor([1, 2])
        model["norm.running_var"] = torch.full((8,), 1.0 + number / 3)
    stored = Stored(save, base, models)
    compress("bit_delta", base=stored.folder, models=stored.paths, out=tmp_path / "x")
    found = restore_state_dict(tmp_path / "x", "three", base=base)
    assert found["n"] is base["n"]
    assert found["scale"].dtype == torch.bfloat16
    assert torch.equal(found["norm.running_var"], stored.models["three"]["norm.running_var"])


@settings(max_examples=30, deadline=None)
@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_bits(values: list[bool]) -> None:
    row = torch.tensor(values)
    bytes_of_row = packed([row, ~row])
    assert bytes_of_row.shape == (2, -(-len(values) // 8))
    assert unpacked(bytes_of_row[0], len(values)).tolist() == values
    assert unpacked(bytes_of_row[1], len(values)).tolist() == (~row).tolist()


def test_a_change_of_another_base_is_said(stored: Stored, save: Save, tmp_path: Path) -> None:
    compress("int8", base=stored.folder, models=stored.paths, out=tmp_path / "x")
    models = [tmp_path / "x" / "one"]
    report = merge("task_arithmetic", base=stored.paths["two"], models=models, out=tmp_path / "y")
    assert any("another base" in note for note in report.notes)


BAD: Mapping[str, tuple[dict[str, Any], str]] = {
    "option": ({"densty": 1}, "densty"),
    "dtype": ({"dtype": "int4"}, "dtype.*int4.*bfloat16"),
    "threshold": ({"thresholds": -1}, "thresholds: must not be negative"),
    "thresholds": ({"thresholds": [1.0]}, "thresholds: has 1 values for 3 models"),
}


@pytest.mark.parametrize("case", BAD)
def test_wrong_options(case: str, stored: Stored, tmp_path: Path) -> None:
    options, message = BAD[case]
    with pytest.raises(InputError, match=message):
        compress(
            "tall_mask", base=stored.folder, models=stored.paths, out=tmp_path / "x", **options
        )
    assert not (tmp_path / "x").exists()


@dataclass(frozen=True, kw_only=True)
class Halves(Compression):
    """Every second change, the others are 0."""

    contract = Contract(needs_base=True)

    def parts(self, shape: tuple[int, ...], models: int) -> Mapping[str, Part]:
        return {"even": Part(dtype=torch.float32, elements=2)}

    def encode(self, base: Weights, deltas: Sequence[Delta], at: Place) -> Mapping[str, Tensor]:
        return {"even": torch.stack([delta.values[::2] for delta in deltas])}

    def decode(self, parts: Mapping[str, Tensor], start: int, stop: int) -> Tensor:
        values = torch.zeros(stop - start)
        values[::2] = parts["even"]
        return values


def test_a_compression_of_ones_own(stored: Stored, tmp_path: Path) -> None:
    compress(Halves(), base=stored.folder, models=stored.paths, out=tmp_path / "x")
    found = restored(stored, tmp_path / "x", "two")
    for key, value in stored.change("two").items():
        wanted = value.reshape(-1).clone()
        wanted[1::2] = 0
        torch.testing.assert_close(found[key].reshape(-1), wanted, rtol=0, atol=1e-7)


def test_wrong_names(stored: Stored, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"compression 'erm'.*emr"):
        compress("erm", base=stored.folder, models=stored.paths, out=tmp_path / "x")
    with pytest.raises(InputError, match="'a/b': cannot be the name"):
        compress("emr", base=stored.folder, models={"a/b": tmp_path / "one"}, out=tmp_path / "x")
    with pytest.raises(InputError, match="exists already"):
        compress("emr", base=stored.folder, models=stored.paths, out=stored.folder)
    compress("emr", base=stored.folder, models=stored.paths, out=tmp_path / "x")
    with pytest.raises(InputError, match=r"model 'tow'.*two"):
        restore_state_dict(tmp_path / "x", "tow", base=stored.base)
    with pytest.raises(InputError, match="give the base model"):
        merge("average", models=[tmp_path / "x" / "one"], out=tmp_path / "y")


def test_configurations_that_differ_are_said(save: Save, tmp_path: Path) -> None:
    base, (one,) = trained(1)
    folder, models = save("base", base, size=1), {"one": save("one", one, size=2)}
    report = compress("rounded", base=folder, models=models, out=tmp_path / "x")
    [note] = report.notes
    assert note.startswith(f"config.json of {models['one']} differs at size")


def test_models_that_are_equal_are_said_as_merge_says_it(stored: Stored, tmp_path: Path) -> None:
    one = stored.paths["one"]
    copy = shutil.copytree(one, tmp_path / "copy")
    twice = {"one": one, "again": copy, "two": stored.paths["two"]}
    report = compress("int8", base=stored.folder, models=twice, out=tmp_path / "x")
    merged = merge("task_arithmetic", base=stored.folder, models=[one, copy], out=tmp_path / "out")
    assert report.notes == merged.notes == [f"the same weights: {one}, {copy}"]


def test_a_seed_that_is_none(stored: Stored, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="seed: must be an integer of at least 0, got -1"):
        compress("emr", base=stored.folder, models=stored.paths, out=tmp_path / "x", seed=-1)


@pytest.mark.parametrize("tensor", ["layers.1.weight", "layers.1.bias"])
@pytest.mark.parametrize("value", ["nan", "-inf"])
@pytest.mark.parametrize("method", ALL)
def test_values_that_are_not_finite_are_named(
    method: str, value: str, tensor: str, stored: Stored, save: Save, tmp_path: Path
) -> None:
    bad = {key: value.clone() for key, value in stored.models["one"].items()}
    bad[tensor].view(-1)[2] = float(value)
    paths = {**stored.paths, "bad": save("bad", bad)}
    with pytest.raises(InputError, match=rf"bad: tensor '{tensor}' holds NaN or infinities"):
        compress(method, base=stored.folder, models=paths, out=tmp_path / "x")
    assert {path.name for path in tmp_path.iterdir()} == {"base", "bad", *NAMES}


@pytest.mark.parametrize("method", ["rounded", "emr", "tall_mask"])
def test_changes_that_the_dtype_cannot_hold_are_refused(
    method: str, save: Save, tmp_path: Path
) -> None:
    base, far = {"w": torch.ones(2, 2)}, {"w": torch.tensor([[1.0, 1.0], [1.0, 1e5]])}
    folder, models = save("base", base), {"far": save("far", far)}
    with pytest.raises(InputError, match=r"tensor 'w': .* is not finite in torch.float16; a wider"):
        compress(method, base=folder, models=models, out=tmp_path / "x", dtype="float16")
    assert not (tmp_path / "x").exists()


def test_a_file_that_does_not_fit_its_description(stored: Stored, tmp_path: Path) -> None:
    compress("emr", base=stored.folder, models=stored.paths, out=tmp_path / "x")
    file = tmp_path / "x" / "vectors.safetensors"
    tensors = load_file(file)
    del tensors["layers.0.weight:mask"]
    save_file(tensors, file)
    with pytest.raises(InputError, match=r"part 'mask' of tensor 'layers.0.weight' is missing"):
        restore_state_dict(tmp_path / "x", "one", base=stored.base)
    about = tmp_path / "x" / "vectors.json"
    about.write_text(about.read_text().replace('"emr"', '"python:os:system"'))
    with pytest.raises(InputError, match=r"needs system of os: import it before"):
        restore_state_dict(tmp_path / "x", "one", base=stored.base)
    about.write_text("{}")
    with pytest.raises(InputError, match=r"vectors.json: is no description"):
        restore_state_dict(tmp_path / "x", "one", base=stored.base)


@pytest.mark.parametrize(
    "described", [{}, {"type": 3}, {"type": "emr", "rate": 1}, {"type": "tsv_c"}]
)
def test_a_description_that_is_broken(
    described: dict[str, Any], stored: Stored, tmp_path: Path
) -> None:
    compress("emr", base=stored.folder, models=stored.paths, out=tmp_path / "x")
    file = tmp_path / "x" / "vectors.json"
    about = json.loads(file.read_text())
    about["tensors"]["layers.0.bias"]["compression"] = described
    file.write_text(json.dumps(about))
    with pytest.raises(
        InputError, match=r"vectors.json: .*described wrongly|vectors.json: unknown"
    ):
        merge(
            "task_arithmetic",
            base=stored.folder,
            models=[tmp_path / "x" / NAMES[0]],
            out=tmp_path / "y",
        )


def test_a_name_that_a_file_has(stored: Stored, tmp_path: Path) -> None:
    models = {"vectors.json": stored.paths[NAMES[0]]}
    with pytest.raises(InputError, match=r"'vectors.json': cannot be the name of a model"):
        compress("emr", base=stored.folder, models=models, out=tmp_path / "x")


def test_heads_of_adapters_are_told_to_be_left_out(save: Save, tmp_path: Path) -> None:
    base, _ = trained(1)
    adapter = save_adapter(
        tmp_path / "a", factors(1, layers_0=(24, 8)), whole={"score.weight": torch.ones(2, 8)}
    )
    report = compress("int8", base=save("base", base), models={"a": adapter}, out=tmp_path / "out")
    told = f"{adapter}: what it has and the base has not is left out: score.weight"
    assert report.notes == [told]
