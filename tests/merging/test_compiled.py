"""Compiled code gives the bits that PyTorch gives."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.merging.conftest import Model, Save

from polytask.errors import InputError
from polytask.merging import METHODS, merge
from polytask.merging.elementwise import ElementwiseMethod, Steps
from polytask.merging.engine import compiled, group, selection
from polytask.merging.engine.content import ContentHash
from polytask.merging.engine.counting import count
from polytask.merging.engine.survey import TensorPopulation
from polytask.merging.kinds import Delta, Weights
from polytask.merging.methods.linear import Linear
from polytask.merging.methods.slerp import Slerp
from polytask.merging.methods.sums import weighted_sum
from polytask.merging.methods.task_arithmetic import TaskArithmetic
from polytask.merging.methods.ties import TIES
from polytask.merging.place import Place
from polytask.merging.report import Report
from polytask.merging.sources.state_dict import StateDict
from polytask.merging.weighted import WeightedMethod

pytest.importorskip("numba")

BLOCK = 1 << 15
SHAPES = {"a": (3 * BLOCK + 5,), "b": (70, 9), "norm": (1,), "running_var": (4,)}
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "task_arithmetic": [{"weights": [0.3, -1.7, 0.9], "scale": 0.7}, {}],
    "ties": [
        {"density": [0.2, 0.9, 0.5], "weights": [0.3, 0.0, 1.7]},
        {"trim": "tensor", "normalise": False, "scale": -0.3},
        {"density": 1.0},
    ],
    "dare_linear": [{"density": [0.1, 1.0, 0.6], "weights": 0.3}, {"rescale": False}],
    "dare_ties": [{"density": 0.1, "weights": [0.3, 2.0, 1.0]}, {"normalise": False}],
    "breadcrumbs_ties": [{"outliers": 0.1}, {"normalise": True, "weights": [0.3, 2.0, 1.0]}],
    "linear": [{"weights": [0.3, 1.7, 0.9], "normalise": False}, {}],
    "slerp": [{"t": 0.3}],
    "breadcrumbs": [{"density": 0.9, "outliers": 0.01}, {"outliers": 0.0, "scale": 1.3}],
}
WEIGHTED = compiled.Compiled(weighted=True, surveys=True)
CASES = [(method, options) for method, several in OPTIONS.items() for options in several]


def models(dtype: torch.dtype = torch.bfloat16) -> list[Model]:
    """A base and three models; among the values are zeros of both signs, and equal ones."""
    generator = torch.Generator().manual_seed(0)
    base = {name: 0.02 * torch.randn(shape, generator=generator) for name, shape in SHAPES.items()}
    base["running_var"] = base["running_var"].abs()
    base["a"][::7], base["a"][1::7] = 0.0, -0.0
    found = [base]
    for _ in range(3):
        model = {
            k: v + 2e-3 * torch.randn(v.shape, generator=generator).abs() for k, v in base.items()
        }
        model["a"][::3] = base["a"][::3]
        model["a"][1::3] -= 4e-3
        found.append(model)
    return [{name: value.to(dtype) for name, value in model.items()} for model in found]


def both(
    method: str, inputs: list[Path], out: Path, monkeypatch: pytest.MonkeyPatch, **options: Any
) -> tuple[Report, Report]:
    """The reports of a merge without and with compiled code."""
    reports = []
    contract = METHODS.get(method).contract
    base, models = inputs[0] if contract.needs_base else None, inputs[1:][: contract.most]
    monkeypatch.setattr(selection, "SMALL", 0)
    for least, name in ((1 << 60, "without"), (0, "with")):
        monkeypatch.setattr(compiled, "LEAST_ELEMENTS", least)
        reports.append(merge(method, base=base, models=models, out=out / name, seed=3, **options))
    return reports[0], reports[1]


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


@pytest.fixture
def pieces(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the tensors whose pieces compiled code merges."""
    merged: list[str] = []

    def noted(original: Callable[..., torch.Tensor | None]) -> Callable[..., torch.Tensor | None]:
        def note(self: compiled.Compiled, name: str, *rest: Any) -> torch.Tensor | None:
            found = original(self, name, *rest)
            merged.extend([name] if found is not None else [])
            return found

        return note

    for way in ("merged", "_combined"):
        monkeypatch.setattr(compiled.Compiled, way, noted(getattr(compiled.Compiled, way)))
    monkeypatch.setattr(group, "PIECE", 2 * BLOCK)
    return merged


