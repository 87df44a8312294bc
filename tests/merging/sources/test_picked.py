"""Runs of elements of a tensor, and the samples of a population that are made of them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from polytask.merging.engine.group import Group
from polytask.merging.engine.survey import ModelPopulation, TensorPopulation, one_by_one
from polytask.merging.place import Place
from polytask.merging.population import spread
from polytask.merging.sources.difference import Difference
from polytask.merging.sources.picked import Picked
from polytask.merging.sources.state_dict import StateDict


def source(values: Tensor, name: str = "w") -> StateDict:
    return StateDict(f"model of {name}", {name: values})


def population(name: str, *models: Tensor, changes: bool = True) -> TensorPopulation:
    """What the models changed; the last one is given by its change."""
    base, *weights, last = (source(values, name) for values in models)
    group = Group(
        name=name,
        shape=tuple(models[0].shape),
        base=base,
        models=(*weights, Difference(last, base)),
        dtype=torch.float32,
        stored=torch.float32,
    )
    order = tuple(range(len(group.models)))
    at = Place(tensor=name, shape=group.shape, depth=0.0, order=order, keys=())
    return TensorPopulation(group, at, changes=changes)


def test_runs_are_one_tensor() -> None:
    values = torch.arange(20, dtype=torch.bfloat16).view(4, 5)
    picked = Picked(source(values), "w", [(3, 5), (18, 20), (0, 1)])
    assert picked.label == "model of w"
    assert picked.entries["w"].shape == (5,)
    assert picked.entries["w"].dtype == torch.bfloat16
    assert picked.read("w", 0, 5).tolist() == [3, 4, 18, 19, 0]
    assert picked.read("w", 1, 4).tolist() == [4, 18, 19]


@pytest.mark.parametrize("changes", [True, False])
def test_a_sample_has_the_values_of_its_places(changes: bool) -> None:
    models = torch.randn(3, 100).unbind()
    one = population("w", *models, changes=changes)
    seen = [model - models[0] if changes else model for model in models[1:]]
    starts = spread(7, 100)
    for drawn, values in zip(one.sample(7, 9), seen, strict=True):
        assert [len(run) for run in drawn] == [min(9, 100 - start) for start in starts]
        torch.testing.assert_close(torch.cat(drawn), torch.cat([values[s : s + 9] for s in starts]))


def test_a_sample_of_a_model_is_one_of_its_tensors() -> None:
    first, second = torch.randn(3, 40).unbind(), torch.randn(3, 60).unbind()
    both = [population("a", *first), population("b", *second)]
    whole = ModelPopulation(both, both[0].at, one_by_one)
    starts = spread(11, 100)
    assert min(starts) < 40 <= max(starts)
    for model, drawn in enumerate(whole.sample(11, 8), start=1):
        parts = first[model] - first[0], second[model] - second[0]
        expected = [
            parts[0][s : s + 8] if s < 40 else parts[1][s - 40 : s - 32]
            for s in sorted(starts, key=lambda s: s >= 40)
        ]
        assert sorted(map(len, drawn)) == sorted(map(len, expected))
        found, wanted = (torch.cat(runs).sort().values for runs in (drawn, expected))
        torch.testing.assert_close(found, wanted)
