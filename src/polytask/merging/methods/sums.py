"""Sums over models that several methods share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from torch import Tensor

__all__ = ["agreeing", "weighted_sum"]


def weighted_sum(values: Iterable[Tensor], weights: Sequence[float]) -> Tensor:
    """The sum of tensors, each times a number, in the order given; always a new tensor."""
    pairs = zip(values, weights, strict=True)
    first, weight = next(pairs)
    total = first * weight
    for value, weight in pairs:
        total.add_(value, alpha=weight)
    return total


def agreeing(
    values: Iterable[Tensor],
    weights: Sequence[float],
    *,
    factors: Sequence[float],
    mean: bool,
) -> Tensor:
    """The sum or mean, per element, of the values that agree with the sign of the sum of all.

    Where the sum is 0 no value agrees, and the result is 0.

    Args:
        values: of each model; zeros take no part.
        weights: of each model, not negative.
        factors: of each model; values are multiplied by them.
        mean: divide by the weights of the values that agree.
    """
    values = list(values)
    products = [weight * factor for weight, factor in zip(weights, factors, strict=True)]
    sign = weighted_sum(values, products).sign()
    agreed = [(value * sign).relu_() for value in values]
    merged = weighted_sum(agreed, products) * sign
    if not mean:
        return merged
    shares = weighted_sum((value.detach().sign() for value in agreed), weights)
    least = min((weight for weight in weights if weight > 0), default=1.0)
    return merged.div_(shares.clamp_min_(least))
