"""Inner products of two models in bfloat16, as `pair_products` adds them up, in compiled code.

Importing this needs numba. It is written in LLVM's vectors, so that the sums stay in registers of
the processor.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["multiply"]

ADDED, WIDTH = 512, 16
"""Elements whose products are added up at a time, and in how many sums."""

HALF = WIDTH // 2
WORDS, FLOATS, DOUBLES = (
    ir.VectorType(kind, HALF) for kind in (ir.IntType(32), ir.FloatType(), ir.DoubleType())
)

Array = np.ndarray[Any, Any]


def _block_of(context: Any, first: Any, second: Any) -> Any:
    """The sums of a a, a b and b b over `ADDED` elements at two addresses."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        starts = [builder.inttoptr(address, WORDS.as_pointer()) for address in arguments]
        sums = [cgutils.alloca_once_value(builder, DOUBLES([0.0] * HALF)) for _ in range(6)]
        with cgutils.for_range(builder, ir.Constant(ir.IntType(64), ADDED // WIDTH)) as loop:
            a, b = (_widened(builder, builder.gep(start, [loop.index])) for start in starts)
            factors = [pair for x, y in zip(a, b, strict=True) for pair in ((x, x), (x, y), (y, y))]
            for place, (x, y) in zip(sums, factors, strict=True):
                builder.store(_fused(builder, x, y, builder.load(place)), place)
        even, odd = sums[:3], sums[3:]
        found = [_total(builder, *map(builder.load, pair)) for pair in zip(even, odd, strict=True)]
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(types.float64, 3)(types.int64, types.int64), generate


def _widened(builder: Any, place: Any) -> list[Any]:
    """The numbers at even and odd places among the next ones, as float64.

    Two bfloat16 numbers are in a word of 32 bits, the even one below: each with zeros behind it is
    a float32.
    """
    words = builder.load(place, align=2)
    halves = (
        builder.shl(words, WORDS([16] * HALF)),
        builder.and_(words, WORDS([0xFFFF0000] * HALF)),
    )
    return [builder.fpext(builder.bitcast(half, FLOATS), DOUBLES) for half in halves]


def _fused(builder: Any, x: Any, y: Any, total: Any) -> Any:
    """The sum x y + total; the product is exact, so this is rounded as product and sum are."""
    kind = ir.FunctionType(DOUBLES, [DOUBLES] * 3)
    function = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{HALF}f64")
    return builder.call(function, [x, y, total])


def _total(builder: Any, even: Any, odd: Any) -> Any:
    """The sum of all lanes: of each with the one half of them further, then again."""
    places = [place for pair in zip(range(HALF), range(HALF, WIDTH), strict=True) for place in pair]
    lanes = _picked(builder, even, odd, places)
    for half in (8, 4, 2, 1):
        lanes = builder.fadd(
            _picked(builder, lanes, lanes, range(half)),
            _picked(builder, lanes, lanes, range(half, 2 * half)),
        )
    return builder.extract_element(lanes, ir.Constant(ir.IntType(32), 0))


def _picked(builder: Any, first: Any, second: Any, places: Sequence[int]) -> Any:
    mask = ir.Constant(ir.VectorType(ir.IntType(32), len(places)), [*places])
    return builder.shuffle_vector(first, second, mask)


_block = intrinsic(_block_of)


def multiply(first: int, second: int, found: Array) -> None:
    """Add up products of the weights of two models, given by their bits, in blocks of `ADDED`.

    Args:
        first: address of the elements of one model, a.
        second: address of those of the other, b.
        found: in each block the sums of a a, a b and b b, ``[3, blocks]``.
    """
    for block in range(found.shape[1]):
        at = 2 * ADDED * block
        sums = _block(first + at, second + at)
        for product in range(3):
            found[product, block] = sums[product]
