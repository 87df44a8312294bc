"""Sparse training: few weights of every neuron learn, so that tasks meet in fewer of them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor, nn

from polytask.balance.engine.cut import is_sharded
from polytask.errors import InputError

__all__ = ["SparseTraining"]


class SparseTraining(nn.Module):
    """Trains the strongest input connections of every neuron and holds all other weights.

    Which they are is found once, before training: of each neuron (row of a weight, channel of a
    convolution) the ``connections`` weights of largest magnitude. From then on the gradients of all
    others are 0, whichever balancer, cost or memory a step has: gradients are masked before they
    are compared, and conflict less often. The masks are in ``state_dict()``; load it into a new
    object to go on.

    Weights without gradient still move by weight decay: leave that out. It cannot be used with
    ``fully_shard``, which puts parameters of its own, without the hooks, in the place of these.

    Source: Zhang et al., "Proactive Gradient Conflict Mitigation in Multi-Task Learning: A Sparse
    Training Perspective", 2024. Parameters with one dimension (biases, factors of norms), which are
    no connections, stay trained here.

    Args:
        parameters: of the shared part, with the values before training. The first dimension counts
            neurons, the others their connections.
        connections: how many of a neuron learn; all of one that has fewer.

    Raises:
        InputError: ``connections`` below 1, or parameters that are cut into shards.

    Example:
        >>> trunk = nn.Linear(16, 4)
        >>> sparse = SparseTraining(trunk.parameters(), connections=3)
        >>> trunk(torch.ones(2, 16)).sum().backward()
        >>> int((trunk.weight.grad != 0).sum())
        12
    """

    def __init__(self, parameters: Iterable[Tensor], *, connections: int) -> None:
        super().__init__()
        if connections < 1:
            raise InputError(f"connections must be at least 1, got {connections}")
        weights = [p for p in parameters if p.requires_grad and p.ndim > 1]
        if is_sharded(weights):
            raise InputError("SparseTraining: fully_shard takes its hooks away; leave one out")
        self._handles = []
        for number, weight in enumerate(weights):
            self.register_buffer(f"mask_{number}", strongest(weight.detach(), connections))
            hook = partial(self._masked, f"mask_{number}")
            self._handles.append(weight.register_hook(hook))  # type: ignore[no-untyped-call]

    def remove(self) -> None:
        """Train all weights again."""
        for handle in self._handles:
            handle.remove()

    def _masked(self, name: str, gradient: Tensor) -> Tensor:
        return gradient * self.get_buffer(name).to(gradient.device)


def strongest(weight: Tensor, connections: int) -> Tensor:
    """True for the connections of largest magnitude of each neuron; of the shape of ``weight``."""
    flat = weight.flatten(1).abs()
    chosen = flat.topk(min(connections, flat.shape[1]), dim=1).indices
    return torch.zeros_like(flat, dtype=torch.bool).scatter_(1, chosen, True).view(weight.shape)
