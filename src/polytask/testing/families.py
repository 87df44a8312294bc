"""Gradients that are hard for balancers, for contract tests."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["gradient_families"]


def gradient_families() -> dict[str, Tensor]:
    """Name -> gradients ``[4, 24]``, from easy ones to those that break solvers."""
    generator = torch.Generator().manual_seed(0)
    plain = torch.randn(4, 24, generator=generator)
    conflicts = plain - 0.9 * plain.mean(0) - 0.2 * plain.roll(1, 0)
    few = torch.randn(4, 2, generator=generator) @ torch.randn(2, 24, generator=generator)
    families = {"plain": plain, "conflicts": conflicts, "of rank two": few}
    for spread in (3, 6):
        lengths = torch.logspace(-spread, spread, 4)[:, None]
        families[f"lengths from 1e-{spread} to 1e{spread}"] = lengths * conflicts
    families["two equal"] = conflicts[[0, 1, 2, 1]]
    families["two collinear"] = torch.cat([conflicts[:3], 3 * conflicts[:1]])
    families["all equal"] = conflicts[[0, 0, 0, 0]]
    families["two opposite"] = torch.cat([conflicts[:3], -conflicts[:1]])
    families["one zero"] = torch.cat([conflicts[:3], torch.zeros(1, 24)])
    return families
