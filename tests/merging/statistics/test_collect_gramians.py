"""Gramians that are measured, by hand and on models of the transformers library."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.cli.conftest import Command
from torch import Tensor, nn
from transformers import BertConfig, BertModel, GPT2Config, GPT2LMHeadModel

from polytask.errors import InputError
from polytask.merging import collect_fisher, collect_gramians


class Tied(nn.Module):
    """An output layer that shares its weight with the embeddings, and one that nobody calls."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.between = nn.Embedding(5, 3), nn.Linear(3, 3)
        self.head, self.unused = nn.Linear(3, 5, bias=False), nn.Linear(3, 3)
        self.head.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        once = self.between(self.embed(tokens))
        return self.head(self.between(input=once))


def bert(seed: int) -> BertModel:
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=30,
        hidden_size=8,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=12,
        max_position_embeddings=16,
    )
    return BertModel(config)


def texts(seed: int) -> list[dict[str, Tensor]]:
    """Batches of two texts, of which the second is shorter."""
    generator = torch.Generator().manual_seed(seed)
    mask = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    tokens = torch.randint(1, 30, (3, 2, 5), generator=generator)
    return [{"input_ids": row, "attention_mask": mask} for row in tokens]


def forward(model: nn.Module, batch: dict[str, Tensor]) -> Any:
    return model(**batch)


def test_every_call_counts_and_shared_weights_do_not() -> None:
    model, tokens = Tied(), torch.tensor([[0, 1, 2], [3, 4, 4]])
    found = collect_gramians(model, [tokens, tokens[:1]])
    assert set(found.tensors) == {"between.weight"}
    once = torch.cat([model.embed(tokens).view(-1, 3), model.embed(tokens[:1]).view(-1, 3)])
    inputs = torch.cat([once, model.between(once)]).detach()
    torch.testing.assert_close(found.tensors["between.weight"], inputs.T @ inputs / len(inputs))
    assert (found.kind, found.examples, found.transposed) == ("gramian", 2, frozenset())
    assert model.training
    assert not model.between._forward_pre_hooks


def test_padding_can_be_left_out() -> None:
    model, batches = bert(0).eval(), texts(0)
    found = collect_gramians(model, batches, forward=forward, mask=lambda b: b["attention_mask"])
    kept = torch.cat(
        [model.embeddings(b["input_ids"])[b["attention_mask"].bool()] for b in batches]
    )
    expected = (kept.T @ kept / len(kept)).detach()
    first = "encoder.layer.0.attention.self."
    for name in ("query", "key", "value"):
        torch.testing.assert_close(found.tensors[f"{first}{name}.weight"], expected)
    tops = [model(**batch).last_hidden_state[:, 0] for batch in batches]
    pooled = torch.cat(tops).detach()  # of one position of each text, none of them padding
    torch.testing.assert_close(found.tensors["pooler.dense.weight"], pooled.T @ pooled / 6)
    everything = collect_gramians(model, batches, forward=forward).tensors[f"{first}key.weight"]
    assert not torch.allclose(everything, expected)


def test_a_mask_of_no_layer_is_refused() -> None:
    with pytest.raises(InputError, match=r"mask: its shape, \(1, 7\), is that of no layer"):
        collect_gramians(nn.Linear(2, 2), [torch.ones(1, 5, 2)], mask=lambda _: torch.ones(1, 7))


def test_a_mask_of_nothing_is_told() -> None:
    with pytest.raises(InputError, match=r"no row was seen: .* the mask leaves out all"):
        collect_gramians(nn.Linear(2, 2), [torch.ones(1, 5, 2)], mask=lambda _: torch.zeros(1, 5))


def test_autocast_does_not_narrow_the_sums() -> None:
    torch.manual_seed(0)
    layer, rows = nn.Linear(4, 2), [torch.randn(64, 4) for _ in range(300)]

    def narrow(model: nn.Module, batch: Tensor) -> Any:
        with torch.autocast("cpu", torch.bfloat16):
            return model(batch)

    found, expected = collect_gramians(layer, rows, forward=narrow), collect_gramians(layer, rows)
    torch.testing.assert_close(found.tensors["weight"], expected.tensors["weight"])


