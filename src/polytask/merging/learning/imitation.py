"""How far a merged model is from saying what an expert says."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional

from polytask.errors import InputError

__all__ = ["Rows", "confident", "imitation"]

Rows = Literal["confident", "all"]
"""Which predictions of an expert a merged model learns from."""


def imitation(outputs: Tensor, wanted: Tensor, task: str, *, rows: Rows) -> Tensor:
    """The mean cross-entropy to the class that an expert finds most likely; 0 if no row is kept.

    Args:
        outputs: logits of the merged model, ``[..., classes]``.
        wanted: logits of the expert, of the same shape.
        task: for the message.
        rows: those that `confident` keeps, or all.

    Raises:
        InputError: the shapes differ, there are no two classes, or outputs are integers.
    """
    if outputs.shape != wanted.shape or outputs.dim() == 0 or outputs.shape[-1] < 2:
        raise InputError(
            f"task {task!r}: tinting needs logits [..., classes] of two classes or more, "
            f"outputs are {list(outputs.shape)}, those of the expert {list(wanted.shape)}"
        )
    if not outputs.is_floating_point():
        raise InputError(
            f"task {task!r}: tinting needs logits, outputs are {outputs.dtype}: not floating-point"
        )
    outputs, wanted = outputs.flatten(0, -2), wanted.flatten(0, -2)
    if rows == "confident":
        kept = confident(outputs, wanted)
        outputs, wanted = outputs[kept], wanted[kept]
    total = functional.cross_entropy(outputs, wanted.argmax(-1), reduction="sum")
    return total / max(1, len(outputs))


def confident(outputs: Tensor, wanted: Tensor) -> Tensor:
    """Whether an expert is to be believed: both say the same class, or it is at least as sure.

    Shapes: B rows.

    Args:
        outputs: logits of the merged model, ``[B, classes]``.
        wanted: logits of the expert, ``[B, classes]``.

    Returns:
        ``[B]``
    """
    surety, said = outputs.detach().softmax(-1).max(-1)
    expert_surety, expert_said = wanted.softmax(-1).max(-1)
    return (said == expert_said) | (expert_surety >= surety)
