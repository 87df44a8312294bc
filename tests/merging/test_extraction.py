"""Adapters made of finetuned models: exact at full rank, honest below, what peft and we load."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from tests.cli.conftest import Command
from tests.merging.conftest import Save
from tests.merging.test_adapters_peft import bert, gpt2
from tests.merging.test_invariants import same

from polytask.errors import InputError
from polytask.merging import Report, extract_adapter, merge
from polytask.merging.adapters.extraction_layout import find_targets
from polytask.merging.adapters.truncation import rank_of_energy

peft = pytest.importorskip("peft")

pytestmark = [
    # What peft calls in the transformers library is deprecated there.
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated"),
]

Make = Callable[[], Any]


def finetuned(make: Make, names: str = "") -> Any:
    """A base in the folder base, and a model in the folder tuned whose tensors changed, returned.

    Args:
        make: the base.
        names: part of the names of those that changed.
    """
    torch.manual_seed(0)
    model = make()
    model.save_pretrained("base")
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if names in name:
                parameter.add_(0.1 * torch.randn(parameter.shape))
    model.save_pretrained("tuned")
    return model.eval()


def loaded(make: Make) -> Any:
    """The base with the adapter that was extracted, merged by peft."""
    base = type(make()).from_pretrained("base")
    return peft.PeftModel.from_pretrained(base, "adapter").merge_and_unload().eval()


def close(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, value in one.items():
        torch.testing.assert_close(value, other[name], rtol=1e-5, atol=1e-5, msg=name)


@pytest.fixture(autouse=True)
def _beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


EMBEDDINGS = ["word_embeddings", "position_embeddings", "token_type_embeddings"]

WHOLE: dict[str, tuple[Make, str, dict[str, Any]]] = {
    "encoder": (bert, "", {"modules_to_save": [*EMBEDDINGS, "LayerNorm", "classifier"]}),
    # Not its embeddings: peft would untie them from the head.
    "input by output": (gpt2, ".h.", {"modules_to_save": ["ln_1", "ln_2"], "fan_in_fan_out": True}),
}
"""What changes, and how an adapter keeps all of it."""


@pytest.mark.parametrize("kind", list(WHOLE))
def test_the_full_rank_is_the_finetuned_model(kind: str) -> None:
    make, changed, options = WHOLE[kind]
    model = finetuned(make, changed)
    report = extract_adapter(base="base", model="tuned", out="adapter", rank=99, **options)
    assert report.adapter is not None
    assert report.adapter["lost"] < 1e-5
    assert report.adapter["left_out"] == {}
    assert report.warnings == []
    close(dict(loaded(make).state_dict()), dict(model.state_dict()))
    merge("average", base="base", models=["adapter"], out="back")
    close(load_file("back/model.safetensors"), load_file("tuned/model.safetensors"))


def test_a_module_that_changed_in_part_is_kept_as_a_whole() -> None:
    """As peft needs it: it looks for every tensor of every module of that name."""
    finetuned(bert, "layer.1.attention")
    options: dict[str, Any] = {"rank": 2, "modules_to_save": ["LayerNorm"]}
    extract_adapter(base="base", model="tuned", out="adapter", **options)
    found = dict(loaded(bert).state_dict())
    close({n: v for n, v in found.items() if "LayerNorm" in n}, norms("tuned"))


def llama() -> Any:
    sizes = {"hidden_size": 8, "intermediate_size": 12, "num_hidden_layers": 1}
    config = transformers.LlamaConfig(vocab_size=20, num_attention_heads=2, **sizes)
    return transformers.LlamaForCausalLM(config)


def test_names_of_kept_modules_are_whole() -> None:
    """peft takes every module whose name ends so: norm would be that of the layers, too."""
    model = finetuned(llama)
    extract_adapter(base="base", model="tuned", out="adapter", rank=2, modules_to_save=["norm"])
    assert json.loads(Path("adapter/adapter_config.json").read_text())["modules_to_save"] == [
        "model.norm"
    ]
    assert torch.equal(loaded(llama).model.norm.weight, model.model.norm.weight)


def test_a_name_that_peft_would_take_for_another_is_refused(save: Save) -> None:
    base = {name: torch.randn(4, 4) for name in ("norm.weight", "layer.my_norm.weight", "q.weight")}
    changed = {name: value + 1 for name, value in base.items()}
    folders = {"base": save("one", base), "model": save("two", changed)}
    with pytest.raises(InputError, match=r"peft would take .*my_norm.* for .norm., too"):
        extract_adapter(**folders, out="out", rank=1, targets=["q"], modules_to_save=["norm"])


def norms(folder: str) -> dict[str, torch.Tensor]:
    model = load_file(f"{folder}/model.safetensors")
    return {name: value for name, value in model.items() if "LayerNorm" in name}


def test_the_rank_that_keeps_an_energy(polytask: Command) -> None:
    finetuned(bert)
    arguments = ("--base", "base", "tuned", "--out", "adapter", "--energy", "0.8")
    done = polytask("extract-adapter", *arguments, "--target", "query", "--target", "output.dense")
    assert done.code == 0, done.err
    report = json.loads(Path("adapter/merge.json").read_text())
    found, ranks = report["adapter"], report["adapter"]["rank_per_tensor"]
    base, model = (load_file(f"{name}/model.safetensors") for name in ("base", "tuned"))
    assert len(ranks) == 6  # the query, and the output of attention and of the perceptron
    squares = {}
    for name, rank in ranks.items():
        change = (model[name].double() - base[name].double()).numpy()
        squares[name] = np.linalg.svd(change, compute_uv=False) ** 2
        kept = squares[name].cumsum() / squares[name].sum()
        assert kept[rank - 1] >= 0.8 > (kept[rank - 2] if rank > 1 else 0)
        lost = np.sqrt(1 - kept[rank - 1])
        assert found["lost_per_tensor"][name] == pytest.approx(lost, abs=1e-3)
    assert len(set(ranks.values())) > 1
    assert f"rank {min(ranks.values())} to {found['rank']} into adapter" in done.out
    # Biases stay whole; norms, embeddings, the other layers and the head are left out.
    out = set(found["left_out"])
    biases = {n for n in model if n.endswith("bias") and "LayerNorm" not in n}
    assert out == {
        n for n in model if n not in ranks and n not in biases and "LayerNorm.bias" not in n
    }
    whole = sum(
        float((model[n].double() - base[n].double()).square().sum()) for n in [*out, *ranks]
    )
    name = "bert.embeddings.word_embeddings.weight"
    share = float((model[name].double() - base[name].double()).norm()) / whole**0.5
    assert found["left_out"][name] == pytest.approx(share, abs=1e-5)
    assert report["plan"]["extraction"]["energy"] == 0.8
    # peft reads ranks of patterns: it merges what the factors are.
    merged = loaded(bert).state_dict()
    merge("average", base="base", models=["adapter"], out="back")
    close(dict(merged), load_file("back/model.safetensors"))


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.floats(0.01, 10), min_size=1, max_size=6),
    st.integers(1, 9),
    st.floats(0.05, 1),
    st.booleans(),
)
def test_the_rank_is_the_least(singular: list[float], more: int, energy: float, wide: bool) -> None:
    torch.manual_seed(more)
    size = len(singular)
    u = torch.linalg.qr(torch.randn(size + more, size).double()).Q
    v = torch.linalg.qr(torch.randn(size, size).double()).Q
    matrix = u @ torch.diag(torch.tensor(singular).double()) @ v.T
    rank = rank_of_energy(matrix.T if wide else matrix, energy)
    squares = np.sort(np.array(singular, dtype=np.float64) ** 2)[::-1]
    kept = squares.cumsum() / squares.sum()
    assert kept[rank - 1] >= energy - 1e-6
    assert rank == 1 or kept[rank - 2] < energy + 1e-6


def test_an_energy_of_numpy_is_a_number() -> None:
    finetuned(bert, "query")
    report = extract_adapter(base="base", model="tuned", out="adapter", energy=np.float32(0.5))
    assert report.plan["extraction"]["energy"] == 0.5


def test_the_report_names_what_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    finetuned(bert)
    report = extract_adapter(base="base", model="tuned", out="adapter", rank=1, bias="none")
    assert report.adapter is not None
    assert {"classifier.bias", "bert.pooler.dense.bias"} <= set(report.adapter["left_out"])
    assert report.warnings[0].startswith("an adapter of rank 1 does not hold")
    assert "the adapter does not hold what changed in" in report.warnings[1]
    assert any("modules_to_save keeps whole modules" in r.getMessage() for r in caplog.records)
    keys = load_file("adapter/adapter_model.safetensors")
    assert all("lora_" in key for key in keys)


def test_what_gets_factors_unless_targets_say_more() -> None:
    linear = ["block.0.SelfAttention.q.weight", "mlp.shared_expert.weight"]
    others = ["shared", "block.0.relative_attention_bias", "embeddings_project", "wpe", "lm_head"]
    changed = dict.fromkeys([*linear, *(f"{name}.weight" for name in others)], (8, 8))
    assert list(find_targets(changed, None, [], False)) == linear
    assert list(find_targets(changed, ["lm_head"], [], False)) == ["lm_head.weight"]


def test_the_same_bits_in_any_number_of_threads() -> None:
    finetuned(bert, "attention")
    for threads in (1, 3):
        extract_adapter(base="base", model="tuned", out=f"a{threads}", rank=3, threads=threads)
    assert same(*(load_file(f"a{n}/adapter_model.safetensors") for n in (1, 3)))
    config = json.loads(Path("a1/adapter_config.json").read_text())
    assert all("attention" in module for module in config["target_modules"])
    assert (config["r"], config["rank_pattern"]) == (3, {})


def extract(**options: Any) -> Report:
    return extract_adapter(**{"base": "base", "model": "tuned", "out": "adapter", **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "give either rank or energy"),
        ({"rank": 2, "energy": 0.5}, "give either rank or energy"),
        ({"rank": 0}, "rank: must be an integer of at least 1, got 0"),
        ({"energy": 1.5}, r"energy: must be in \(0, 1\], got 1.5"),
        ({"energy": "x"}, r"energy: must be in \(0, 1\], got 'x'"),
        ({"energy": True}, r"energy: must be in \(0, 1\], got True"),
        ({"rank": 2, "bias": "some"}, "unknown bias 'some'"),
        ({"rank": 2, "targets": ["l.qery"]}, "unknown target 'l.qery'; did you mean 'l.query'"),
        ({"rank": 2, "modules_to_save": ["nrm"]}, "unknown module to save 'nrm'; did you mean 'no"),
        ({"rank": 2, "targets": "query"}, "targets: expected a list, got str"),
        ({"rank": 2, "modules_to_save": "norm"}, "modules_to_save: expected a list, got str"),
        ({"rank": 2, "targets": []}, "targets: there are none; leave it out for all linear"),
        (
            {"rank": 2, "targets": ["query"], "modules_to_save": ["norm", "query"]},
            "targets: 'query' is in modules_to_save too",
        ),
        (
            {"rank": 2, "modules_to_save": ["query"]},
            "tuned: no linear layer outside modules_to_save differs from base",
        ),
        ({"rank": 2, "fan_in_fan_out": "x"}, "fan_in_fan_out: must be true or false, got 'x'"),
        ({"rank": 2, "model": "base"}, "base: no linear layer differs from base"),
        (
            {"rank": 2, "model": "base", "targets": ["query"]},
            "base: no linear layer of targets differs from base",
        ),
        ({"rank": 2, "model": "broken"}, r"broken: tensor '.*weight' holds NaN or infinities"),
        ({"rank": 2, "out": "base"}, "base: exists already"),
        ({"rank": 2, "dtype": "int8"}, "unknown dtype 'int8'"),
    ],
)
def test_wrong_input(options: dict[str, Any], message: str) -> None:
    base = {"l.query.weight": torch.zeros(4, 3), "norm.weight": torch.ones(3)}
    for name, value in (("base", 0.0), ("tuned", 1.0), ("broken", torch.nan)):
        Path(name).mkdir()
        tensors = {key: tensor + value for key, tensor in base.items()}
        save_file(tensors, f"{name}/model.safetensors")
    before = set(Path().iterdir())
    with pytest.raises(InputError, match=message):
        extract(**options)
    assert set(Path().iterdir()) == before
