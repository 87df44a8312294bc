"""Permutations of transformers by the names of their tensors: as many as tracing finds, exact."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from tests.merging.test_invariants import same
from tests.merging.test_rebasin import shuffled
from tests.merging.test_transformers import SMALL, answer

from polytask.errors import InputError
from polytask.merging import Axis, PermutationSpec, permutation_spec, spec_from_names
from polytask.merging.permutations.align import align_state_dict

FOUR = {**SMALL, "num_attention_heads": 4}
TEXT = {"vocab_size": 30, **FOUR}
SPECIAL = {"bos_token_id": 0, "eos_token_id": 1}


def bert() -> Any:
    config = transformers.BertConfig(max_position_embeddings=20, **TEXT)
    return transformers.BertForMaskedLM(config)


def roberta() -> Any:
    config = transformers.RobertaConfig(max_position_embeddings=20, **TEXT)
    return transformers.RobertaForSequenceClassification(config)


def llama() -> Any:
    return transformers.LlamaForCausalLM(transformers.LlamaConfig(num_key_value_heads=2, **TEXT))


def qwen() -> Any:
    config = transformers.Qwen3Config(num_key_value_heads=2, head_dim=4, **TEXT)
    return transformers.Qwen3ForCausalLM(config)


def olmo() -> Any:
    config = transformers.Olmo2Config(num_key_value_heads=2, **TEXT, **SPECIAL)
    return transformers.Olmo2ForCausalLM(config)


def gpt2() -> Any:
    sizes = {"n_positions": 20, "n_embd": 16, "n_layer": 2, "n_head": 4}
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(vocab_size=30, **sizes, **SPECIAL))


def vit() -> Any:
    config = transformers.ViTConfig(image_size=8, patch_size=4, **FOUR)
    return transformers.ViTForImageClassification(config)


def t5(**more: Any) -> Any:
    sizes = {"d_model": 16, "d_kv": 8, "d_ff": 24, "num_layers": 2, "num_heads": 4}
    config = transformers.T5Config(vocab_size=30, **sizes, **more)
    return transformers.T5ForConditionalGeneration(config)


def gated_t5() -> Any:
    return t5(feed_forward_proj="gated-gelu", tie_word_embeddings=False)


KINDS: dict[str, tuple[Callable[[], Any], dict[str, int]]] = {
    "bert": (bert, {"bert.encoder.layer.1": 24, "bert.encoder.layer.1.attention": 4}),
    "roberta": (roberta, {"roberta.encoder.layer.1": 24, "roberta.encoder.layer.1.attention": 4}),
    "llama": (llama, {"model.layers.1.mlp": 24, "model.layers.1.self_attn": 2}),
    "qwen": (qwen, {"model.layers.1.mlp": 24, "model.layers.1.self_attn": 2}),
    "olmo": (olmo, {"model.layers.1.mlp": 24, "model.layers.1.self_attn": 2}),
    "gpt2": (gpt2, {"transformer.h.1.mlp": 64, "transformer.h.1.attn": 4}),
    "vit": (vit, {"vit.layers.1.mlp": 24, "vit.layers.1.attention": 4}),
    "t5": (
        t5,
        {
            "encoder.block.1.layer.1.DenseReluDense": 24,
            "encoder.SelfAttention": 4,
            "decoder.block.1.layer.1.EncDecAttention": 4,
            "decoder.block.1.layer.2.DenseReluDense": 24,
            "decoder.SelfAttention": 4,
        },
    ),
    "gated t5": (
        gated_t5,
        {"encoder.block.1.layer.1.DenseReluDense": 24, "encoder.SelfAttention": 4},
    ),
}
"""Models, and permutations of their last layers with the number of units."""


def shapes_of(model: Any) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}


def named(model: Any, **config: Any) -> PermutationSpec:
    return spec_from_names(shapes_of(model), {**model.config.to_dict(), **config})


def random_model(kind: str) -> Any:
    """A model none of whose values is at its start, in float64."""
    torch.manual_seed(0)
    model = KINDS[kind][0]()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape))
    return model.double().eval()


def inputs_of(model: Any) -> dict[str, Any]:
    if model.main_input_name == "pixel_values":
        return {"pixel_values": torch.randn(2, 3, 8, 8)}
    tokens = torch.arange(14).view(2, 7)
    more = {"decoder_input_ids": tokens} if model.config.is_encoder_decoder else {}
    return {"input_ids": tokens, "use_cache": False, **more}


@pytest.mark.parametrize("kind", list(KINDS))
def test_shuffled_units_compute_the_same(kind: str) -> None:
    model = random_model(kind)
    spec, state = named(model), {k: v.clone() for k, v in model.state_dict().items()}
    assert spec.unknown == ()
    units = spec.units(shapes_of(model))
    assert {name: units.get(name) for name in KINDS[kind][1]} == KINDS[kind][1]
    expected = answer(model)
    other, _ = shuffled(state, spec, 3)
    assert not same(other, state)
    model.load_state_dict(other)
    torch.testing.assert_close(answer(model), expected, rtol=1e-5, atol=1e-6)
    assert same(align_state_dict(state, other, spec).state, state)


@pytest.mark.parametrize("kind", list(KINDS))
def test_tracing_finds_the_same(kind: str) -> None:
    model = KINDS[kind][0]()
    traced = permutation_spec(model, inputs_of(model))
    assert traced.unknown == ()
    # That these biases are all 0 is nothing that the tracer knows: there heads stay.
    skipped = "EncDecAttention"
    same_as: dict[str, str] = {}
    for name, axes in named(model).axes.items():
        found = dict(enumerate(traced.of(name)))
        for dim, axis in enumerate(axes):
            if axis is not None and skipped not in name:
                other = found[dim]
                assert other is not None, name
                assert (axis.repeat, axis.block) == (other.repeat, other.block), name
                assert same_as.setdefault(axis.permutation, other.permutation) == other.permutation
    assert len(set(same_as.values())) == len(same_as)


def test_the_residual_stream_is_found_by_tracing_alone() -> None:
    model = random_model("llama")
    spec = permutation_spec(model, inputs_of(model))
    assert spec.units(shapes_of(model))["model.embed_tokens.weight[1]"] == 16
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    expected = answer(model)
    other, _ = shuffled(state, spec, 5)
    model.load_state_dict(other)
    torch.testing.assert_close(answer(model), expected, rtol=1e-5, atol=1e-6)
    assert same(align_state_dict(state, other, spec).state, state)


SHAPES = {
    "h.0.mlp.c_fc.weight": (8, 8),
    "h.0.mlp.c_fc.bias": (8,),
    "h.0.mlp.c_proj.weight": (8, 8),
    "h.0.mlp.c_proj.bias": (8,),
}


def llama_layer(**more: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    widths = {"mlp.gate_proj": (6, 4), "mlp.up_proj": (6, 4), "mlp.down_proj": (4, 6)}
    widths |= {f"self_attn.{name}_proj": (4, 4) for name in "qkvo"}
    return {f"layers.0.{name}.weight": shape for name, shape in widths.items()} | more


HEADS = {"model_type": "llama", "num_attention_heads": 2}


def test_heads_stay_where_something_else_may_tell_them_apart() -> None:
    attention, mlp = "layers.0.self_attn", "layers.0.mlp"
    assert set(spec_from_names(llama_layer(), HEADS).units(llama_layer())) == {attention, mlp}
    for config in (
        {},
        {**HEADS, "model_type": "mpt"},
        {**HEADS, "position_embedding_type": "alibi"},
    ):
        spec = spec_from_names(llama_layer(), config)
        assert set(spec.units(llama_layer())) == {mlp}
        assert spec.unknown == (f"{attention}: heads of {config.get('model_type')!r} models",)
    more = llama_layer(**{f"{attention}.sinks": (2,), f"{mlp}.norm.weight": (6,)})
    with pytest.raises(
        InputError, match=r"give a spec \(unknown: layers.0.mlp.norm.weight, layers"
    ):
        spec_from_names(more, HEADS)
    lacking = {name: shape for name, shape in llama_layer().items() if "v_proj" not in name}
    assert spec_from_names(lacking, HEADS).unknown == (f"{attention}.v_proj.weight",)
    packed = llama_layer() | {f"{attention}.k_proj.weight": (16,)}
    assert spec_from_names(packed, HEADS).unknown == (f"{attention}.k_proj.weight",)


def test_experts_are_feed_forward_layers() -> None:
    shapes = {
        name.replace("mlp.", f"mlp.experts.{number}."): shape
        for number in (0, 1)
        for name, shape in llama_layer().items()
    }
    spec = spec_from_names({**shapes, "layers.0.mlp.gate.weight": (2, 4)}, {})
    assert set(spec.units(shapes)) == {f"layers.0.mlp.experts.{number}" for number in (0, 1)}


def test_experts_of_mixtral_as_they_are_stored(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.MixtralConfig(num_key_value_heads=2, num_local_experts=2, **TEXT)
    model = transformers.MixtralForCausalLM(config).eval()
    model.save_pretrained(tmp_path / "a")
    state = load_file(tmp_path / "a/model.safetensors")
    spec = spec_from_names({name: tuple(t.shape) for name, t in state.items()}, config.to_dict())
    routers = [f"model.layers.{layer}.block_sparse_moe.gate.weight" for layer in (0, 1)]
    assert list(spec.unknown) == routers
    moved, _ = shuffled(state, spec, 1)
    changed = {name for name in state if not torch.equal(state[name], moved[name])}
    assert {"self_attn", "block_sparse_moe"} == {name.split(".")[3] for name in changed}
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    save_file(moved, tmp_path / "b/model.safetensors", {"format": "pt"})
    again = transformers.MixtralForCausalLM.from_pretrained(tmp_path / "b").eval()
    tokens = torch.arange(10)[None]
    torch.testing.assert_close(again(tokens).logits, model(tokens).logits)


def test_matrices_of_layers_that_are_not_known_are_named() -> None:
    router = "layers.0.block_sparse_moe.gate.weight"
    shapes = {**llama_layer(), router: (8, 4), "layers.0.norm.weight": (4,), "head.weight": (9, 4)}
    assert spec_from_names(shapes, HEADS).unknown == (router,)


def test_inputs_and_outputs_of_a_square_matrix() -> None:
    with pytest.raises(InputError, match="the names of the tensors are not those of layers"):
        spec_from_names(SHAPES, {"model_type": "gpt2"})
    linear = {**SHAPES, "h.0.mlp.c_fc.weight": (8, 4), "h.0.mlp.c_proj.weight": (4, 8)}
    assert spec_from_names(linear, {}).of("h.0.mlp.c_fc.weight") == (Axis("h.0.mlp"),)
    turned = {**SHAPES, "h.0.mlp.c_fc.weight": (4, 8), "h.0.mlp.c_proj.weight": (8, 4)}
    assert spec_from_names(turned, {}).of("h.0.mlp.c_fc.weight") == (None, Axis("h.0.mlp"))


def test_a_number_of_heads_that_does_not_fit() -> None:
    with pytest.raises(InputError, match=r"0\.self_attn: 4 entries are not those of 1 x 3 heads"):
        spec_from_names(llama_layer(), {**HEADS, "num_attention_heads": 3})
