"""Find the change of a matrix that interferes least with what each model learned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.contract import Contract
from polytask.merging.engine.embeddings import is_embedding
from polytask.merging.kinds import Delta
from polytask.merging.matrix_method import MatrixMethod
from polytask.merging.methods.sums import weighted_sum
from polytask.merging.place import Place
from polytask.merging.settings import check_count

__all__ = ["WUDI"]

AVERAGING = (0.9, 0.999)
"""How much of Adam's mean gradient and mean square is kept at a step; PyTorch's defaults."""

TINY = 1e-8
"""Added to the root of the mean square; PyTorch's default."""


@dataclass(frozen=True, kw_only=True)
class WUDI(MatrixMethod):
    """Find, for each linear layer, the change that interferes least with that of each model.

    A model's change of a linear layer lies in the space of the layer's inputs, nearly, and so
    stands for them. Of the merged change tau this loss is made small, without data:
    sum_k |(tau - tau_k) tau_k^T|^2 / |tau_k|^2, by steps of Adam that start at sum_k tau_k.

    theta_0 + scale tau. Linear layers are all matrices but embeddings, which are told by their
    names. All other tensors stay as they are in the base, as in the authors' code for vision. In
    memory, for each thread, are at most 10 times the largest matrix, and 2 of columns x columns.

    Source: Cheng et al., "Whoever Started the Interference Should End It: Guiding Data-Free Model
    Merging via Task Vectors", 2025 (WUDI-Merging), which needs no ``scale``. The authors' code for
    language uses a rate of 2e-5.

    The gradient of the loss is computed as 2 (tau S - C), where S = sum_k tau_k^T tau_k / |tau_k|^2
    and C = sum_k tau_k tau_k^T tau_k / |tau_k|^2: a step takes as long for many models as for two.
    A step changes an element by at most about ``rate``, however large the changes of the models
    are: where they are of another size than those of the paper, choose another one. The result has
    no gradients.

    Args:
        steps: of Adam; 300 in the authors' code.
        rate: of Adam; 1e-5 in the authors' code for vision.

    Raises:
        InputError: an option is out of its range.
    """

    contract: ClassVar[Contract] = Contract(
        needs_base=True, differentiable=False, invariants=frozenset({"zero"})
    )

    steps: int = 300
    rate: float = 1e-5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("steps", self.steps)
        if not (type(self.rate) in (int, float) and 0 < self.rate < math.inf):
            raise InputError(f"rate: must be a positive number, got {self.rate!r}")

    def is_matrix(self, at: Place) -> bool:
        return super().is_matrix(at) and not is_embedding(at.tensor)

    def merged(self, changes: Sequence[Tensor], at: Place) -> Tensor:
        start = weighted_sum(changes, [1.0] * len(changes))
        curvature = start.new_zeros(at.shape[1], at.shape[1])
        target = torch.zeros_like(start)
        for change in changes:
            inner = change.T @ change
            inner /= inner.diagonal().sum().clamp_min(torch.finfo(inner.dtype).tiny)
            curvature += inner
            target.addmm_(change, inner)
        return self._minimum(start, curvature, target)

    def elsewhere(self, deltas: Sequence[Delta], at: Place) -> Delta:
        total = weighted_sum((delta.values for delta in deltas), [1.0] * len(deltas))
        return Delta(total - total)  # 0, but NaN where a change is not finite

    def _minimum(self, change: Tensor, curvature: Tensor, target: Tensor) -> Tensor:
        """The change after all steps.

        Args:
            change: where they start; it is used up.
            curvature: S.
            target: C.
        """
        mean, square = torch.zeros_like(change), torch.zeros_like(change)
        keep_mean, keep_square = AVERAGING
        for step in range(1, self.steps + 1):
            gradient = torch.addmm(target, change, curvature, beta=-2, alpha=2)
            mean.lerp_(gradient, 1 - keep_mean)
            square.mul_(keep_square).addcmul_(gradient, gradient, value=1 - keep_square)
            root = (square / (1 - keep_square**step)).sqrt_().add_(TINY)
            change.addcdiv_(mean, root, value=-self.rate / (1 - keep_mean**step))
        return change
