"""What layers with weights do to the order of units."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from polytask.merging.permutations.axis import Axis
from polytask.merging.permutations.spec import Axes
from polytask.merging.permutations.tracing.elementwise import shared
from polytask.merging.permutations.tracing.tracer import Rule, Tracer

__all__ = ["LAYERS"]


def _linear(
    tracer: Tracer, result: Tensor, tensor: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Axes:
    before, (out, into) = tracer.axes(tensor), tracer.axes(weight)
    tracer.orders.tie(before[-1], into)
    return (*before[:-1], _with(tracer, out, bias))


def _matmul(tracer: Tracer, result: Tensor, tensor: Tensor, other: Tensor) -> Axes | None:
    if tensor.dim() < 2 or other.dim() < 2:
        return None
    one, two = tracer.axes(tensor), tracer.axes(other)
    tracer.orders.tie(one[-1], two[-2])
    parts = [(tensor.shape[:-2], one[:-2]), (other.shape[:-2], two[:-2])]
    batch = shared(tracer, result.shape[:-2], *parts)
    return None if batch is None else (*batch, one[-2], two[-1])


def _rmatmul(tracer: Tracer, result: Tensor, tensor: Tensor, other: Tensor) -> Axes | None:
    return _matmul(tracer, result, other, tensor)


def _addmm(tracer: Tracer, result: Tensor, tensor: Tensor, one: Tensor, two: Tensor) -> Axes | None:
    product = _matmul(tracer, result, one, two)
    parts = (tensor.shape, tracer.axes(tensor)), (result.shape, product or ())
    return None if product is None else shared(tracer, result.shape, *parts)


def _embedding(
    tracer: Tracer,
    result: Tensor,
    tensor: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Axes | None:
    if not weight.is_floating_point():  # torch.embedding takes them the other way round
        return None
    rows, columns = tracer.axes(weight)
    tracer.orders.fix([rows])
    return (*tracer.axes(tensor), columns)


def _convolution(
    tracer: Tracer,
    result: Tensor,
    tensor: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: object = 1,
    padding: object = 0,
    dilation: object = 1,
    groups: int = 1,
) -> Axes:
    out, into, *kernel = tracer.axes(weight)
    before, channel = _under_kernel(tracer, tensor, kernel)
    if groups == 1:
        tracer.orders.tie(before[channel], into)
    elif groups == tensor.shape[channel]:  # each channel has filters of its own
        out = tracer.orders.tie(_repeated(before[channel], weight.shape[0] // groups), out)
    else:
        tracer.orders.fix([before[channel], into, out])
    return (*before[:channel], _with(tracer, out, bias), *[None] * len(kernel))


def _under_kernel(
    tracer: Tracer, tensor: Tensor, kernel: Sequence[Axis | None]
) -> tuple[Axes, int]:
    """The axes of an input, and which are its channels; pixels keep their order."""
    before, channel = tracer.axes(tensor), tensor.dim() - len(kernel) - 1
    tracer.orders.fix([*before[channel + 1 :], *kernel])
    return before, channel


def _transposed_convolution(
    tracer: Tracer,
    result: Tensor,
    tensor: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: object = 1,
    padding: object = 0,
    output_padding: object = 0,
    groups: int = 1,
    dilation: object = 1,
) -> Axes:
    into, out, *kernel = tracer.axes(weight)
    before, channel = _under_kernel(tracer, tensor, kernel)
    if groups == 1:
        tracer.orders.tie(before[channel], into)
    else:
        tracer.orders.fix([before[channel], into, out, *_axes_of(tracer, bias)])
        out = None
    return (*before[:channel], _with(tracer, out, bias), *[None] * len(kernel))


def _with(tracer: Tracer, axis: Axis | None, vector: Tensor | None) -> Axis | None:
    """An axis that moves like a vector of the same size."""
    return axis if vector is None else tracer.orders.tie(axis, tracer.axes(vector)[0])


def _repeated(axis: Axis | None, times: int) -> Axis | None:
    """An axis with each entry several times, side by side."""
    return axis and Axis(axis.permutation, axis.repeat, axis.block * times)


def _axes_of(tracer: Tracer, tensor: Tensor | None) -> Sequence[Axis | None]:
    return () if tensor is None else tracer.axes(tensor)


LAYERS: dict[str, Rule] = {
    "linear": _linear,
    "matmul": _matmul,
    "rmatmul": _rmatmul,
    "bmm": _matmul,
    "mm": _matmul,
    "addmm": _addmm,
    "embedding": _embedding,
    **{f"conv{n}d": _convolution for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": _transposed_convolution for n in (1, 2, 3)},
}
"""Name of a function -> its rule."""
