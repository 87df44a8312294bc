"""Merging in compiled code, where numba is installed and it pays. The result has the same bits."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from polytask.merging.elementwise import Join, Steps, has_steps_alone
from polytask.merging.engine.counting import Counted, Interval
from polytask.merging.engine.gramian import BLOCK as SUMMED
from polytask.merging.engine.random_numbers import BLOCK, TABLE, bounds, multipliers
from polytask.merging.method import Method
from polytask.merging.place import Place
from polytask.merging.sources.base import Source
from polytask.merging.weighted import WeightedMethod, has_factors_alone

__all__ = ["Compiled", "compiled"]

LEAST_ELEMENTS = 100_000_000
"""Of a model, from which on it pays: loading the code takes about as long as so many take."""

ADDED = 3
"""Times as many where models or changes are added up alone, which PyTorch does fast."""

LOADED = 10_000_000
"""Enough where the code is loaded already."""

CODE = "polytask.merging.engine.kernels"
"""The module that needs numba."""

CAPABILITIES = ("AVX2", "AVX512")
"""Of processors on which PyTorch uses fused multiply-add."""

JOINS: dict[Join, int] = {"sum": 0, "agreeing sum": 1, "agreeing mean": 2}

Numbers = NDArray[Any]


def compiled(method: Method, size: int) -> Compiled | None:
    """Compiled code for a merge; None if it is not installed, or does not pay or fit.

    Args:
        method: of the merge.
        size: elements of a model.
    """
    weighted = has_factors_alone(method)
    adds_alone = weighted or (method.scope == "element" and not method.contract.random)
    least = LEAST_ELEMENTS * (ADDED if adds_alone else 1)
    if CODE in sys.modules:
        least = min(least, LOADED)
    if not (weighted or has_steps_alone(method)) or size < least:
        return None
    installed = importlib.util.find_spec("numba") is not None
    if not installed or torch.backends.cpu.get_cpu_capability() not in CAPABILITIES:
        return None
    return Compiled(weighted=weighted, surveys=method.scope != "element")


class Compiled:
    """Counts, adds up products of and merges pieces of bfloat16 tensors.

    Attributes:
        versions: of what compiled it.

    Args:
        weighted: whether it is for methods that add up weights, or for those that have steps.
        surveys: whether they look at all values first.
    """

    def __init__(self, *, weighted: bool, surveys: bool) -> None:
        from polytask.merging.engine import kernels

        kernels.compiled_sums()  # which hashes of contents use from then on
        if weighted:
            self._combine = kernels.compiled_combine()
        if weighted and surveys:
            self._multiply = kernels.compiled_multiply()
        if not weighted or surveys:
            self._merge = kernels.compiled_merge()
        if not weighted and surveys:
            self._count = kernels.compiled_count()
        self.versions = {"numba": version("numba")}

    def merged(
        self,
        name: str,
        sources: Sequence[Source],
        steps: Steps,
        scale: float,
        at: Place,
        stop: int,
    ) -> Tensor | None:
        """A piece in bfloat16; None where PyTorch has to do it: other numbers, or not finite ones.

        Args:
            name: of the tensor.
            sources: the base and the models.
            steps: what to do.
            scale: factor of the change; not 0.
            at: where the piece begins.
            stop: the element after the last one.
        """
        if at.start % BLOCK or not _are_narrow(sources, name):
            return None
        inputs = [source.read(name, at.start, stop).contiguous() for source in sources]
        merged = torch.empty(stop - at.start, dtype=torch.bfloat16)
        base, *models = [values.data_ptr() for values in inputs]
        bits = merged.view(torch.int16).numpy().view(np.uint16)
        rest = _arguments(steps, scale, at, stop)
        return merged if self._merge(base, np.array(models), *rest, bits) else None

    def weighted(
        self, name: str, sources: Sequence[Source], method: WeightedMethod, at: Place, stop: int
    ) -> Tensor | None:
        """A piece of what a weighted method merges in bfloat16; None as in `merged`.

        Args:
            name: of the tensor.
            sources: the models.
            method: of the merge.
            at: where the piece begins.
            stop: the element after the last one.
        """
        factors = method.factors(at)
        if factors is not None:
            weights = [float(factor) for factor in factors]
            return self._combined(name, sources, weights, at.start, stop)
        start, end, share = method.step(at)
        steps = Steps(weights=[share])
        return self.merged(name, [sources[start], sources[end]], steps, 1.0, at, stop)

    def _combined(
        self, name: str, sources: Sequence[Source], weights: Sequence[float], start: int, stop: int
    ) -> Tensor | None:
        if not _are_narrow(sources, name):
            return None
        inputs = [source.read(name, start, stop).contiguous() for source in sources]
        merged = torch.empty(stop - start, dtype=torch.bfloat16)
        bits = merged.view(torch.int16).numpy().view(np.uint16)
        models = np.array([values.data_ptr() for values in inputs])
        return merged if self._combine(models, np.array(weights, np.float32), bits) else None

    def block_sums(
        self, name: str, sources: Sequence[Source], start: int, stop: int
    ) -> Callable[[], Tensor] | None:
        """What adds up products in a piece of two models, as `Multipliable` takes it.

        Args:
            name: of the tensor.
            sources: the models.
            start: first element of the piece.
            stop: the element after the last one.

        Returns:
            None for other numbers, or not two models.
        """
        if len(sources) != 2 or not _are_narrow(sources, name):
            return None
        return partial(self._sums, [partial(source.read, name, start, stop) for source in sources])

    def _sums(self, read: Sequence[Callable[[], Tensor]]) -> Tensor:
        a, b = (one().contiguous() for one in read)
        if rest := -len(a) % SUMMED:
            a, b = pad(a, (0, rest)), pad(b, (0, rest))
        found = np.empty((3, len(a) // SUMMED))
        self._multiply(a.data_ptr(), b.data_ptr(), found)
        return torch.from_numpy(found)

    def counter(
        self, name: str, sources: Sequence[Source], start: int, stop: int
    ) -> Callable[[int, Sequence[Interval]], list[Counted]] | None:
        """What counts the changes in a piece, as `Countable` takes it; None for other numbers.

        Args:
            name: of the tensor.
            sources: the base and the models.
            start: first element of the piece.
            stop: the element after the last one.
        """
        if not _are_narrow(sources, name):
            return None
        read = [partial(source.read, name, start, stop) for source in sources]
        return partial(self._counted, read)

    def _counted(
        self, read: Sequence[Callable[[], Tensor]], model: int, intervals: Sequence[Interval]
    ) -> list[Counted]:
        """What is in the piece of one model; the base is read first."""
        base, values = read[0]().contiguous(), read[model + 1]().contiguous()
        found = np.empty((len(intervals), len(base)), np.uint32)
        counts = np.empty((len(intervals), 5), np.int64)
        self._count(
            base.data_ptr(), values.data_ptr(), np.array(intervals, np.uint32), found, counts
        )
        return [
            Counted(tuple(numbers), kept[:inside].copy())
            for (*numbers, inside), kept in zip(counts.tolist(), found, strict=True)
        ]


def _are_narrow(sources: Sequence[Source], name: str) -> bool:
    """Whether all sources have weights in bfloat16, in the memory of the processor."""
    return all(
        source.kind == "weights"
        and source.entries[name].dtype == torch.bfloat16
        and source.read(name, 0, 0).is_cpu
        for source in sources
    )


def _arguments(steps: Steps, scale: float, at: Place, stop: int) -> list[Any]:
    """What the kernel takes between the addresses and the result."""
    least = None if steps.least is None else [_below(x) for x in steps.least]
    positive = [weight for weight in steps.weights if weight > 0]
    return [
        _floats(least, at),
        _floats(steps.most, at),
        *_random(steps.density, at, stop),
        TABLE,
        np.array(steps.products, np.float32),
        np.array(steps.weights, np.float32),
        JOINS[steps.join],
        np.float32(min(positive, default=1.0)),
        np.float32(scale),
    ]


def _below(least: float) -> float:
    """The largest magnitude that is dropped; negative for none."""
    return float(np.nextafter(np.float32(least), np.float32(0))) if least else -1.0


def _floats(values: Sequence[float] | None, at: Place) -> Numbers:
    """A number for each model; negative for none."""
    return np.array([-1.0] * len(at.order) if values is None else values, np.float32)


def _random(density: Sequence[float] | None, at: Place, stop: int) -> tuple[Numbers, Numbers]:
    """Multipliers of the blocks, and a bound, of each model."""
    if density is None:
        return np.zeros((len(at.order), 1, 2), np.uint32), np.zeros(len(at.order), np.uint32)
    first, last = at.start // BLOCK, -(-stop // BLOCK)
    pairs = np.stack([multipliers(key, first, last) for key in at.keys])
    return pairs, np.array([0 if d == 1 else bounds(d) for d in density], np.uint32)
