"""Wrong adapters and options: a message that names them, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tests.merging.adapters import factors, save_adapter
from tests.merging.conftest import Model, Save, random_model

from polytask.errors import InputError
from polytask.merging import TaskVector, merge
from polytask.merging.plans.file import read_plan

Change = Callable[[Path], object]
LAYERS = {"layers_0": (24, 8), "layers_1": (24, 8)}
DOWN, UP = (f"base_model.model.layers.0.lora_{x}.weight" for x in "AB")


def config(**values: Any) -> Change:
    """A change of the configuration; None takes a key away."""

    def rewrite(folder: Path) -> None:
        file = folder / "adapter_config.json"
        changed = {**json.loads(file.read_text()), **values}
        file.write_text(json.dumps({k: v for k, v in changed.items() if v is not None}))

    return rewrite


def tensors(change: Callable[[Model], object]) -> Change:
    """A change of the factors."""

    def rewrite(folder: Path) -> None:
        found = load_file(folder / "adapter_model.safetensors")
        change(found)
        save_file(found, folder / "adapter_model.safetensors")

    return rewrite


def rename(old: str, new: str) -> Change:
    return tensors(
        lambda found: [
            found.update({name.replace(old, new): found.pop(name)})
            for name in list(found)
            if old in name
        ]
    )


def whole(name: str, *shape: int, fill: float = 1.0) -> Change:
    return tensors(
        lambda found: found.update({f"base_model.model.{name}": torch.full(shape, fill)})
    )


def both(*changes: Change) -> Change:
    return lambda folder: [change(folder) for change in changes]


CASES: dict[str, tuple[Change, str]] = {
    "another kind": (config(peft_type="LOHA"), r"adapter_config.json: peft_type 'LOHA' cannot be"),
    "no kind": (config(peft_type=None), r"peft_type None cannot be merged"),
    "no rank": (config(r=None), r"adapter_config.json: r: expected a rank of at least 1, got None"),
    "a rank of 0": (config(r=0), r"r: expected a rank of at least 1, got 0"),
    "alpha is no number": (config(lora_alpha="big"), r"lora_alpha: expected a number, got 'big'"),
    "a pattern of nothing": (config(rank_pattern=[3]), r"rank_pattern: expected patterns of"),
    "a pattern that is none": (config(alpha_pattern={"(": 3}), r"pattern '\(': missing \)"),
    "a rank in a pattern": (config(rank_pattern={"0": 2.5}), r"0: expected a rank"),
    "a switch": (config(use_rslora="yes"), r"use_rslora: expected true or false, got 'yes'"),
    "another switch": (config(fan_in_fan_out="x"), r"fan_in_fan_out: expected true or false"),
    "another rank": (
        config(r=3),
        r"b: module 'layers.0' has rank 3 by adapter_config.json, but factors of shapes 2 x 8 and",
    ),
    "what we do not know": (
        config(use_qalora=True),
        r"adapter_config.json: use_qalora: True: such an adapter cannot be merged",
    ),
    "experts": (config(target_parameters=["experts"]), r"target_parameters: \['experts'\]: such"),
    "copied layers": (config(layer_replication=[[0, 2]]), r"layer_replication: .* cannot be"),
    "pissa": (
        config(init_lora_weights="pissa_niter_4"),
        r"init_lora_weights 'pissa_niter_4' takes a part of the base away .* path_initial_model",
    ),
    "olora": (config(init_lora_weights="olora"), r"init_lora_weights 'olora' takes a part"),
    "corda": (config(init_lora_weights="corda"), r"init_lora_weights 'corda' takes a part"),
    "loftq": (config(init_lora_weights="loftq"), r"init_lora_weights 'loftq' takes a part"),
    "no mapping": (
        lambda folder: (folder / "adapter_config.json").write_text("[]"),
        r"adapter_config.json: is no mapping",
    ),
    "no JSON": (
        lambda folder: (folder / "adapter_config.json").write_text("{"),
        r"adapter_config.json: cannot be read",
    ),
    "no factors": (
        lambda folder: (folder / "adapter_model.safetensors").unlink(),
        r"b: is an adapter without adapter_model.safetensors",
    ),
    "pickled": (
        lambda folder: (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin"),
        r"adapter_model.bin: is pickled, and reading it would run code",
    ),
    "cut short": (
        lambda folder: (folder / "adapter_model.safetensors").write_bytes(b"abc"),
        r"adapter_model.safetensors: truncated or no safetensors file",
    ),
    "no names of peft": (rename("base_model.model.", ""), r"in an adapter names begin with"),
    "one factor": (
        tensors(lambda found: found.pop(UP)),
        r"b: module 'layers.0': its factor B is missing",
    ),
    "a tensor of another method": (
        whole("layers.0.lora_E", 2, 1),
        r"b: tensor 'base_model.model.layers.0.lora_E': such an adapter cannot be merged",
    ),
    "trained tokens": (
        whole("embed.token_adapter.trainable_tokens_delta", 2, 8),
        r"trainable_tokens_delta': such an adapter cannot be merged",
    ),
    "nothing with factors": (
        tensors(
            lambda found: (
                [found.pop(name) for name in list(found)] and found.update(x=torch.ones(1))
            )
        ),
        r"tensor 'x': in an adapter names begin",
    ),
    "heads alone": (
        both(
            tensors(lambda found: [found.pop(name) for name in list(found)]),
            whole("classifier.weight", 2, 8),
        ),
        r"b: holds no factors of LoRA",
    ),
    "a factor of one dimension": (
        tensors(lambda found: found.update({DOWN: torch.ones(2)})),
        r"module 'layers.0' has rank 2 .* factors of shapes 2 and 24 x 2",
    ),
    "a factor of integers": (
        tensors(lambda found: found.update({DOWN: torch.ones(2, 8).int()})),
        r"b: tensor 'base_model.model.layers.0.lora_A.weight' is torch.int32: factors are float",
    ),
    "a magnitude of integers": (
        tensors(
            lambda found: found.update(
                {UP.replace("B.weight", "magnitude_vector"): torch.ones(24).int()}
            )
        ),
        r"layers.0.lora_magnitude_vector' is torch.int32: factors are floating-point",
    ),
    "other modules": (
        rename("layers.1.", "layers.2."),
        r"b: is an adapter for another base than .*base: it changes 1 tensors that are not there "
        r"\('layers.2.weight', nearest is 'layers.\d.weight'\)",
    ),
    "another width": (
        tensors(lambda found: found.update({DOWN: torch.ones(2, 9)})),
        r"b: is an adapter for another base than .*: tensor 'layers.0.weight' is 24 x 8 there, "
        r"24 x 9 in the adapter",
    ),
    "a whole tensor of another shape": (
        whole("layers.1.bias", 23),
        r"another base than .*: tensor 'layers.1.bias' is 24 there, 23 in the adapter",
    ),
    "a bias that the base does not have": (
        both(rename("layers.0.", "embed."), tensors(lambda f: f.update(_embedding()))),
        r"'base_model.model.embed.lora_B.bias' changes 'embed.bias', which the base does not have",
    ),
    "dora without magnitudes": (
        config(use_dora=True),
        r"b: 'layers.0' has 0 magnitudes of DoRA, not 24",
    ),
    "magnitudes without dora": (
        whole("layers.1.lora_magnitude_vector", 24),
        r"b: 'layers.1' has 24 magnitudes of DoRA, not 0",
    ),
    "not finite": (
        tensors(lambda found: found[UP][3, 1].fill_(float("nan"))),
        r"b: tensor 'layers.0.weight' holds NaN or infinities",
    ),
    "other heads": (
        whole("classifier.weight", 3, 8, fill=2.0),
        r"'classifier.weight' is not merged, and .*a and .*b bring different ones: .*'first'",
    ),
    "other tokens": (
        lambda folder: (folder / "tokenizer.json").write_text(_tokenizer(a=0, c=1)),
        r"b: its tokenizer is not that of .*base: 2 tokens differ",
    ),
}


def _embedding() -> Model:
    """Factors that fit a matrix of 40 x 8, with a bias."""
    start = "base_model.model.embed.lora_"
    return {f"{start}B.weight": torch.ones(40, 2), f"{start}B.bias": torch.ones(40)}


def _tokenizer(**vocabulary: int) -> str:
    return json.dumps({"model": {"vocab": vocabulary}, "added_tokens": []})


@pytest.fixture
def folders(save: Save, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A base with a tokenizer, a whole model, and two adapters."""
    monkeypatch.chdir(tmp_path)
    save("base", random_model(0))
    save("whole", random_model(1))
    Path("base/tokenizer.json").write_text(_tokenizer(a=0, b=1))
    for index, name in enumerate("ab"):
        head = {"classifier.weight": torch.full((3, 8), 1.0)}
        save_adapter(tmp_path / name, factors(index, **LAYERS), whole=head)
    return tmp_path


