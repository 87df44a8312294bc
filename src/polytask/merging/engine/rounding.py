"""From the precision of computing to the one that is stored."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from polytask.errors import unknown
from polytask.merging.engine.random_numbers import RESOLUTION, key_of, uniform
from polytask.merging.sources.base import Entry

__all__ = [
    "DTYPES",
    "Rounding",
    "check_dtype",
    "check_rounding",
    "main_dtype",
    "rounded",
    "rounding_key",
]

Rounding = Literal["nearest", "stochastic"]
"""To the nearest number, or up or down at random so that the mean is right."""

DTYPES: Mapping[str, torch.dtype] = {
    "float64": torch.float64,
    "float32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}
"""Names of what a merged model can be stored in."""

DIGITS: Mapping[torch.dtype, tuple[int, int]] = {
    torch.bfloat16: (8, -126),
    torch.float16: (11, -14),
}
"""Binary digits of a number, and the exponent of the smallest one that has them all."""


def check_dtype(name: object) -> torch.dtype:
    """The dtype of a name.

    Raises:
        InputError: there is none.
    """
    if not isinstance(name, str) or name not in DTYPES:
        raise unknown("dtype", name, DTYPES)
    return DTYPES[name]


def check_rounding(name: str) -> None:
    """Refuse an unknown rounding.

    Raises:
        InputError: with the nearest one.
    """
    if name not in ("nearest", "stochastic"):
        raise unknown("rounding", name, ("nearest", "stochastic"))


def main_dtype(entries: Mapping[str, Entry]) -> torch.dtype:
    """What most numbers of a model are stored in."""
    sizes: Counter[torch.dtype] = Counter()
    for entry in entries.values():
        sizes[entry.dtype] += entry.size
    return sizes.most_common(1)[0][0]


def rounded(values: Tensor, dtype: torch.dtype, rounding: Rounding, key: bytes, at: int) -> Tensor:
    """Values in another precision, rounded once.

    Args:
        values: flat.
        dtype: of the result.
        rounding: how; ``stochastic`` matters for bfloat16 and float16 only.
        key: what random numbers depend on.
        at: index of the first value in its tensor.
    """
    if rounding == "nearest" or dtype not in DIGITS or not len(values):
        return values.to(dtype)
    digits, least = DIGITS[dtype]
    mantissa, exponent = values.frexp()
    step = (exponent - 1).clamp_min(least) - (digits - 1)
    scaled = torch.ldexp(mantissa, exponent - step)  # exact: what can be stored is an integer
    below = scaled.floor()
    chance = torch.from_numpy(uniform(key, at, len(values)) / RESOLUTION).to(values)
    up = chance < scaled - below
    return torch.ldexp(torch.where(up, below + 1, below), step).to(dtype)


def rounding_key(seed: int, tensor: str) -> bytes:
    """What the random numbers of rounding a tensor depend on."""
    return key_of(seed, "rounding", tensor)