def test_every_method_that_has_steps_or_factors_is_a_case() -> None:
    kinds = ElementwiseMethod, WeightedMethod
    assert set(OPTIONS) == {n for n in METHODS if issubclass(METHODS.get(n), kinds)}


@pytest.mark.parametrize(("method", "options"), CASES)
def test_the_same_bits(
    method: str,
    options: dict[str, Any],
    save: Save,
    tmp_path: Path,
    pieces: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = [save(str(index), model) for index, model in enumerate(models())]
    without, with_it = both(method, inputs, tmp_path, monkeypatch, **options)
    assert weights(tmp_path / "with") == weights(tmp_path / "without")
    assert sorted(pieces) == ["a", "a", "b", "norm"]
    assert with_it.warnings == without.warnings
    assert "numba" in with_it.versions
    assert "numba" not in without.versions


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_bits_of_any_numbers(data: st.DataObject) -> None:
    count, size = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 40))
    finite = st.integers(0, 0xFFFF).filter(lambda bits: bits & 0x7F80 < 0x7F80 - (8 << 7))
    bits = data.draw(st.lists(finite, min_size=size * (count + 1), max_size=size * (count + 1)))
    table = torch.from_numpy(np.array(bits, np.uint16).view(np.int16)).view(torch.bfloat16)
    base, *rest = table.view(count + 1, size)
    least = [abs(float(base[0]) - float(model[0])) for model in rest]
    own = [data.draw(st.sampled_from([0.0, 0.3, 1.0, 2.5])) for _ in rest]
    steps = Steps(weights=own, least=least, join="agreeing mean")
    at = Place(tensor="w", shape=(size,), depth=0.0, order=tuple(range(count)), keys=())
    sources = [StateDict("", {"w": values}) for values in (base, *rest)]
    found = compiled.Compiled(weighted=False, surveys=True).merged(
        "w", sources, steps, 0.5, at, size
    )

    start = Weights(base.float())
    method = TIES(density=0.5, weights=own, scale=0.5)
    place = Place(**{**vars(at), "found": least})
    direction = method.prepare(start, [Delta(m.float() - start.values) for m in rest], place)
    expected = method.apply(start, direction, 0.5).values.bfloat16()
    assert found is not None
    assert torch.equal(found.view(torch.int16), expected.view(torch.int16))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_bits_of_any_sum(data: st.DataObject) -> None:
    count, size = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 3000))
    table = torch.randn(count, size, generator=torch.Generator().manual_seed(size)).bfloat16()
    own = [data.draw(st.sampled_from([0.0, 0.3, 1.0, -2.5])) for _ in table]
    sources = [StateDict("", {"w": values}) for values in table]
    method = Linear(weights=own, normalise=False)
    at = Place(tensor="w", shape=(size,), depth=0.0, order=tuple(range(count)), keys=())
    found = WEIGHTED.weighted("w", sources, method, at, size)
    expected = weighted_sum([values.float() for values in table], own).bfloat16()
    assert found is not None
    assert torch.equal(found.view(torch.int16), expected.view(torch.int16))


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_bits_of_slerp(data: st.DataObject) -> None:
    size, t = data.draw(st.integers(1, 5000)), data.draw(st.floats(0, 1))
    spread = data.draw(st.sampled_from([0.0, 1e-3, 1.0]))  # equal, almost parallel, far apart
    length = data.draw(st.sampled_from([1e-22, 1.0, 1e30]))  # squares leave float32
    noise = torch.Generator().manual_seed(size)
    a = (length * torch.randn(size, generator=noise)).bfloat16()
    b = (a + spread * length * torch.randn(size, generator=noise)).bfloat16()
    at = Place(tensor="w", shape=(size,), depth=0.0, order=(0, 1), keys=())
    sources = (StateDict("", {"w": a}), StateDict("", {"w": b}))
    made = group.Group(
        name="w",
        shape=(size,),
        base=None,
        models=sources,
        dtype=torch.float32,
        stored=torch.bfloat16,
    )
    method, found = Slerp(t=t), []
    for code in (None, WEIGHTED):
        cosine = method.survey(TensorPopulation(made, at, changes=False, compiled=code))
        found.append(replace(at, found=cosine))
    assert [float(place.found) for place in found] == [float(found[0].found)] * 2
    merged = WEIGHTED.weighted("w", sources, method, found[1], size)
    expected = method.combine([Weights(a.float()), Weights(b.float())], found[0]).values.bfloat16()
    assert merged is not None
    assert torch.equal(merged.view(torch.int16), expected.view(torch.int16))
    if spread == 0:
        assert torch.equal(merged, a)