@pytest.mark.parametrize("case", list(CASES))
def test_a_wrong_adapter(case: str, folders: Path) -> None:
    change, message = CASES[case]
    change(Path("b"))
    before = set(folders.iterdir())
    with pytest.raises(InputError, match=message):
        merge("task_arithmetic", base="base", models=["a", "b"], out="out")
    assert set(folders.iterdir()) == before


OPTIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no base": ("average", {"base": None}, "a: is an adapter: give the base model that it changes"),
    "no base for changes": ("ties", {"base": None}, "TIES merges changes from a base model"),
    "an adapter as the base": ("ties", {"base": "a"}, "a: is an adapter: a model is wanted here"),
    "a base for models": ("average", {"models": ["whole"]}, "Average takes no base"),
    "heads": ("ties", {"heads": "frist"}, "unknown heads 'frist'; did you mean 'first'"),
    "a rank of 0": ("ties", {"adapter_rank": 0}, "adapter_rank: must be an integer of at least 1"),
    "a rank of text": ("ties", {"adapter_rank": "2"}, "adapter_rank: must be an integer .* '2'"),
    "a rank for models": (
        "ties",
        {"adapter_rank": 2, "models": ["a", "whole"]},
        "adapter_rank: an adapter can only be made of adapters",
    ),
    "a rank for what is no change": (
        "linear",
        {"adapter_rank": 2},
        "adapter_rank: Linear may change tensors that no adapter changes; task_arithmetic",
    ),
}


