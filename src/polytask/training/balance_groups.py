"""Groups of a model's shared parameters that are balanced apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch import nn

from polytask.errors import unknown
from polytask.models import MultiTaskModel
from polytask.training.parameter_groups import starts

__all__ = ["Groups", "layer_groups"]

Groups = Literal["layer"] | Sequence[str]
"""``layer``: a group for each block of the model; or starts of parameter names, one group each."""


def layer_groups(model: MultiTaskModel, groups: Groups) -> dict[str, list[nn.Parameter]]:
    """Name -> its trained shared parameters, without what is left over.

    Layers are counted from the input on, from 1; those without such parameters are passed over. A
    parameter belongs to the longest start of its name.

    Raises:
        InputError: no trained shared parameter's name has such a start.
    """
    shared = {id(p) for p in model.shared_parameters() if p.requires_grad}
    if groups == "layer":
        blocks = [[p for p in block.parameters() if id(p) in shared] for block in model.blocks()]
        return {f"layer {index}": found for index, found in enumerate(blocks, 1) if found}
    named = {name: p for name, p in model.named_parameters() if id(p) in shared}
    found: dict[str, list[nn.Parameter]] = {start: [] for start in groups}
    for name, parameter in named.items():
        matching = [start for start in groups if starts(name, start)]
        if matching:
            found[max(matching, key=len)].append(parameter)
    for start in groups:
        if not any(starts(name, start) for name in named):
            choices = {".".join(name.split(".")[:depth]) for name in named for depth in (1, 2, 3)}
            raise unknown("start of a shared parameter name", start, choices, where="balance")
    return found
