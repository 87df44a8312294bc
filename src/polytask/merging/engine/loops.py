"""The loops of `kernels`: `polytask.merging.elementwise` and sums. Importing this needs numba.

What is inlined is in this file too, because numba's cache notices a change only in the file of the
function that it compiles.

Numbers are computed in the order, and rounded as, the operations of PyTorch do it, sums with fused
multiply-add: the result has the same bits. Blocks of elements go through all steps while they are
in the processor's first cache, and nothing but the merged numbers is written to memory.

Shapes: K models, N elements, R blocks of random numbers.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

__all__ = ["combine", "count", "merge", "sums"]

BLOCK = 1024
"""Elements of a block; the random numbers come in blocks of a multiple."""

OVERFLOW = 0x7F7F8000
"""The bits of the least float32 that rounds to an infinite bfloat16."""

Array = np.ndarray[Any, Any]


def _pointer_to(context: Any, address: Any) -> Any:
    """An integer as a pointer."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(types.int64), generate


def _float_of(context: Any, bits: Any) -> Any:
    """The number that bits stand for."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.float32))

    return types.float32(types.uint32), generate


def _bits_of(context: Any, number: Any) -> Any:
    """The bits that stand for a number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], context.get_value_type(types.uint32))

    return types.uint32(types.float32), generate