@pytest.mark.parametrize("case", list(OPTIONS))
def test_a_wrong_option(case: str, folders: Path) -> None:
    method, options, message = OPTIONS[case]
    before = set(folders.iterdir())
    with pytest.raises(InputError, match=message):
        merge(method, **{"base": "base", "models": ["a", "b"], "out": "out", **options})
    assert set(folders.iterdir()) == before


def test_square_weights_among_both_kinds(save: Save, tmp_path: Path) -> None:
    base = {"square": (4, 4), "plain": (3, 5), "turned": (5, 3)}
    save("base", {f"{name}.weight": torch.ones(shape) for name, shape in base.items()})
    pairs = factors(1, square=(4, 4), plain=(3, 5), turned=(3, 5))
    adapter = save_adapter(tmp_path / "a", pairs)
    with pytest.raises(InputError, match=r"'square\.weight' is input x output cannot be told"):
        merge("average", base=tmp_path / "base", models=[adapter], out=tmp_path / "out")


def test_changes_that_an_adapter_cannot_hold(folders: Path) -> None:
    whole("layers.0.lora_B.bias", 24)(Path("b"))
    with pytest.raises(InputError, match=r"'layers\.0\.bias' changes by a bias of LoRA"):
        merge("average", base="base", models=["a", "b"], out="out", adapter_rank=2)


def test_adapters_with_other_names_for_a_module(folders: Path) -> None:
    rename("model.layers.", "model.bert.layers.")(Path("b"))
    with pytest.raises(InputError, match=r"name a module bert\.layers\.0 and layers\.0"):
        merge("average", base="base", models=["a", "b"], out="out", adapter_rank=2)


def test_plans_of_adapters(folders: Path) -> None:
    for text, message in (
        ("merge_method: average\nmodels: [{model: a}]\nheads: last", "unknown heads 'last'"),
        ("merge_method: slerp\nmodels: [{model: a}, {model: b}]", "slerp goes from base_model"),
        ("merge_method: ties\nbase_model: base\nmodels: [{model: a}]\nadapter_rank: 2.5", "2.5"),
    ):
        Path("plan.yaml").write_text(text)
        with pytest.raises(InputError, match=message):
            read_plan(Path("plan.yaml"))


def test_a_change_from_an_adapter(save: Save, tmp_path: Path) -> None:
    base = save("base", random_model(0))
    adapter = save_adapter(tmp_path / "a", factors(1, **LAYERS))
    vector = TaskVector.from_models(adapter, base)
    with pytest.raises(InputError, match="a: is an adapter: a change has a model as base"):
        vector.apply(base, out=tmp_path / "out")


@pytest.mark.parametrize(
    ("named", "told"),
    [
        ("{}/base", False),
        ("somebody/base", False),
        (None, False),
        ("somebody/other", True),
        ("{}/other/base", True),
    ],
)
def test_a_name_of_another_base_is_told(
    named: str | None, told: bool, save: Save, tmp_path: Path
) -> None:
    base = save("base", random_model(0))
    save("other/base", random_model(1))
    name = None if named is None else named.format(tmp_path)
    adapter = save_adapter(tmp_path / "a", factors(1, **LAYERS), base_model_name_or_path=name)
    report = merge("task_arithmetic", base=base, models=[adapter], out=tmp_path / "out")
    note = f"{adapter}: names {name!r} as its base, not {base}"
    assert report.warnings == ([note] if told else [])
