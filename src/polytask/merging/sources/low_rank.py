"""Changes of weights that are not stored but computed, a flat piece at a time.

C columns of a tensor seen as a matrix, R its rows, r rank.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

__all__ = ["Decomposed", "Piece", "Product", "Replacement", "Sum"]

Piece = Callable[[int, int], Tensor]
"""The elements of a flat tensor from one index to another, in the precision of computing."""

TILE = 1 << 16
"""Elements (about) of the blocks of rows that products are computed in. They begin at multiples of
their length, so that an element has the same bits whichever piece is asked for."""


class Product:
    """left @ right, exact to the precision of computing, whatever the precision of storing.

    Args:
        left: R x r.
        right: r x C.
        scale: factor of the product.
        dtype: that is computed in.
    """

    def __init__(self, left: Tensor, right: Tensor, scale: float, dtype: torch.dtype) -> None:
        self._left, self._right, self._scale, self._dtype = left, right, scale, dtype
        self.rows, self.columns = left.shape[0], right.shape[1]
        self.step = max(1, TILE // max(1, self.columns))

    def __call__(self, start: int, stop: int) -> Tensor:
        first = start // self.columns // self.step * self.step
        last = min(-(-stop // (self.columns * self.step)) * self.step, self.rows)
        right = self._right.to(self._dtype)
        left = self._left[first:last].to(self._dtype) * self._scale
        rows = torch.empty(last - first, self.columns, dtype=self._dtype)
        for row in range(0, last - first, self.step):
            torch.mm(left[row : row + self.step], right, out=rows[row : row + self.step])
        begin = first * self.columns
        return rows.view(-1)[start - begin : stop - begin]


class Decomposed:
    """The change to weights whose direction a product moved and whose norms were learned (DoRA).

    m (W + P) / ||W + P|| - W with one norm per output.

    Source: Liu et al., "DoRA: Weight-Decomposed Low-Rank Adaptation", 2024.

    Args:
        weights: W.
        product: P.
        magnitude: m, one per output.
        by_row: whether outputs are rows, not columns.
    """

    def __init__(self, weights: Piece, product: Product, magnitude: Tensor, by_row: bool) -> None:
        self._weights, self._product, self._magnitude = weights, product, magnitude
        self._by_row = by_row
        self._factors: Tensor | None = None

    def __call__(self, start: int, stop: int) -> Tensor:
        if self._factors is None:  # threads that come at the same time compute the same
            self._factors = self._magnitude.reshape(-1).double() / self._norms()
        weights = self._weights(start, stop)
        index = torch.arange(start, stop)
        columns = self._product.columns
        output = index // columns if self._by_row else index % columns
        moved = weights + self._product(start, stop)
        return moved * self._factors[output].to(moved.dtype) - weights

    def _norms(self) -> Tensor:
        """The norm of W + P for each output, in float64."""
        product = self._product
        squares = torch.zeros(product.rows if self._by_row else product.columns).double()
        for row in range(0, product.rows, product.step):
            last = min(row + product.step, product.rows)
            ends = row * product.columns, last * product.columns
            moved = (self._weights(*ends) + product(*ends)).view(-1, product.columns).double()
            if self._by_row:
                squares[row:last] = moved.square().sum(1)
            else:
                squares += moved.square().sum(0)
        return squares.sqrt()


class Replacement:
    """The change from a base to other weights.

    Args:
        weights: what is reached.
        base: where it starts.
    """

    def __init__(self, weights: Piece, base: Piece) -> None:
        self._weights, self._base = weights, base

    def __call__(self, start: int, stop: int) -> Tensor:
        return self._weights(start, stop) - self._base(start, stop)


class Sum:
    """Several changes of one tensor, one after the other.

    Args:
        changes: at least one.
    """

    def __init__(self, changes: Sequence[Piece]) -> None:
        self._changes = changes

    def __call__(self, start: int, stop: int) -> Tensor:
        first, *others = (change(start, stop) for change in self._changes)
        for other in others:
            first = first + other
        return first
