"""Inner products between models, over one tensor or over all that are merged.

Products of elements are added up in blocks of a fixed length, and their sums again in blocks, so
that neither pieces nor threads change a bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import combinations_with_replacement

import torch
from torch import Tensor
from torch.nn.functional import pad

from polytask.merging.population import Population

__all__ = ["BLOCK", "block_sums", "cosines", "gramian", "norms", "total"]

BLOCK = 512
"""Values that are added up at a time. `polytask.merging.engine.group.CHUNK` is a multiple."""

PART = 64 * BLOCK
"""Values that are taken to float64 at a time: few enough for the caches of a processor."""


def gramian(population: Population, *, differences: bool = False) -> Tensor:
    """The inner products of all pairs of models, in float64, ``[models, models]``.

    Meanwhile 8 bytes are kept for every pair of models and `BLOCK` elements.

    Args:
        population: what the models have.
        differences: from the first model, which keeps the digits of distances between models that
            are close to each other; the first row and column are 0.
    """
    found = torch.cat(population.map(partial(_sums, differences)), dim=-1)
    count = population.models
    pairs = _pairs(count, differences)
    products = found.new_zeros(count, count)
    if not pairs:
        return products
    sums = total(found)
    first, second = (torch.tensor(indices) for indices in zip(*pairs, strict=True))
    products = products.index_put((first, second), sums)
    return products.index_put((second, first), sums)


def block_sums(values: Tensor) -> Tensor:
    """The sums of the blocks of the last dimension, of which the last may be shorter.

    Those of pieces one after the other are those of the whole.
    """
    return _in_blocks(values).sum(-1)


def total(sums: Tensor) -> Tensor:
    """The sums over the last dimension, from those of its blocks."""
    while sums.shape[-1] > 1:
        sums = block_sums(sums)
    return sums.squeeze(-1)


def norms(products: Tensor) -> Tensor:
    """The lengths of vectors, by their inner products; that of 0 has the derivative 0."""
    squares = products.diagonal()
    return torch.where(squares == 0, 0.0, torch.where(squares == 0, 1.0, squares).sqrt())


def cosines(products: Tensor) -> Tensor:
    """The cosines of the angles between vectors, by their inner products; 0 where a vector is 0."""
    squares = products.diagonal()
    squares = torch.outer(squares, squares)
    return torch.where(squares == 0, 0.0, products / torch.where(squares == 0, 1.0, squares).sqrt())


def _pairs(models: int, differences: bool) -> list[tuple[int, int]]:
    return list(combinations_with_replacement(range(int(differences), models), 2))


def _sums(differences: bool, values: Sequence[Tensor]) -> Tensor:
    """For each pair of models the sums of the blocks of a piece, ``[pairs, blocks]``."""
    tensors = [*values]
    if differences:
        tensors = [value - tensors[0] for value in tensors]
    parts = zip(*(torch.split(value, PART) for value in tensors), strict=True)
    products = torch.cat([_products(part) for part in parts])
    pairs = torch.tensor(_pairs(len(tensors), differences), dtype=torch.int64).view(-1, 2)
    return products[:, pairs[:, 0], pairs[:, 1]].T


def _products(part: Sequence[Tensor]) -> Tensor:
    """Of the blocks of a part of each model, ``[blocks, models, models]``, in float64."""
    vectors = torch.stack([_in_blocks(value.double()) for value in part], dim=1)
    return vectors @ vectors.mT


def _in_blocks(values: Tensor) -> Tensor:
    """The last dimension as blocks, the last of which is filled with zeros."""
    *others, length = values.shape
    if length % BLOCK:
        values = pad(values, (0, BLOCK - length % BLOCK))
    return values.reshape(*others, -1, BLOCK)
