"""Every row of a split once, for evaluation and prediction."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from polytask.data.batch import Batch, collate
from polytask.data.encoded import EncodedSplit

__all__ = ["evaluation_batches"]

FEWEST = 8
"""Examples of a batch whose rows are longer than the token limit allows, such as waveforms, whose
length counts samples."""


def evaluation_batches(
    split: EncodedSplit, *, examples: int = 256, tokens: int = 16384
) -> Iterator[Batch]:
    """Every row once, longest first, so that little is padded and memory is met at once.

    Args:
        split: the rows.
        examples: most rows in a batch.
        tokens: most tokens in a batch, padding included, as long as it has more than a few rows.
    """
    lengths = split.lengths
    order = torch.argsort(lengths, descending=True, stable=True)
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        count = min(examples, max(FEWEST, tokens // longest))
        yield collate([(split, order[start : start + count])])
        start += count
