"""Wrong models, options and folders: a message that names them, and nothing is written."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cli.conftest import Command
from tests.merging.conftest import Model, Save, random_model, trained

from polytask.errors import InputError
from polytask.merging import AlongDepth, Statistics, merge, merge_state_dicts

Change = Callable[[Path], object]
NAME = "layers.0.weight"


def tensors(change: Callable[[Model], object]) -> Change:
    """A change of what is in the file."""

    def rewrite(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        model = load_file(folder / "model.safetensors")
        change(model)
        save_file(model, folder / "model.safetensors")

    return rewrite


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-7])


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def sharded(**weight_map: object) -> Change:
    def write(folder: Path) -> None:
        (folder / "model.safetensors").rename(folder / "model-1.safetensors")
        index = {"weight_map": {NAME: "model-1.safetensors", **weight_map}}
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))

    return write


def tokenizer(**vocabulary: int) -> str:
    return json.dumps({"model": {"vocab": vocabulary}, "added_tokens": []})


CASES: dict[str, tuple[Change, str]] = {
    "another shape": (
        tensors(lambda model: model.update({NAME: torch.zeros(24, 9)})),
        r"'layers.0.weight' differs in shape: 24 x 8 in .*base.*, 24 x 9 in .*b/model",
    ),
    "another kind of number": (
        tensors(lambda model: model.update({NAME: torch.zeros(24, 8).int()})),
        r"'layers.0.weight' differs in kind: torch.float32 in .*torch.int32 in .*b/model",
    ),
    "a tensor is missing": (
        tensors(lambda model: model.pop(NAME)),
        r"b: its tensors are not those of .*base: 1 missing \('layers.0.weight'\)",
    ),
    "a tensor too many": (
        tensors(lambda model: model.update({"head": torch.zeros(3)})),
        r"b: its tensors are not those of .*base: 1 extra \('head'\)",
    ),
    "a tensor of another name": (
        tensors(lambda model: model.update({"layer.0.weight": model.pop(NAME)})),
        r"1 missing \('layers.0.weight', nearest is 'layer.0.weight'\); 1 extra",
    ),
    "more tokens": (
        tensors(lambda model: model.update({"embed.weight": torch.zeros(41, 8)})),
        r"'embed.weight' differs in shape: 40 x 8 .*, 41 x 8 .*; the vocabularies differ",
    ),
    "not finite": (
        tensors(lambda model: model[NAME][3, 4].fill_(float("nan"))),
        r"b: tensor 'layers.0.weight' holds NaN or infinities",
    ),
    "cut short": (cut, r"b/model.safetensors: truncated or no safetensors file: its tensors end"),
    "empty": (
        lambda folder: (folder / "model.safetensors").write_bytes(b""),
        r"b/model.safetensors: truncated or no safetensors file: it has 0 bytes",
    ),
    "not safetensors": (
        lambda folder: (folder / "model.safetensors").write_text("version https://git-lfs"),
        r"b/model.safetensors: truncated or no safetensors file",
    ),
    "a link to itself": (
        lambda folder: (
            (folder / "model.safetensors").unlink(),
            (folder / "model.safetensors").symlink_to("model.safetensors"),
        ),
        r"b/model.safetensors: cannot be read: Too many levels of symbolic links",
    ),
    "a pipe": (
        lambda folder: (
            (folder / "model.safetensors").unlink(),
            os.mkfifo(folder / "model.safetensors"),
        ),
        r"b/model.safetensors: cannot be read: it is no regular file",
    ),
    "pickled": (pickled, r"pytorch_model.bin: is pickled, and reading it would run code"),
    "no weights": (lambda folder: (folder / "model.safetensors").unlink(), r"b: no weights"),
    "two sets of weights": (
        lambda folder: (
            [
                (folder / name).write_bytes((folder / "model.safetensors").read_bytes())
                for name in ("a.safetensors", "b.safetensors")
            ]
            + [(folder / "model.safetensors").unlink()]
        ),
        r"b: holds several sets of weights, name one file: a.safetensors, b.safetensors",
    ),
    "a shard that is missing": (
        sharded(other="model-2.safetensors"),
        r"b/model-2.safetensors: cannot be read: No such file",
    ),
    "a shard elsewhere": (sharded(other="../x.safetensors"), r"names '../x.safetensors', which is"),
    "an index of nothing": (
        lambda folder: (
            (folder / "model.safetensors")
            .rename(folder / "model.safetensors.index.json")
            .write_text("[]")
        ),
        r"model.safetensors.index.json: no index",
    ),
    "an index of more than there is": (
        sharded(other="model-1.safetensors"),
        r"tensor 'other' is not in model-1.safetensors, where its index has it",
    ),
    "factors of an adapter": (
        tensors(lambda model: model.update({"base_model.model.x.lora_A.weight": torch.ones(2)})),
        r"b: tensor 'base_model.model.x.lora_A.weight' is a factor of an adapter: name the folder",
    ),
    "quantised weights that nothing describes": (
        tensors(lambda model: model.update({"layers.0.SCB": torch.ones(2)})),
        r"b: tensor 'layers.0.SCB' is of quantised weights: they cannot be merged",
    ),
    "statistics": (
        lambda folder: Statistics(
            kind="fisher", tensors={NAME: torch.ones(24, 8)}, examples=1
        ).save(folder / "model.safetensors"),
        r"b: holds fisher statistics, not a model",
    ),
    "compressed task vectors": (
        lambda folder: (folder / "model.safetensors").rename(folder / "vectors.safetensors"),
        r"b: holds compressed task vectors: name one of its models",
    ),
    "an adapter": (
        lambda folder: (folder / "adapter_config.json").write_text("{}"),
        r"b: is an adapter",
    ),
    "quantised": (
        lambda folder: (folder / "config.json").write_text('{"quantization_config": {}}'),
        r"b: its weights are quantised",
    ),
    "quantised in another way": (
        lambda folder: (folder / "quantize_config.json").write_text("{}"),
        r"b: its weights are quantised",
    ),
    "a configuration that is none": (
        lambda folder: (folder / "config.json").write_text("["),
        r"b/config.json: cannot be read",
    ),
    "other tokens": (
        lambda folder: (folder / "tokenizer.json").write_text(tokenizer(a=0, c=1)),
        r"b: its tokenizer is not that of .*base: 2 tokens differ \('b', 'c'\).*--tokenizer base",
    ),
    "a tokenizer that is none": (
        lambda folder: (folder / "tokenizer.json").write_text('{"model": 3}'),
        r"b/tokenizer.json: is no tokenizer",
    ),
    "other words": (
        lambda folder: (folder / "vocab.txt").write_text("one\ntwo"),
        r"b: its tokenizer is not that of .*base: vocab.txt differs",
    ),
}


@pytest.fixture
def folders(save: Save) -> tuple[Path, Path, Path]:
    """A base with a tokenizer, and two models."""
    base, models = trained(2)
    found = save("base", base), save("a", models[0]), save("b", models[1])
    (found[0] / "tokenizer.json").write_text(tokenizer(a=0, b=1))
    (found[0] / "vocab.txt").write_text("one")
    return found


@pytest.mark.parametrize("case", list(CASES))
def test_a_wrong_model(case: str, folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    change, message = CASES[case]
    base, one, other = folders
    change(other)
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError, match=message):
        merge("task_arithmetic", base=base, models=[one, other], out=tmp_path / "out")
    assert set(tmp_path.iterdir()) == before


def test_one_file_comes_before_an_index(folders: tuple[Path, Path, Path], tmp_path: Path) -> None:
    """As in the transformers library: an index may be left over."""
    base, one, other = folders
    (other / "model.safetensors.index.json").write_text("left over")
    report = merge("task_arithmetic", base=base, models=[one, other], out=tmp_path / "out")
    assert report.out == tmp_path / "out"


OPTIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "method": ("tie", {}, "unknown merge method 'tie'; did you mean 'ties'"),
    "option": ("ties", {"densty": 0.2}, "ties: unknown option 'densty'; did you mean 'density'"),
    "option of another": ("average", {"density": 0.2}, "average: unknown option 'density'"),
    "share": ("ties", {"density": 0.0}, r"ties: density: must be in \(0, 1\], got 0.0"),
    "shares": ("breadcrumbs", {"density": 0.9, "outliers": 0.3}, "more than 1 together"),
    "counts": ("ties", {"weights": [1.0, 2.0, 3.0]}, "weights: has 3 values for 2 models"),
    "sign": ("ties", {"weights": -1.0}, "ties: weights: must not be negative"),
    "not finite": ("task_arithmetic", {"scale": float("nan")}, "scale: must be finite, got nan"),
    "text": ("task_arithmetic", {"scale": "big"}, "scale: expected a number, got 'big'"),
    "one number": ("ties", {"scale": [0.5, 0.5]}, "scale: is one number for all models, got"),
    "numbers in numbers": (
        "ties",
        {"weights": [[1.0], 1.0]},
        r"weights: expected a number, got \[1",
    ),
    "a depth that is none": (
        "ties",
        {"weights": AlongDepth(0.5)},  # type: ignore[arg-type]
        r"weights: expected a number, got AlongDepth\(values=0.5\)",
    ),
    "depths in a depth": (
        "ties",
        {"weights": AlongDepth((AlongDepth((1.0,)), 1.0))},  # type: ignore[arg-type]
        "weights: expected a number, got AlongDepth",
    ),
    "a long number": (
        "ties",
        {"weights": 10**400},
        "weights: must be finite, got an integer of 401",
    ),
    "switch": ("dare_linear", {"rescale": "no"}, "rescale: must be true or false, got 'no'"),
    "word": ("ties", {"trim": "models"}, "unknown trim 'models'; did you mean 'model'"),
    "dtype": ("ties", {"dtype": "bf16"}, "unknown dtype 'bf16'; did you mean 'bfloat16'"),
    "rounding": ("ties", {"rounding": "up"}, "unknown rounding 'up'"),
    "seed": ("ties", {"seed": -1}, "seed: must be an integer of at least 0, got -1"),
    "tokenizer": ("ties", {"tokenizer": "bse"}, "unknown tokenizer 'bse'; did you mean 'base'"),
    "size": ("ties", {"shard_size": "5 parsecs"}, "'5 parsecs' is no size"),
    "size of 0": ("ties", {"shard_size": 0}, "0 is no size"),
    "threads": ("ties", {"threads": 0}, "threads: must be an integer of at least 1, got 0"),
    "no base": ("ties", {"base": None}, "TIES merges changes from a base model: give base"),
    "a base": ("average", {}, "Average takes no base"),
    "one of two": ("slerp", {"base": None, "models": ["a"]}, "Slerp takes 2 models, got 1"),
    "none": ("average", {"base": None, "models": []}, "Average takes at least 1 model, got 0"),
    "no such model": ("ties", {"models": ["a", "c"]}, r"c: no such model \(there are: a, b"),
    "no model": ("ties", {"models": ["a", "b/config.json"]}, "b/config.json: no weights"),
    "out exists": ("ties", {"out": "a"}, "a: exists already; choose another folder"),
    "out exists as a file": ("ties", {"out": "a/config.json"}, "config.json: exists already"),
}


@pytest.mark.parametrize("case", list(OPTIONS))
def test_a_wrong_option(
    case: str, folders: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    method, options, message = OPTIONS[case]
    before = set(tmp_path.iterdir())
    with pytest.raises(InputError, match=message):
        merge(method, **{"base": "base", "models": ["a", "b"], "out": "out", **options})
    assert set(tmp_path.iterdir()) == before


def test_the_command_line_says_the_same(
    folders: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, polytask: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, message in (
        (("tis", "a", "b"), "polytask: unknown merge method 'tis'; did you mean 'ties'"),
        (("ties", "a", "b"), "polytask: TIES merges changes from a base model: give base"),
        (("linear", "a", "b", "--weights", "1,x"), "polytask: --weights: expected a number"),
        (("slerp", "a", "b", "--density", "0.5"), "polytask: slerp: unknown option '--density'"),
        (("plan.yaml",), "polytask: plan.yaml: cannot be read: "),
        (("plan.yaml", "a"), "polytask: plan.yaml: base, models and options of the method belong"),
    ):
        answer = polytask("merge", *arguments, "--out", "out")
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith(message)
    assert not (tmp_path / "out").exists()


def test_state_dicts_that_do_not_fit() -> None:
    model = random_model(0)
    for other, message in (
        ({**model, NAME: torch.zeros(2)}, "'layers.0.weight' differs in shape"),
        ({**model, NAME: "text"}, r"models\[1\]: 'layers.0.weight' is a str, not a tensor"),
        ({**model, NAME: torch.zeros(24, 8).cfloat()}, "'layers.0.weight' is torch.complex64"),
        ({}, "6 missing"),
    ):
        with pytest.raises(InputError, match=message):
            merge_state_dicts("average", models=[model, other])
    with pytest.raises(InputError, match="holds no tensors"):
        merge_state_dicts("average", models=[{}, {}])


def test_what_the_system_refuses_is_told(
    folders: tuple[Path, Path, Path], polytask: Command
) -> None:
    _, one, other = folders
    done = polytask("merge", "average", str(one), str(other), "--out", "x" * 300)
    assert (done.code, done.out) == (1, "")
    assert done.err.endswith(f"{'x' * 300}: File name too long\n")