def test_code_that_is_loaded_pays_earlier(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compiled.Compiled(weighted=True, surveys=False)
    assert compiled.compiled(Linear(), compiled.LOADED) is not None
    assert compiled.compiled(Linear(), compiled.LOADED - 1) is None
    monkeypatch.delitem(sys.modules, compiled.CODE)
    assert compiled.compiled(Linear(), compiled.LEAST_ELEMENTS) is None


def test_a_sum_of_a_user_is_left_to_pytorch() -> None:
    class Twice(Linear):
        def combine(self, models: Sequence[Weights], at: Place) -> Weights:
            return Weights(2 * super().combine(models, at).values)

    assert compiled.compiled(Linear(), 1 << 40) is not None
    assert compiled.compiled(Twice(), 1 << 40) is None


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_counts_of_any_numbers(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([1, 63, 64, 200, 1024, 3000]))
    digits = torch.randint(0, data.draw(st.sampled_from([3, 50, 60000])), (2, size))
    base, model = digits.to(torch.uint16).view(torch.bfloat16)
    sources = [StateDict("", {"w": values}) for values in (base, model)]
    bits = (model.float() - base.float()).abs().numpy().view(np.uint32)
    end = st.sampled_from(sorted(bits.tolist()))
    pairs = data.draw(st.lists(st.tuples(end, end), min_size=1, max_size=3))
    intervals = [(min(pair), max(pair)) for pair in pairs]
    counter = compiled.Compiled(weighted=False, surveys=True).counter("w", sources, 0, size)
    assert counter is not None
    for found, expected in zip(counter(0, intervals), count(bits, intervals), strict=True):
        assert found.numbers == expected.numbers
        assert found.inside.tolist() == expected.inside.tolist()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3e38])
def test_what_is_not_finite_is_the_same_error(
    value: float, save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = models()
    made[1]["b"][0, 0], made[2]["b"][0, 0] = value, value
    inputs = [save(str(index), model) for index, model in enumerate(made)]
    messages = []
    for least in (1 << 60, 0):
        monkeypatch.setattr(compiled, "LEAST_ELEMENTS", least)
        with pytest.raises(InputError, match="'b'") as caught:
            merge("task_arithmetic", base=inputs[0], models=inputs[1:], out=tmp_path / "out")
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    "options", [{"dtype": "float32"}, {"rounding": "stochastic"}, {"scale": 0.0}]
)
def test_what_it_does_not_do_is_left_to_pytorch(
    options: dict[str, Any],
    save: Save,
    tmp_path: Path,
    pieces: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    inputs = [save(str(index), model) for index, model in enumerate(models())]
    both("ties", inputs, tmp_path, monkeypatch, **options)
    assert weights(tmp_path / "with") == weights(tmp_path / "without")
    assert not pieces


def test_a_class_that_does_more_is_left_to_pytorch(
    save: Save, tmp_path: Path, pieces: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Half(TaskArithmetic):
        def apply(self, base: Weights, direction: Delta, scale: float | torch.Tensor) -> Weights:
            return base + direction * 0.5 * scale

    inputs = [save(str(index), model) for index, model in enumerate(models())]
    monkeypatch.setattr(compiled, "LEAST_ELEMENTS", 0)
    for method, out in ((Half(), "half"), (TaskArithmetic(scale=0.5), "scaled")):
        merge(method, base=inputs[0], models=inputs[1:], out=tmp_path / out)
        assert bool(pieces) == (out == "scaled")
    assert weights(tmp_path / "half") == weights(tmp_path / "scaled")


def test_wide_models_are_left_to_pytorch(
    save: Save, tmp_path: Path, pieces: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    inputs = [save(str(index), model) for index, model in enumerate(models(torch.float32))]
    both("ties", inputs, tmp_path, monkeypatch, dtype="bfloat16")
    assert weights(tmp_path / "with") == weights(tmp_path / "without")
    assert not pieces


@pytest.mark.parametrize("size", [0, 7, 509 * 4, 509 * 40 + 13])
def test_hashes_of_contents_are_the_same(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    values = torch.randn(size, generator=torch.Generator().manual_seed(1))
    compiled.Compiled(weighted=True, surveys=False)
    with_it = ContentHash(StateDict("", {"w": values})).hexdigest()
    monkeypatch.delitem(sys.modules, compiled.CODE)
    assert ContentHash(StateDict("", {"w": values})).hexdigest() == with_it
