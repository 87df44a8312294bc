"""From names of tensors to permutations, for models of the transformers library."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from polytask.errors import InputError
from polytask.merging.permutations.axis import Axis
from polytask.merging.permutations.layouts import HEADS, LAYOUTS, Layout
from polytask.merging.permutations.spec import Axes, PermutationSpec
from polytask.merging.place import depths

__all__ = ["spec_from_names"]

COUNTS = ("num_key_value_heads", "num_attention_heads", "n_head", "num_heads")
"""Keys of a configuration for the number of heads; first that of those that keys share."""

STACK = re.compile(r"(.*\b)block\.\d+\.layer\.\d+\.SelfAttention\.")
"""Self-attention of T5: all layers of a stack share the positions that its first layer stores, so
their heads move alike."""

Shapes = Mapping[str, tuple[int, ...]]


def spec_from_names(shapes: Shapes, config: Mapping[str, Any]) -> PermutationSpec:
    """The hidden units of a transformer that may change places, by the names of its tensors.

    These are the hidden units of feed-forward layers (BERT, RoBERTa, ViT, GPT-2, Llama and models
    that are built like it, Mixtral, T5), and whole heads of attention; heads that share their keys
    move together. The stream between the layers keeps its order: `permutation_spec` finds that too.

    Args:
        shapes: of the tensors.
        config: what ``config.json`` says; without the number of heads and a known ``model_type``,
            heads stay.

    Returns:
        The permutations, each named after its module; with modules that are not known, and other
        matrices of layers.

    Raises:
        InputError: no layer is one of those that are known, or the number of heads does not fit.
    """
    axes: dict[str, Axes] = {}
    unknown: list[str] = []
    found = [*_found(shapes)]
    for layout, prefix in found:
        heads = _heads(config) if layout.heads else None
        strange = _strange(layout, prefix, shapes)
        if strange is not None:
            unknown.append(strange)
        elif layout.heads and heads is None:
            unknown.append(f"{prefix.rstrip('.')}: heads of {config.get('model_type')!r} models")
        else:
            axes.update(_axes(layout, prefix, shapes, heads))
    if not axes:
        raise InputError(
            "the names of the tensors are not those of layers that are known: give a spec"
            + (f" (unknown: {', '.join(unknown[:5])})" if unknown else "")
        )
    unknown += sorted(
        name
        for name in depths(shapes)
        if len(shapes[name]) > 1
        and name not in axes
        and not any(_within(name, prefix, layout) for layout, prefix in found)
    )
    return PermutationSpec(axes, unknown=unknown)


def _found(shapes: Shapes) -> Iterator[tuple[Layout, str]]:
    """Layouts, and the beginnings of the names of their modules."""
    for layout in LAYOUTS:
        for name in shapes:
            if match := layout.anchor.fullmatch(name):
                yield layout, match[1]


def _heads(config: Mapping[str, Any]) -> int | None:
    """The number of heads, or of groups of them that share keys; None if they must stay."""
    plain = config.get("position_embedding_type", "absolute") == "absolute"
    if config.get("model_type") not in HEADS or not plain:
        return None
    found = [config[key] for key in COUNTS if isinstance(config.get(key), int)]
    return found[0] if found else None


def _strange(layout: Layout, prefix: str, shapes: Shapes) -> str | None:
    """The first tensor that does not belong there, lacks or is unclear; None if there is none."""
    weights = {f"{module}.weight" for module in (*layout.outputs, *layout.inputs)}
    known = {*weights, *(weight.replace(".weight", ".bias") for weight in weights), *layout.stays}
    known |= {f"{module}.weight" for module in (*layout.vectors, *layout.biases)}
    there = {name.removeprefix(prefix) for name in shapes if _within(name, prefix, layout)}
    strange = sorted(there - known) + sorted(weights - there)
    strange += sorted(name for name in weights & there if len(shapes[f"{prefix}{name}"]) != 2)
    if not strange and _turned(layout, prefix, shapes) is None:
        strange = [f"{layout.outputs[0]}.weight"]
    return f"{prefix}{strange[0]}" if strange else None


def _within(name: str, prefix: str, layout: Layout) -> bool:
    return any(name.startswith(prefix + scope) for scope in layout.scope)


def _axes(layout: Layout, prefix: str, shapes: Shapes, heads: int | None) -> dict[str, Axes]:
    """The axes of all tensors of the modules that move."""
    stack = STACK.fullmatch(prefix)
    permutation = (f"{stack[1]}SelfAttention" if stack else prefix).rstrip(".")
    turned = bool(_turned(layout, prefix, shapes))
    found: dict[str, Axes] = {}
    for module in layout.outputs:
        size = shapes[f"{prefix}{module}.weight"][turned]
        axis = _axis(permutation, size, layout.repeat, heads)
        found[f"{prefix}{module}.weight"] = (None, axis) if turned else (axis,)
        found[f"{prefix}{module}.bias"] = (axis,)
    for module in layout.inputs:
        axis = _axis(permutation, shapes[f"{prefix}{module}.weight"][not turned], 1, heads)
        found[f"{prefix}{module}.weight"] = (axis,) if turned else (None, axis)
    for module in layout.biases:
        found[f"{prefix}{module}.weight"] = (None, Axis(permutation))
    for module, of in zip(layout.vectors, layout.outputs, strict=False):
        if shapes.get(f"{prefix}{module}.weight") == shapes[f"{prefix}{of}.weight"][:1]:
            found[f"{prefix}{module}.weight"] = found[f"{prefix}{of}.bias"]
    return {name: axes for name, axes in found.items() if name in shapes}


def _turned(layout: Layout, prefix: str, shapes: Shapes) -> bool | None:
    """Whether weights are input x output; None if nothing tells."""
    if not layout.turned:
        return False
    module = f"{prefix}{layout.outputs[0]}"
    [outputs], weight = shapes.get(f"{module}.bias", (0,)), shapes[f"{module}.weight"]
    return None if outputs not in weight or weight[0] == weight[1] else weight[1] == outputs


def _axis(permutation: str, size: int, repeat: int, heads: int | None) -> Axis:
    if heads is None:
        return Axis(permutation, repeat)
    block, rest = divmod(size, repeat * heads)
    if rest or not block:
        raise InputError(f"{permutation}: {size} entries are not those of {repeat} x {heads} heads")
    return Axis(permutation, repeat, block)
