"""What is made small where there are no labels."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from polytask.errors import InputError

__all__ = ["check_logits", "entropy"]


def entropy(outputs: Tensor, task: str, batch: Any = None) -> Tensor:
    """The mean Shannon entropy of the predictions, in nats.

    Args:
        outputs: logits ``[..., classes]``.
        task: for the message.
        batch: not looked at.

    Raises:
        InputError: they are integers, or there are no two classes.
    """
    check_logits(outputs, task)
    logs = outputs.log_softmax(-1)
    return -(logs.exp() * logs).sum(-1).mean()


def check_logits(outputs: Tensor, task: str) -> None:
    """Refuse outputs that are no logits ``[..., classes]`` of two classes or more.

    Raises:
        InputError: they are integers, or there are no two classes; it names the task.
    """
    if outputs.dim() == 0 or outputs.shape[-1] < 2:
        shape = " x ".join(map(str, outputs.shape)) or "scalar"
        raise InputError(
            f"task {task!r}: entropy needs logits of two classes or more in the last dimension, "
            f"outputs are {shape}; give a loss of your own"
        )
    if not outputs.is_floating_point():
        raise InputError(
            f"task {task!r}: entropy needs logits, outputs are {outputs.dtype}: not floating-point"
        )
