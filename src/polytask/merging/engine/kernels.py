"""The loops of merging, compiled for the types of their arguments. Importing this needs numba."""

from __future__ import annotations

from functools import cache
from typing import Any

from numba import njit, types

from polytask.merging.engine.loops import combine, count, merge, sums
from polytask.merging.engine.product_loop import multiply

__all__ = [
    "compiled_combine",
    "compiled_count",
    "compiled_merge",
    "compiled_multiply",
    "compiled_sums",
]

MERGE = types.boolean(
    types.int64,
    types.int64[::1],
    types.float32[::1],
    types.float32[::1],
    types.uint32[:, :, ::1],
    types.uint32[::1],
    types.uint32[::1],
    types.float32[::1],
    types.float32[::1],
    types.int64,
    types.float32,
    types.float32,
    types.uint16[::1],
)

COMBINE = types.boolean(types.int64[::1], types.float32[::1], types.uint16[::1])

MULTIPLY = types.void(types.int64, types.int64, types.float64[:, ::1])

SUMS = types.void(types.Array(types.int64, 2, "C", readonly=True), types.int64[::1])

COUNT = types.void(
    types.int64, types.int64, types.uint32[:, ::1], types.uint32[:, ::1], types.int64[:, ::1]
)


@cache
def compiled_merge() -> Any:
    """`merge`, compiled."""
    return _compiled(merge, MERGE)


@cache
def compiled_combine() -> Any:
    """`combine`, compiled."""
    return _compiled(combine, COMBINE)


@cache
def compiled_count() -> Any:
    """`count`, compiled."""
    return _compiled(count, COUNT)


@cache
def compiled_multiply() -> Any:
    """`multiply`, compiled."""
    return _compiled(multiply, MULTIPLY)


@cache
def compiled_sums() -> Any:
    """`sums`, compiled."""
    return _compiled(sums, SUMS)


def _compiled(function: Any, signature: Any) -> Any:
    """A compiled function, from numba's cache if it is there and can be written."""
    try:
        return njit(signature, nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # there is no folder that a cache can be in
        return njit(signature, nogil=True, error_model="numpy")(function)
