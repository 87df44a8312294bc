"""A linear layer whose gradients are kept as inputs and output gradients.

With inputs X and output gradients D_k, task k has the gradient ``D_k^T X`` for the weight and
``D_k^T 1`` for the bias, so two tasks have the inner product ``<D_k, (X X^T + 1 1^T) D_l>``. Where
there are fewer positions than inputs, this is cheaper than the gradients, and the update needs one
product ``(sum_k w_k D_k)^T X`` in the end. Several uses of a layer, in several batches, are one use
with the positions of all.

Shapes: K tasks, N positions of all uses, I inputs, O outputs of the layer.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from polytask.balance.engine.rows import accumulate

__all__ = ["FactoredLayer"]

RIDGE = 1e-13
"""For each position: what rounding in float64 may take from a matrix with a diagonal of ones."""


class FactoredLayer:
    """The gradients of one linear layer.

    Args:
        weight: ``[O, I]``.
        bias: ``[O]`` or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self.weight, self.bias = weight, bias
        self.positions = 0
        self._inputs: list[Tensor] = []
        self._outputs: list[dict[int, Tensor]] = []
        self._dtype = torch.promote_types(weight.dtype, torch.float32)

    @property
    def parameters(self) -> list[Tensor]:
        """Weight and bias."""
        return [self.weight] if self.bias is None else [self.weight, self.bias]

    @property
    def pairs(self) -> int:
        """How many pairs there are of a position and a task whose loss depends on it."""
        both = zip(self._inputs, self._outputs, strict=True)
        return sum(len(inputs) * len(outputs) for inputs, outputs in both)

    @property
    def tasks(self) -> set[int]:
        """The tasks that use the layer."""
        return {task for outputs in self._outputs for task in outputs}

    def add(self, inputs: Tensor, outputs: Mapping[int, Tensor]) -> None:
        """Take a use of the layer: ``inputs [n, I]`` and per task output gradients ``[n, O]``."""
        self.positions += len(inputs)
        self._inputs.append(inputs)
        self._outputs.append(dict(outputs))

    def rows(self, count: int) -> Tensor:
        """``[K, N * O]`` rows with the inner products of the gradients of ``count`` tasks.

        They are ``R D_k`` with ``R^T R = X X^T + 1 1^T``: the product of two rows stays positive
        semidefinite, and is as exact as that of the gradients themselves.
        """
        rows = self.weight.new_zeros(count, self.positions, len(self.weight), dtype=self._dtype)
        start, root = 0, self._root().to(self._dtype)
        for inputs, outputs in zip(self._inputs, self._outputs, strict=True):
            columns = root[:, start : start + len(inputs)]
            for task, output in outputs.items():
                rows[task].addmm_(columns, output.to(self._dtype))
            start += len(inputs)
        return rows.flatten(1)

    def gradient(self, weights: Tensor) -> list[Tensor]:
        """The weighted sum of the gradients, of weight and bias; ``weights [K]``."""
        factors = weights.tolist()
        mixed = self.weight.new_zeros(self.positions, len(self.weight), dtype=self._dtype)
        parts = torch.split(mixed, [len(inputs) for inputs in self._inputs])
        for part, outputs in zip(parts, self._outputs, strict=True):
            for task, output in outputs.items():
                part.add_(output, alpha=factors[task])
        weight = mixed.T @ torch.cat(self._inputs).to(self._dtype)
        return [weight] if self.bias is None else [weight, mixed.sum(0)]

    def accumulate(self, weights: Tensor) -> None:
        """Add the weighted sum of the gradients to ``.grad``."""
        for parameter, gradient in zip(self.parameters, self.gradient(weights), strict=True):
            accumulate(parameter, gradient)

    def _root(self) -> Tensor:
        """R ``[N, N]``."""
        inputs = torch.cat(self._inputs).double()
        squared = inputs @ inputs.T
        if self.bias is not None:
            squared += 1
        if not torch.isfinite(squared).all():
            return torch.full_like(squared, torch.nan)
        lengths = squared.diagonal().sqrt()
        nonzero = torch.where(lengths > 0, lengths, 1.0)
        cosines = squared / nonzero / nonzero[:, None]
        cosines.diagonal().add_(RIDGE * len(cosines))
        root: Tensor = torch.linalg.cholesky(cosines) * lengths[:, None]
        return root.T
