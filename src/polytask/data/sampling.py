"""Which rows of one data set come next: shuffled epochs, cut into batches.

Shapes: N rows of the data set, B rows of a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.randomness import seeded

__all__ = ["BatchSize", "RowSampler"]


@dataclass(frozen=True, kw_only=True)
class BatchSize:
    """How an epoch is cut into batches.

    Args:
        examples: most examples in a batch.
        tokens: most tokens in a batch, padding included; None for no limit. A longer example is a
            batch alone. Set ``examples`` high enough for the limit to be met.
        group_by_length: batches of examples of similar length, so that little is padded.

    Raises:
        InputError: a limit below 1.
    """

    examples: int = 32
    tokens: int | None = None
    group_by_length: bool = False

    def __post_init__(self) -> None:
        for name, limit in (("examples", self.examples), ("tokens", self.tokens)):
            if limit is not None and limit < 1:
                raise InputError(f"batch: {name} must be at least 1, got {limit}")


class RowSampler:
    """Endless batches of rows: every epoch holds every row once, in a new order.

    The order of an epoch depends only on the seed, the name and the number of the epoch, so that
    two numbers are the whole state. Without a token limit, the batches of an epoch have nearly
    equal sizes.

    Args:
        name: of the data set; part of the seed.
        rows: ``[N]`` the rows to draw from.
        lengths: ``[N]`` their lengths.
        size: how an epoch is cut.
        seed: of the order.

    Raises:
        InputError: there is no row.
    """

    def __init__(
        self, name: str, rows: Tensor, lengths: Tensor, *, size: BatchSize, seed: int
    ) -> None:
        if len(rows) == 0:
            raise InputError(f"data set {name!r}: there is no row to draw from")
        self.name, self.size, self.seed = name, size, seed
        self._rows, self._lengths = rows.numpy(), lengths.numpy()
        self.epoch, self.position = 0, 0
        self._plan(0)
        self.batches_per_epoch = len(self._bounds) - 1
        """Number of batches in the first epoch; with a token limit, others may differ a little."""

    @property
    def examples(self) -> int:
        """N, the number of rows to draw from."""
        return len(self._rows)

    def next(self) -> Tensor:
        """The rows ``[B]`` of the next batch."""
        self._catch_up()
        if self.position == len(self._bounds) - 1:
            self.epoch, self.position = self.epoch + 1, 0
            self._plan(self.epoch)
        batch = self._sequence[self.position]
        self.position += 1
        return torch.from_numpy(self._order[self._bounds[batch] : self._bounds[batch + 1]])

    def state_dict(self) -> dict[str, int]:
        """Where the sampler stands."""
        return {"epoch": self.epoch, "position": self.position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Continue where another sampler of the same data stood; costs nothing until `next`."""
        self.epoch, self.position = state["epoch"], state["position"]

    def _catch_up(self) -> None:
        """Plan the epoch in which a loaded state stands.

        Raises:
            InputError: the epoch has fewer batches: the state is of other data or batch sizes.
        """
        if self._planned != self.epoch:
            self._plan(self.epoch)
        if self.position > len(self._bounds) - 1:
            raise InputError(
                f"data set {self.name!r}: the checkpoint stands at batch {self.position} of "
                f"{len(self._bounds) - 1}; the rows or the batch size have changed"
            )

    def _plan(self, epoch: int) -> None:
        """Order the rows of an epoch, cut the order into batches, and order these."""
        rng = seeded(self.seed, "rows", self.name, epoch)
        order = rng.permutation(len(self._rows))
        if self.size.group_by_length:
            order = order[np.argsort(self._lengths[order], kind="stable")]
        self._planned = epoch
        self._order, self._bounds = self._rows[order], self._cut(order)
        count = len(self._bounds) - 1
        self._sequence = rng.permutation(count) if self.size.group_by_length else np.arange(count)

    def _cut(self, order: np.ndarray) -> np.ndarray:
        """Where batches start in the order, and the end of the last."""
        if self.size.tokens is None:
            count = -(-len(order) // self.size.examples)
            return np.linspace(0, len(order), count + 1).round().astype(np.int64)
        starts, longest = [0], 0
        for position, length in enumerate(self._lengths[order].tolist()):
            longest = max(longest, length)
            count = position - starts[-1] + 1
            if count > 1 and (count > self.size.examples or count * longest > self.size.tokens):
                starts.append(position)
                longest = length
        return np.array([*starts, len(order)])