def _fused(context: Any, a: Any, b: Any, c: Any) -> Any:
    """A product and a sum, rounded once: a b + c."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.fma(*arguments)

    return types.float32(types.float32, types.float32, types.float32), generate


_pointer, _multiply_add = intrinsic(_pointer_to), intrinsic(_fused)
_as_float, _as_bits = intrinsic(_float_of), intrinsic(_bits_of)

# Inlined, because numba uses the vector units of the processor within one function only. Each loop
# does as much as it can while an element is in a register.


@njit(inline="always")  # type: ignore[untyped-decorator]
def _stored(address: int, begin: int, size: int) -> Any:
    """The bits of bfloat16 numbers in memory."""
    return carray(_pointer(address), (begin + size,), np.uint16)[begin:]


@njit(inline="always")  # type: ignore[untyped-decorator]
def _wide(bits: np.uint16) -> Any:
    """A bfloat16 number as float32."""
    return _as_float(np.uint32(np.uint32(bits) << np.uint32(16)))


@njit(inline="always")  # type: ignore[untyped-decorator]
def _widen(stored: Array, row: Array) -> None:
    for i in range(len(row)):
        row[i] = _wide(stored[i])


@njit(inline="always")  # type: ignore[untyped-decorator]
def _change(stored: Array, origin: Array, low: np.float32, high: np.float32, row: Array) -> None:
    """The changes whose magnitude is above ``low`` and not above ``high``, and 0 for others."""
    zero = np.float32(0)
    if low >= zero:
        for i in range(len(row)):
            x = _wide(stored[i]) - origin[i]
            row[i] = zero if (x >= -low) & (x <= low) else x
    else:
        for i in range(len(row)):
            row[i] = _wide(stored[i]) - origin[i]
    if high >= zero:
        for i in range(len(row)):
            x = row[i]
            row[i] = x - (zero if (x >= -high) & (x <= high) else x)


@njit(inline="always")  # type: ignore[untyped-decorator]
def _drop(row: Array, numbers: Array, pair: Array, bound: np.uint32) -> None:
    m, a = pair
    for i in range(len(row)):
        kept = np.uint32(numbers[i] * m + a) < bound
        row[i] = row[i] * (np.float32(1) if kept else np.float32(0))


@njit(inline="always")  # type: ignore[untyped-decorator]
def _add(row: Array, weight: np.float32, total: Array, first: bool) -> None:
    if first:
        for i in range(len(total)):
            total[i] = row[i] * weight
    else:
        for i in range(len(total)):
            total[i] = _multiply_add(row[i], weight, total[i])


@njit(inline="always")  # type: ignore[untyped-decorator]
def _add_stored(stored: Array, weight: np.float32, total: Array, first: bool) -> None:
    if first:
        for i in range(len(total)):
            total[i] = _wide(stored[i]) * weight
    else:
        for i in range(len(total)):
            total[i] = _multiply_add(_wide(stored[i]), weight, total[i])


@njit(inline="always")  # type: ignore[untyped-decorator]
def _add_change(
    stored: Array, origin: Array, weight: np.float32, total: Array, first: bool
) -> None:
    if first:
        for i in range(len(total)):
            total[i] = (_wide(stored[i]) - origin[i]) * weight
    else:
        for i in range(len(total)):
            total[i] = _multiply_add(_wide(stored[i]) - origin[i], weight, total[i])


@njit(inline="always")  # type: ignore[untyped-decorator]
def _add_agreeing(row: Array, sign: Array, weight: np.float32, total: Array, first: bool) -> None:
    """Add what has a sign, without it."""
    zero = np.float32(0)
    if first:
        for i in range(len(total)):
            x = row[i] * sign[i]
            total[i] = (zero if x < zero else x) * weight  # noqa: FURB136 (NaN stays NaN)
    else:
        for i in range(len(total)):
            x = row[i] * sign[i]
            total[i] = _multiply_add(
                zero if x < zero else x,  # noqa: FURB136
                weight,
                total[i],
            )


@njit(inline="always")  # type: ignore[untyped-decorator]
def _add_share(row: Array, sign: Array, weight: np.float32, share: Array, first: bool) -> None:
    """Add the weight where there is something that has a sign."""
    zero, one = np.float32(0), np.float32(1)
    if first:
        for i in range(len(share)):
            share[i] = (one if row[i] * sign[i] > zero else zero) * weight
    else:
        for i in range(len(share)):
            agrees = one if row[i] * sign[i] > zero else zero
            share[i] = _multiply_add(agrees, weight, share[i])


@njit(inline="always")  # type: ignore[untyped-decorator]
def _narrow(bits: np.uint32) -> Any:
    """A number as the nearest bfloat16, ties to even; both are given by their bits."""
    odd = np.uint32(bits >> np.uint32(16)) & np.uint32(1)
    return np.uint16(np.uint32(bits + np.uint32(0x7FFF) + odd) >> np.uint32(16))


@njit(inline="always")  # type: ignore[untyped-decorator]
def _store(total: Array, merged: Array) -> bool:
    """Round to bfloat16; and whether all are finite."""
    largest = np.uint32(0)
    for i in range(len(merged)):
        bits = _as_bits(total[i])
        merged[i] = _narrow(bits)
        largest = max(largest, np.uint32(bits & np.uint32(0x7FFFFFFF)))
    return bool(largest < np.uint32(OVERFLOW))


@njit(inline="always")  # type: ignore[untyped-decorator]
def _store_sum(origin: Array, change: Array, scale: np.float32, merged: Array) -> bool:
    """Add a change, times the scale; then as `_store`."""
    largest = np.uint32(0)
    for i in range(len(merged)):
        bits = _as_bits(origin[i] + change[i] * scale)
        merged[i] = _narrow(bits)
        largest = max(largest, np.uint32(bits & np.uint32(0x7FFFFFFF)))
    return bool(largest < np.uint32(OVERFLOW))


@njit(inline="always")  # type: ignore[untyped-decorator]
def _store_moved(
    base: Array, model: Array, product: np.float32, scale: np.float32, merged: Array
) -> bool:
    """The same of the change of one model that nothing is dropped of, in one loop."""
    largest = np.uint32(0)
    for i in range(len(merged)):
        origin = _wide(base[i])
        change = (_wide(model[i]) - origin) * product
        bits = _as_bits(origin + change * scale)
        merged[i] = _narrow(bits)
        largest = max(largest, np.uint32(bits & np.uint32(0x7FFFFFFF)))
    return bool(largest < np.uint32(OVERFLOW))


def merge(
    base: int,
    models: Array,
    least: Array,
    most: Array,
    multipliers: Array,
    bounds: Array,
    table: Array,
    products: Array,
    weights: Array,
    join: int,
    floor: np.float32,
    scale: np.float32,
    merged: Array,
) -> bool:
    """Merge a piece; bfloat16 numbers are given by their bits.

    Args:
        base: address of the elements of the base.
        models: addresses of those of the models, ``[K]``.
        least: largest magnitudes that become 0, ``[K]``; negative for none.
        most: largest magnitudes that stay, ``[K]``; negative for all.
        multipliers: m and a of blocks of random numbers, ``[K, R, 2]``.
        bounds: below which random numbers keep an element, ``[K]``; 0 for all.
        table: that random numbers are made of.
        products: weights times factors, ``[K]``.
        weights: ``[K]``.
        join: 0 sum, 1 sum of what agrees in sign, 2 its mean.
        floor: least divisor of the mean.
        scale: of the merged change.
        merged: the result, ``[N]``.

    Returns:
        Whether all numbers of the result are finite.
    """
    count, size = len(models), len(merged)
    zero, one, finite = np.float32(0), np.float32(1), True
    if count == 1 and join == 0 and max(least[0], most[0]) < zero and bounds[0] == 0:
        stored = _stored(base, 0, size), _stored(models[0], 0, size)
        return bool(_store_moved(stored[0], stored[1], products[0], scale, merged))
    rows = np.empty((count, BLOCK), np.float32)
    origins, sums, signs, shares = np.empty((4, BLOCK), np.float32)
    for begin in range(0, size, BLOCK):
        n = min(BLOCK, size - begin)
        origin, change, sign, share = origins[:n], sums[:n], signs[:n], shares[:n]
        _widen(_stored(base, begin, n), origin)
        for k in range(count):
            stored, row = _stored(models[k], begin, n), rows[k, :n]
            if join == 0 and least[k] < zero and most[k] < zero and bounds[k] == 0:
                _add_change(stored, origin, products[k], change, k == 0)
            else:
                _change(stored, origin, least[k], most[k], row)
                if bounds[k] != 0:
                    at = begin % len(table)
                    _drop(row, table[at : at + n], multipliers[k, begin // len(table)], bounds[k])
                _add(row, products[k], change, k == 0)
        if join > 0:
            for i in range(n):
                sign[i] = (one if change[i] > zero else zero) - (one if change[i] < zero else zero)
            for k in range(count):
                _add_agreeing(rows[k, :n], sign, products[k], change, k == 0)
            for i in range(n):
                change[i] = change[i] * sign[i]
            if join > 1:
                for k in range(count):
                    _add_share(rows[k, :n], sign, weights[k], share, k == 0)
                for i in range(n):
                    change[i] = change[i] / max(share[i], floor)
        finite = _store_sum(origin, change, scale, merged[begin : begin + n]) and finite
    return finite


def combine(models: Array, weights: Array, merged: Array) -> bool:
    """Add up the weights of models, each times a number; given by their bits as in `merge`.

    Args:
        models: addresses of their elements, ``[K]``.
        weights: the numbers, ``[K]``.
        merged: the result, ``[N]``.

    Returns:
        Whether all numbers of the result are finite.
    """
    size, sums, finite = len(merged), np.empty(BLOCK, np.float32), True
    for begin in range(0, size, BLOCK):
        n = min(BLOCK, size - begin)
        total = sums[:n]
        for k in range(len(models)):
            _add_stored(_stored(models[k], begin, n), weights[k], total, k == 0)
        finite = _store(total, merged[begin : begin + n]) and finite
    return finite


def sums(rows: Array, found: Array) -> None:
    """Add the columns of integers up, modulo 2^64.

    Args:
        rows: ``[rows, columns]``
        found: the sums, ``[columns]``.
    """
    found[:] = 0
    for i in range(rows.shape[0]):
        row = rows[i]
        for j in range(len(found)):
            found[j] += row[j]


def count(base: int, model: int, ends: Array, inside: Array, counts: Array) -> None:
    """Count the magnitudes of changes by their bits; numbers are given as in `merge`.

    Args:
        base: address of the elements of the base.
        model: address of those of the model.
        ends: lower and upper end of intervals, ``[R, 2]``.
        inside: what lies between the ends of each, ``[R, N]``, filled from the beginning.
        counts: how many are above, from the upper end on, over the lower end, from the lower end
            on, and inside, ``[R, 5]``.
    """
    size, magnitudes = inside.shape[1], np.empty(BLOCK, np.uint32)
    flags = np.zeros(BLOCK, np.uint8)  # of what is inside; looked at eight at a time
    words = flags.view(np.uint64)
    zero, one = np.int32(0), np.int32(1)  # sums of these are vectors of the processor's
    counts[:] = 0
    for begin in range(0, size, BLOCK):
        n = min(BLOCK, size - begin)
        bits, origin, stored = magnitudes[:n], _stored(base, begin, n), _stored(model, begin, n)
        for i in range(n):
            bits[i] = _as_bits(abs(_wide(stored[i]) - _wide(origin[i])))
        flags[n:] = 0
        for r in range(len(ends)):
            low, high, filled = ends[r, 0], ends[r, 1], counts[r, 4]
            above, from_high, over_low, from_low = zero, zero, zero, zero
            for i in range(n):
                above = np.int32(above + (one if bits[i] > high else zero))
                from_high = np.int32(from_high + (one if bits[i] >= high else zero))
                over_low = np.int32(over_low + (one if bits[i] > low else zero))
                from_low = np.int32(from_low + (one if bits[i] >= low else zero))
            counts[r, 0] += above
            counts[r, 1] += from_high
            counts[r, 2] += over_low
            counts[r, 3] += from_low
            if over_low > from_high:
                for i in range(n):
                    flags[i] = np.uint8((bits[i] > low) & (bits[i] < high))
                for word in range(len(words)):
                    if words[word] != 0:
                        for i in range(8 * word, min(8 * word + 8, n)):
                            inside[r, filled] = bits[i]
                            filled += flags[i]
                counts[r, 4] = filled
