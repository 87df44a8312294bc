"""Random assignment of rows to splits, by fractions.

Shapes: N rows, G groups or strata, S splits.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

__all__ = ["by_group", "by_stratum", "shares"]


def shares(positions: np.ndarray, fractions: Mapping[str, float]) -> np.ndarray:
    """``[N]`` the split of rows that were shuffled to these positions ``[N]``."""
    bounds = np.round(np.cumsum(list(fractions.values())) * len(positions))
    names = np.array(list(fractions), dtype=object)
    return np.asarray(names[np.searchsorted(bounds[:-1], positions, side="right")])


def by_stratum(
    codes: np.ndarray, fractions: Mapping[str, float], rng: np.random.Generator
) -> np.ndarray:
    """``[N]`` the split of each row; every stratum has its shares to within one row, all to two.

    A stratum gives each split the whole part of its share. What is left of it goes to the splits
    that are furthest behind over all strata, so that many small strata do not add up to an error.

    Args:
        codes: ``[N]`` the stratum of each row.
        fractions: split -> share.
        rng: shuffles.
    """
    names, share = np.array(list(fractions), dtype=object), np.array(list(fractions.values()))
    assigned = np.empty(len(codes), dtype=object)
    behind = np.zeros(len(share))
    for rows in _members(codes, rng):
        exact = share * len(rows)
        counts = np.floor(exact + 1e-9).astype(np.int64)
        behind += exact - counts
        for split in np.argsort(-behind, kind="stable")[: len(rows) - counts.sum()]:
            counts[split] += 1
            behind[split] -= 1
        assigned[rng.permutation(rows)] = np.repeat(names, counts)
    return assigned


def by_group(
    codes: np.ndarray, fractions: Mapping[str, float], rng: np.random.Generator
) -> np.ndarray:
    """``[N]`` the split of each row; a group is never divided.

    Groups are dealt in random order, each to the split that is furthest behind its share of rows.
    Where that leaves a split empty, because groups are few, they are dealt from the largest to the
    smallest instead, and the last ones go to the splits that have none.

    Args:
        codes: ``[N]`` the group of each row; at least one group per split with a share.
        fractions: split -> share.
        rng: shuffles.
    """
    share = np.array(list(fractions.values()))
    groups = _members(codes, rng)
    dealt = _deal(groups, share)
    if not set(np.flatnonzero(share)) <= set(dealt):
        groups.sort(key=len, reverse=True)
        dealt = _deal(groups, share, fill=True)
    assigned = np.empty(len(codes), dtype=object)
    for rows, split in zip(groups, dealt, strict=True):
        assigned[rows] = list(fractions)[split]
    return assigned


def _deal(groups: Sequence[np.ndarray], share: np.ndarray, *, fill: bool = False) -> list[int]:
    """The split of each group; ``fill``: no split with a share stays empty."""
    behind = share * sum(map(len, groups))
    empty = set(np.flatnonzero(share).tolist())
    dealt: list[int] = []
    for left, rows in zip(range(len(groups), 0, -1), groups, strict=True):
        open_ = sorted(empty) if fill and left <= len(empty) else range(len(share))
        split = max(open_, key=behind.__getitem__)
        dealt.append(split)
        empty.discard(split)
        behind[split] -= len(rows)
    return dealt


def _members(codes: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """The rows of each group or stratum; these are in random order."""
    order = np.argsort(codes, kind="stable")
    members = np.split(order, np.flatnonzero(np.diff(codes[order])) + 1)
    return [members[index] for index in rng.permutation(len(members))]
