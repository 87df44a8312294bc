"""How layers of the transformers library name the tensors whose units may change places."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["HEADS", "LAYOUTS", "Layout"]


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Modules that meet in some units, and in nothing else.

    Args:
        anchor: name of the weight that shows the layout; its first group is the beginning of the
            names of all modules.
        outputs: modules that have the units as outputs.
        inputs: modules that have them as inputs.
        repeat: how often the units are among the outputs (queries, keys and values in one).
        heads: whether the units are heads of attention; otherwise each output is one.
        scope: beginnings of names, after the first group, of all that may be part of it. If there
            is anything else, nobody knows what it does with the units, and they stay.
        vectors: for the first outputs a module whose weight has an entry for each of them, or does
            not move if it is shorter.
        turned: whether the weights may be input x output; biases tell.
        stays: names of tensors that do not depend on the order.
        biases: modules whose weights have a column for each unit.
    """

    anchor: re.Pattern[str]
    outputs: tuple[str, ...]
    inputs: tuple[str, ...]
    repeat: int = 1
    heads: bool = False
    turned: bool = False
    scope: tuple[str, ...] = ("",)
    vectors: tuple[str, ...] = ()
    stays: tuple[str, ...] = ()
    biases: tuple[str, ...] = ()


NORM = tuple(f"output.LayerNorm.{end}" for end in ("weight", "bias", "gamma", "beta"))
EXPERTS = r"mlp|experts\.\d+|shared_experts?"

LAYOUTS = (
    Layout(  # BERT, RoBERTa, ELECTRA, ViT
        anchor=re.compile(r"((?:.*\.)?)intermediate\.dense\.weight"),
        outputs=("intermediate.dense",),
        inputs=("output.dense",),
        scope=("intermediate.", "output."),
        stays=NORM,
    ),
    Layout(  # Llama, Mistral, Qwen, Gemma
        anchor=re.compile(rf"((?:.*\.)?(?:{EXPERTS})\.)gate_proj\.weight"),
        outputs=("gate_proj", "up_proj"),
        inputs=("down_proj",),
    ),
    Layout(  # Mixtral
        anchor=re.compile(r"((?:.*\.)?experts\.\d+\.)w1\.weight"),
        outputs=("w1", "w3"),
        inputs=("w2",),
    ),
    Layout(  # GPT-2
        anchor=re.compile(r"((?:.*\.)?mlp\.)c_fc\.weight"),
        outputs=("c_fc",),
        inputs=("c_proj",),
        turned=True,
    ),
    Layout(  # ViT, CLIP
        anchor=re.compile(r"((?:.*\.)?mlp\.)fc1\.weight"),
        outputs=("fc1",),
        inputs=("fc2",),
    ),
    Layout(  # T5
        anchor=re.compile(r"((?:.*\.)?DenseReluDense\.)wi\.weight"),
        outputs=("wi",),
        inputs=("wo",),
    ),
    Layout(  # T5 1.1, with gates
        anchor=re.compile(r"((?:.*\.)?DenseReluDense\.)wi_0\.weight"),
        outputs=("wi_0", "wi_1"),
        inputs=("wo",),
    ),
    Layout(
        anchor=re.compile(r"(.*attention\.)self\.query\.weight"),
        outputs=("self.query", "self.key", "self.value"),
        inputs=("output.dense",),
        heads=True,
        stays=NORM,
    ),
    Layout(
        anchor=re.compile(r"(.*attention\.)attention\.query\.weight"),
        outputs=("attention.query", "attention.key", "attention.value"),
        inputs=("output.dense",),
        heads=True,
    ),
    Layout(
        anchor=re.compile(r"(.*(?:self_attn|attention)\.)q_proj\.weight"),
        outputs=("q_proj", "k_proj", "v_proj"),
        inputs=("o_proj",),
        heads=True,
        vectors=("q_norm", "k_norm"),
        stays=("rotary_emb.inv_freq",),
    ),
    Layout(
        anchor=re.compile(r"((?:.*\.)?attn\.)c_attn\.weight"),
        outputs=("c_attn",),
        inputs=("c_proj",),
        repeat=3,
        heads=True,
        turned=True,
        stays=("bias", "masked_bias"),
    ),
    Layout(
        anchor=re.compile(r"(.*(?:SelfAttention|EncDecAttention)\.)q\.weight"),
        outputs=("q", "k", "v"),
        inputs=("o",),
        heads=True,
        biases=("relative_attention_bias",),
    ),
)
"""Feed-forward layers, then attention."""

HEADS = frozenset(
    {
        "bert", "roberta", "xlm-roberta", "camembert", "electra", "vit", "deit", "gpt2",
        "llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen2_moe", "qwen3_moe",
        "gemma", "gemma2", "gemma3_text", "olmo2", "t5", "mt5",
    }
)  # fmt: skip
"""Types of models, as their configuration names them, in which nothing but weights tells one head
from another."""
