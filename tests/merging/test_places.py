"""Options that depend on the layer, the name or the slice of a tensor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.merging.conftest import Save, trained

from polytask.errors import InputError
from polytask.merging import AlongDepth, ByName, BySlice, LayerRange, Plan, Stack, merge
from polytask.merging.methods.linear import Linear
from polytask.merging.place import depths, layer_of
from polytask.merging.run import run_plan


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("model.layers.3.mlp.weight", ("model.layers.", 3)),
        ("h.11.attn.weight", ("h.", 11)),
        ("0.auto_model.encoder.layer.2.output.weight", ("0.auto_model.encoder.layer.", 2)),
        ("encoder.block.4.layer.1.wi.weight", ("encoder.block.", 4)),
        ("layers.5.experts.7.w1.weight", ("layers.", 5)),
        ("1.3.weight", ("", 1)),
        ("layer1.0.conv.weight", ("layer1.", 0)),
        ("head.weight", None),
        ("lora.h2.weight", None),
    ],
)
def test_the_layer_of_a_name(name: str, expected: tuple[str, int] | None) -> None:
    assert layer_of(name) == expected


def test_layers_within_a_module_of_a_sequence() -> None:
    names = [f"0.encoder.layer.{n}.weight" for n in range(3)]
    assert depths([*names, "1.weight"]) == {
        **dict(zip(names, (0, 0.5, 1), strict=True)),
        "1.weight": 1,
    }


def test_a_rule_that_fits_no_tensor_is_a_warning(save: Save, tmp_path: Path) -> None:
    _, models = trained(2)
    folders = [save(name, model) for name, model in zip("ab", models, strict=True)]
    weights = [ByName((("atention", 0.5), ("layers.0", 2.0), (None, 1.0))), 1.0]
    report = merge("linear", models=folders, out=tmp_path / "out", weights=weights)
    [note] = [note for note in report.notes if "atention" in note]
    assert note.startswith("weights: no tensor has 'atention' in its name")
    assert not any("layers.0" in note for note in report.notes)
    report = merge(
        "linear",
        models=folders,
        out=tmp_path / "more",
        weights=ByName((("wieght", 1.0), (None, 1.0))),
    )
    assert "weights: no tensor has 'wieght' in its name; the nearest is 'weight'" in report.notes


@pytest.mark.parametrize("values", [(1.0, 2.0), (1.0, AlongDepth((1.0, 2.0)), 3.0, 4.0)])
def test_as_many_values_as_slices(values: tuple[float, ...], save: Save, tmp_path: Path) -> None:
    _, models = trained(1)
    folder = save("a", models[0], num_hidden_layers=2)
    ranges = LayerRange(folder, 0, 1), LayerRange(folder, 1, 2), LayerRange(folder, 0, 1)
    plan = Plan(method=Linear(weights=BySlice(values)), models=(Stack({"": ranges}),))
    with pytest.raises(
        InputError, match=f"weights: has {len(values)} values by slice, there are 3"
    ):
        run_plan(plan, out=tmp_path / "out")
    with pytest.raises(InputError, match=r"values by slice, there are 1 slices"):
        merge("linear", models=[folder], out=tmp_path / "out", weights=BySlice(values))


@pytest.mark.parametrize("rules", [("layers.0", 0.5), (("x", 1, 2),), ((3, 1.0),), 0.5])
def test_rules_that_are_none(rules: Any) -> None:
    with pytest.raises(InputError, match="ByName: expected pairs of a part of a name, or None"):
        ByName(rules)
