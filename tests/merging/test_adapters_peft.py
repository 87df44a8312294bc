"""Adapters as the peft library makes, merges and loads them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file
from tests.merging.test_transformers import answer
from torch import Tensor

from polytask.merging import merge

peft = pytest.importorskip("peft")

pytestmark = [
    # What peft calls in the transformers library is deprecated there.
    pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated"),
    pytest.mark.filterwarnings("ignore:Setting .save_embedding_layers. to .True."),
    # peft takes the bias of a factor for a factor.
    pytest.mark.filterwarnings("ignore:Adapter .*invalid shape"),
]

Options = dict[str, Any]


def bert() -> Any:
    config = transformers.BertConfig(
        vocab_size=30,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        max_position_embeddings=20,
        initializer_range=0.3,
    )
    return transformers.BertForSequenceClassification(config)


def gpt2() -> Any:
    config = transformers.GPT2Config(
        vocab_size=30,
        n_embd=16,
        n_layer=2,
        n_head=2,
        n_positions=20,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
    )
    return transformers.GPT2LMHeadModel(config)


def resnet() -> Any:
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
    )
    return transformers.ResNetForImageClassification(config)


KINDS: dict[str, tuple[Callable[[], Any], Options]] = {
    "lora": (bert, {"target_modules": ["query", "value"]}),
    "rank-stabilised": (bert, {"target_modules": ["query", "dense"], "use_rslora": True}),
    "patterns": (
        bert,
        {
            "target_modules": ["query", "value", "dense"],
            "rank_pattern": {"value": 2, r"layer\.1.*dense": 3},
            "alpha_pattern": {"attention.self.query": 5},
        },
    ),
    "dora": (bert, {"target_modules": ["query", "dense", "word_embeddings"], "use_dora": True}),
    "embeddings": (bert, {"target_modules": ["query", "word_embeddings"]}),
    "head": (bert, {"target_modules": ["query"], "task_type": "SEQ_CLS"}),
    "biases": (bert, {"target_modules": ["query"], "bias": "all"}),
    "biases of factors": (bert, {"target_modules": ["query"], "lora_bias": True}),
    "input by output": (gpt2, {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True}),
    "dora, input by output": (
        gpt2,
        {"target_modules": ["c_attn", "c_proj"], "fan_in_fan_out": True, "use_dora": True},
    ),
    "convolutions": (resnet, {"target_modules": ["convolution"]}),
    "dora, convolutions": (resnet, {"target_modules": ["convolution"], "use_dora": True}),
}


def adapted(make: Callable[[], Any], options: Options, seed: int, folder: Path) -> Any:
    """A model with an adapter, as if it were trained, and its adapter in a folder."""
    torch.manual_seed(0)
    model = peft.get_peft_model(make(), peft.LoraConfig(**{"r": 4, "lora_alpha": 6, **options}))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    model.save_pretrained(folder)
    return model.eval()


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Callable[[], Any]], Path]:
    """Writes the model that all adapters of a test start from."""

    def save(make: Callable[[], Any]) -> Path:
        torch.manual_seed(0)
        make().save_pretrained(tmp_path / "base")
        return tmp_path / "base"

    return save


def close(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float = 1e-6) -> None:
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("kind", list(KINDS))
def test_one_adapter_is_merged_as_peft_does(
    kind: str, saved: Callable[..., Path], tmp_path: Path
) -> None:
    make, options = KINDS[kind]
    base = saved(make)
    model = adapted(make, options, 1, tmp_path / "a")
    said = answer(model)
    merge("task_arithmetic", base=base, models=[tmp_path / "a"], out=tmp_path / "out")
    merged = make().__class__.from_pretrained(tmp_path / "out").eval()
    torch.testing.assert_close(answer(merged), said, rtol=1e-4, atol=1e-5)
    close(load_file(tmp_path / "out" / "model.safetensors"), model.merge_and_unload().state_dict())


LOADED = ["lora", "embeddings", "head", "biases", "input by output", "convolutions"]


@pytest.mark.parametrize("kind", LOADED)
def test_the_result_loads_as_an_adapter(
    kind: str, saved: Callable[..., Path], tmp_path: Path
) -> None:
    """The model with the written adapter says what the merged model says."""
    make, options = KINDS[kind]
    base = saved(make)
    names = ("a", "b")
    for seed, name in enumerate(names):
        adapted(make, {**options, "r": 2 + seed}, seed, tmp_path / name)
    models = [tmp_path / name for name in names]
    kwargs: Options = {"base": base, "models": models, "weights": [0.5, 0.7]}
    merge("task_arithmetic", out=tmp_path / "whole", **kwargs)
    report = merge("task_arithmetic", out=tmp_path / "adapter", adapter_rank=5, **kwargs)
    assert report.adapter is not None
    assert report.adapter["lost"] < 1e-5
    cls = make().__class__
    start = cls.from_pretrained(base)
    loaded = peft.PeftModel.from_pretrained(start, tmp_path / "adapter").eval()
    whole = cls.from_pretrained(tmp_path / "whole").eval()
    torch.testing.assert_close(answer(loaded), answer(whole), rtol=1e-4, atol=1e-5)
    assert not torch.allclose(answer(whole), answer(cls.from_pretrained(base).eval()), atol=1e-2)


def test_ours_is_the_product_and_linear_of_peft_is_not(
    saved: Callable[..., Path], tmp_path: Path
) -> None:
    """Its ``svd`` sums up products as we do; its ``linear`` sums up factors."""
    options = {"target_modules": ["query", "value"]}
    base = saved(bert)
    model = adapted(bert, options, 1, tmp_path / "a")
    adapted(bert, options, 2, tmp_path / "b")
    model.load_adapter(tmp_path / "b", "b")
    merge(
        "task_arithmetic",
        base=base,
        models=[tmp_path / "a", tmp_path / "b"],
        out=tmp_path / "out",
        weights=[0.5, 0.7],
    )
    found, start = (load_file(f / "model.safetensors") for f in (tmp_path / "out", base))
    name = "bert.encoder.layer.0.attention.self.query"
    layer = model.get_submodule(f"base_model.model.{name}")
    change = (found[f"{name}.weight"] - start[f"{name}.weight"]).detach()
    products = 0.5 * layer.get_delta_weight("default") + 0.7 * layer.get_delta_weight("b")
    torch.testing.assert_close(change, products.detach(), rtol=1e-5, atol=1e-6)
    for kind, least, most in (("svd", 0.0, 1e-5), ("linear", 0.3, 3.0)):
        model.add_weighted_adapter(
            ["default", "b"], [0.5, 0.7], kind, combination_type=kind, svd_rank=8
        )
        theirs = layer.get_delta_weight(kind).detach()
        error = float((theirs - change).norm() / change.norm())
        assert least <= error < most, (kind, error)


def test_an_adapter_of_a_head_on_a_plain_encoder(
    saved: Callable[..., Path], tmp_path: Path
) -> None:
    """The base is the encoder alone: other prefixes, and a head that it does not have."""
    torch.manual_seed(0)
    base = bert()
    base.bert.save_pretrained(tmp_path / "base")
    options = {"target_modules": ["query", "value"], "task_type": "SEQ_CLS"}
    model = adapted(bert, options, 1, tmp_path / "a")
    said = answer(model)
    report = merge(
        "task_arithmetic", base=tmp_path / "base", models=[tmp_path / "a"], out=tmp_path / "out"
    )
    assert sorted(report.heads) == ["classifier.bias", "classifier.weight"]
    found = load_file(tmp_path / "out" / "model.safetensors")
    merged = model.merge_and_unload().state_dict()
    close(found, {name.removeprefix("bert."): value for name, value in merged.items()})
    loaded = transformers.BertForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    torch.testing.assert_close(answer(loaded), said, rtol=1e-4, atol=1e-5)
