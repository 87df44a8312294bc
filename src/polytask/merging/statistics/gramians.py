"""Inner products of the inputs of linear layers, on data."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.merging.statistics.running import Forward, call, checked, evaluating
from polytask.merging.statistics.statistics import Statistics

__all__ = ["Gramians", "Mask", "collect_gramians", "fits_no_layer", "linear_layers"]

CONV1D = "transformers.pytorch_utils.Conv1D"
"""A linear layer whose weight is ``[inputs, outputs]``."""

Mask = Callable[[Any], Tensor]
"""``mask(batch)``: which positions of a batch count, ``[examples, positions]``."""


def collect_gramians(
    model: nn.Module,
    batches: Iterable[Any],
    *,
    forward: Forward = call,
    mask: Mask | None = None,
) -> Statistics:
    """Measure which inputs the linear layers of a model get.

    For each layer the mean of x x^T over all inputs x, of every position of every example. Layers
    are ``torch.nn.Linear`` and ``Conv1D`` of the transformers library; those that share their
    weight with another module, such as an output layer with the embeddings, are left out, and so
    are those that are not called, or with no inputs that count.

    Source: Jin et al., "Dataless Knowledge Fusion by Merging Weights of Language Models", 2023
    (RegMean). As in the authors' code it is the mean, so that no model counts more because it has
    more data. They look at 1000 batches at most.

    Args:
        model: any module, run in evaluation mode, without gradients.
        batches: what ``forward`` takes; labels are not needed.
        forward: by default ``model(batch)``. What it returns is not looked at.
        mask: of the positions that count, for example without padding. It holds for layers with
            inputs ``[examples, positions, width]``; of all others all inputs count. By default all.

    Returns:
        ``[inputs, inputs]`` for each layer, under the name of its weight, in float32 or wider.

    Raises:
        InputError: there is no batch, no linear layer was called, or with no rows that count, or
            with what is no tensor, the mask fits none of them, or a product is NaN or infinite.

    Example:
        >>> layer = nn.Linear(2, 1)
        >>> collect_gramians(layer, [torch.tensor([[1.0, 2.0], [3.0, 0.0]])]).tensors["weight"]
        tensor([[5., 1.],
                [1., 2.]])
    """
    gramians = Gramians(linear_layers(model))
    with evaluating(model, batches) as given, gramians.measured(), torch.no_grad():
        for batch in given:
            gramians.mask = None if mask is None else mask(batch)
            forward(model, batch)
            gramians.batches += 1
    if gramians.mask is not None and not gramians.masked:
        raise fits_no_layer(gramians.mask)
    return gramians.statistics()


class Gramians:
    """Sums of x x^T over what layers are called with.

    Attributes:
        mask: of the positions of the present batch that count; None for all.
        masked: whether it fitted any inputs.
        batches: that were looked at.

    Args:
        layers: name of the weight -> layer.
    """

    def __init__(self, layers: Mapping[str, nn.Module]) -> None:
        self._layers = layers
        self._sums: dict[str, Tensor] = {}
        self._counts: Counter[str] = Counter()
        self.mask: Tensor | None = None
        self.masked = False
        self.batches = 0

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Look at what the layers are called with."""
        handles = [
            layer.register_forward_pre_hook(partial(self._see, name), with_kwargs=True)
            for name, layer in self._layers.items()
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def statistics(self) -> Statistics:
        """The mean over all inputs.

        Raises:
            InputError: there were none, or it is not finite.
        """
        if not self._counts:
            raise InputError("model: no linear layer was called that has a weight for itself")
        if not self._counts.total():
            raise InputError("batches: no row was seen: they are empty, or the mask leaves out all")
        counts = {name: count for name, count in self._counts.items() if count}
        found = {name: (self._sums[name] / count).cpu() for name, count in counts.items()}
        transposed = frozenset(name for name in found if _is_conv1d(self._layers[name]))
        return checked(
            Statistics(kind="gramian", tensors=found, examples=self.batches, transposed=transposed)
        )

    def _see(
        self, name: str, layer: nn.Module, args: tuple[Tensor, ...], kwargs: Mapping[str, Tensor]
    ) -> None:
        given: object = next(iter((*args, *kwargs.values())))
        if not isinstance(given, Tensor):
            raise InputError(
                f"the layer of {name!r} is called with a {type(given).__name__}, not a tensor: "
                "forward (or outputs of experts) takes the inputs out of a batch, such as "
                "forward=lambda model, batch: model(batch[0])"
            )
        inputs = given.detach()
        rows = inputs.reshape(-1, inputs.shape[-1])
        if self.mask is not None and self.mask.shape == inputs.shape[:-1]:
            rows, self.masked = inputs[self.mask.to(inputs.device).bool()], True
        rows = rows.to(torch.promote_types(rows.dtype, torch.float32))
        with torch.autocast(rows.device.type, enabled=False):
            product = rows.T @ rows
        self._sums[name] = self._sums[name].add_(product) if name in self._sums else product
        self._counts[name] += len(rows)


def fits_no_layer(mask: Tensor) -> InputError:
    """What is wrong with a mask that no layer has inputs for."""
    shape = tuple(mask.shape)
    return InputError(f"mask: its shape, {shape}, is that of no layer's inputs without their width")


def linear_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Name of the weight -> layer, without those that share their weight."""
    places = Counter(id(weight) for _, weight in model.named_parameters(remove_duplicate=False))
    return {
        f"{name}.weight" if name else "weight": layer
        for name, layer in model.named_modules()
        if (isinstance(layer, nn.Linear) or _is_conv1d(layer)) and places[id(layer.weight)] == 1
    }


def _is_conv1d(layer: nn.Module) -> bool:
    return any(f"{cls.__module__}.{cls.__qualname__}" == CONV1D for cls in type(layer).__mro__)