def test_an_expert_without_rows_is_left_out() -> None:
    class Routed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.experts = nn.ModuleList([nn.Linear(2, 2) for _ in range(2)])

        def forward(self, x: Tensor) -> Tensor:
            return torch.cat([self.experts[0](x), self.experts[1](x[:0])])

    assert set(collect_gramians(Routed(), [torch.ones(3, 2)]).tensors) == {"experts.0.weight"}


def test_conv1d_has_the_transposed_weight() -> None:
    torch.manual_seed(0)
    model = GPT2LMHeadModel(GPT2Config(vocab_size=9, n_embd=8, n_layer=1, n_head=2, n_positions=8))
    found = collect_gramians(model, [torch.tensor([[1, 2, 3]])])
    layer = "transformer.h.0"
    names = [f"{layer}.{name}.weight" for name in ("attn.c_attn", "attn.c_proj", "mlp.c_fc")]
    assert set(found.tensors) == found.transposed == {*names, f"{layer}.mlp.c_proj.weight"}
    hidden = (
        model.transformer.h[0]
        .ln_1(
            model.transformer.wte(torch.tensor([1, 2, 3])) + model.transformer.wpe(torch.arange(3))
        )
        .detach()
    )
    torch.testing.assert_close(found.tensors[names[0]], hidden.T @ hidden / 3)


def test_narrow_inputs_are_measured_in_float32() -> None:
    layer, x = nn.Linear(2, 2).bfloat16(), torch.full((1000, 2), 1.0078125).bfloat16()
    found = collect_gramians(layer, [x]).tensors["weight"]
    assert torch.equal(found, torch.full((2, 2), 1.0078125**2))


@pytest.mark.parametrize(
    ("model", "batches", "message"),
    [
        (nn.Linear(2, 2), [], "batches: there is none"),
        (nn.ReLU(), [torch.ones(2)], "no linear layer was called"),
        (nn.Linear(2, 2), [torch.full((1, 2), float("nan"))], "tensor 'weight': gramian is NaN"),
        (nn.Linear(2, 2), [torch.ones(0, 2)], "batches: no row was seen: they are empty, or"),
        (
            nn.Sequential(nn.Linear(2, 2)),
            [(torch.ones(3, 2), torch.ones(3))],
            "layer of '0.weight' is called with a tuple, not a tensor: forward .* takes the inputs",
        ),
    ],
)
def test_what_cannot_be_measured(model: nn.Module, batches: list[Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        collect_gramians(model, batches)


def test_berts_on_the_command_line(
    polytask: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The merged model is nearer to what each layer did than the mean is."""
    monkeypatch.chdir(tmp_path)
    models = {name: bert(seed) for seed, name in enumerate("ab")}
    for seed, (name, model) in enumerate(models.items()):
        model.save_pretrained(name)
        collect_gramians(model, texts(seed), forward=forward).save(f"{name}.gramian")
        collect_fisher(model, texts(seed), forward=lambda m, b: m(**b).pooler_output).save(
            f"{name}.fisher"
        )
    for method, kind, options in (
        ("regmean", "gramian", ("--shrink", "1")),
        ("fisher", "fisher", ()),
    ):
        words = [word for name in "ab" for word in ("--statistics", f"{name}.{kind}")]
        answer = polytask("merge", method, "a", "b", *words, *options, "--out", method)
        assert answer.code == 0, answer.err
        BertModel.from_pretrained(method)
    notes = json.loads(Path("regmean/merge.json").read_text())["notes"]
    assert notes == [
        "matrices without gramian statistics are averaged: embeddings.position_embeddings.weight, "
        "embeddings.token_type_embeddings.weight, embeddings.word_embeddings.weight"
    ]
    name, states = "encoder.layer.1.output.dense.weight", {}
    for folder in ("a", "b", "regmean"):
        states[folder] = load_file(f"{folder}/model.safetensors")[name].double()
    mean = (states["a"] + states["b"]) / 2
    distance = dict.fromkeys(("mean", "regmean"), 0.0)
    for folder in "ab":
        gramian = load_file(f"{folder}.gramian")[name].double()
        for result, state in (("mean", mean), ("regmean", states["regmean"])):
            difference = state - states[folder]
            distance[result] += float((difference @ gramian * difference).sum())
    assert distance["regmean"] < 0.9 * distance["mean"]
