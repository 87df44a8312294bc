"""What a balanced step tells.

Shapes: K tasks whose losses the step carried.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

__all__ = ["Balanced"]


@dataclass(frozen=True)
class Balanced:
    """Weights and conflicts of one step.

    Args:
        tasks: ``[K]`` names.
        weights: ``[K]`` factor of each task's gradient, of groups their mean; None if the method's
            update is no weighted sum of the gradients.
        gramian: ``[K, K]`` inner products of the gradients, float64; None if the step did not need
            them and ``diagnose`` was not asked for.
        groups: layer group -> its weights and inner products, where groups were balanced apart.
    """

    tasks: tuple[str, ...]
    weights: Tensor | None
    gramian: Tensor | None
    groups: Mapping[str, Balanced] = field(default_factory=dict)

    @property
    def norms(self) -> Tensor:
        """``[K]`` lengths of the gradients."""
        return self._known().diagonal().clamp(min=0).sqrt()

    @property
    def cosines(self) -> Tensor:
        """``[K, K]`` cosines between the gradients; 0 beside a gradient that is zero."""
        norms = self.norms
        scale = torch.where(norms > 0, 1 / norms, 0.0)
        return (self._known() * scale * scale[:, None]).clamp(-1, 1)

    @property
    def conflicts(self) -> float:
        """The share of pairs of tasks whose gradients point away from each other."""
        pairs = torch.triu_indices(len(self.tasks), len(self.tasks), offset=1)
        found = self._known()[pairs[0], pairs[1]]
        return float((found < 0).double().mean()) if len(found) else 0.0

    @property
    def norm_ratio(self) -> float:
        """The longest gradient divided by the shortest."""
        return float(self.norms.max() / self.norms.min())

    @property
    def condition_number(self) -> float:
        """Of the matrix of gradients: its largest singular value divided by its smallest."""
        values = torch.linalg.eigvalsh(self._known()).clamp(min=0).sqrt()
        return float(values.max() / values.min())

    def _known(self) -> Tensor:
        if self.gramian is None:
            raise ValueError("this step has no Gramian; call backward with diagnose=True")
        return self.gramian
