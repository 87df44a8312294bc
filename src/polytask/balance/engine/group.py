"""The gradients of groups of shared parameters.

Shapes: K tasks, P numbers of the parameters whose gradients are kept as they are.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from polytask.balance.engine.after_hooks import grad_after_hooks
from polytask.balance.engine.dense import DenseGradients
from polytask.balance.engine.factored import FactoredLayer
from polytask.balance.engine.linear import LinearUse
from polytask.balance.engine.processes import Processes
from polytask.balance.engine.rows import gramian_of
from polytask.balance.engine.worth import factors_pay

__all__ = ["GroupGradients", "differentiate"]


class GroupGradients:
    """Keeps linear layers by their inputs and output gradients where that is cheaper.

    Args:
        parameters: whose gradients are kept.
        count: K.
        scale: factor of the losses, as of a gradient scaler; kept in gradients, not in the Gramian.
        lean: memory counts more than time.
    """

    def __init__(
        self, parameters: Sequence[Tensor], count: int, *, scale: float, lean: bool = False
    ) -> None:
        self.scale, self._lean = scale, lean
        self._parameters, self._count = list(parameters), count
        self.layers: dict[int, FactoredLayer] = {}
        """``id`` of a weight -> what is kept of its layer."""
        self.dense: list[DenseGradients] = []

    def expect(
        self, found: Mapping[int, Sequence[LinearUse]], leaves: Collection[int], *, losses: int
    ) -> list[LinearUse]:
        """The uses of layers that are kept by factors; decides what is kept how.

        Args:
            found: ``id`` of a weight -> uses of its layer in the next batch.
            leaves: ``id`` of the parameters that the next batch depends on.
            losses: of the next batch.
        """
        if not self.dense:
            self._begin(found, losses=losses)
        for key, layer in list(self.layers.items()):
            uses = found.get(key, ())
            if not uses:
                fits = not any(id(parameter) in leaves for parameter in layer.parameters)
            else:
                same = all(use.bias is layer.bias for use in uses)
                fits = same and self._pays(uses, losses, layer)
            if not fits:
                self._settle(key)
        return [use for key in self.layers for use in found.get(key, ())]

    @property
    def rows(self) -> Tensor:
        """``[K, P]`` the gradients; those that are not factored."""
        parts = [dense.rows for dense in self._kept()]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def combine(self, processes: Processes) -> None:
        """Make the gradients those of all processes; they are not factored."""
        if not processes.alone:
            for dense in self._kept():
                dense.combine(processes)

    def gramian(self, processes: Processes) -> Tensor:
        """``[K, K]`` inner products without ``scale``, float64 on the CPU; call `combine` first."""
        parts = [dense.rows for dense in self.dense]
        total = torch.zeros(self._count, self._count, dtype=torch.float64)
        for rows in (*parts, *(layer.rows(self._count) for layer in self.layers.values())):
            total += gramian_of(rows).cpu()
        return total / self.scale**2

    def apply(self, weights: Tensor) -> None:
        """Add the weighted sum of the gradients to ``.grad`` of the parameters."""
        for layer in self.layers.values():
            layer.accumulate(weights)
        for dense in self.dense:
            dense.accumulate(weights.to(dense.rows) @ dense.rows)

    def apply_update(self, update: Tensor) -> None:
        """Add an update ``[P]`` to ``.grad`` of the parameters that any loss depends on."""
        parts = torch.split(update, [dense.rows.shape[1] for dense in self.dense])
        for dense, part in zip(self.dense, parts, strict=True):
            dense.accumulate(part)

    def _kept(self) -> list[DenseGradients]:
        """What is kept as it is; zeros for all parameters before the first batch."""
        if not self.dense:
            self._begin({}, losses=0)
        return self.dense

    def _begin(self, found: Mapping[int, Sequence[LinearUse]], *, losses: int) -> None:
        members = {id(parameter) for parameter in self._parameters}
        for key, uses in found.items():
            inside = all(id(parameter) in members for parameter in uses[0].parameters)
            layer = FactoredLayer(uses[0].weight, uses[0].bias)
            if inside and self._pays(uses, losses, layer):
                self.layers[key] = layer
        kept = {id(p) for layer in self.layers.values() for p in layer.parameters}
        rest = [p for p in self._parameters if id(p) not in kept]
        self.dense = [DenseGradients(rest, self._count)]

    def _pays(self, uses: Sequence[LinearUse], losses: int, layer: FactoredLayer) -> bool:
        """Whether a layer is kept by factors when it has these uses, too."""
        more = sum(len(use.inputs) for use in uses)
        outputs, inputs = layer.weight.shape
        return factors_pay(
            (outputs, inputs),
            layer.positions + more,
            layer.pairs + more * losses,
            self._count,
            lean=self._lean,
        )

    def _settle(self, key: int) -> None:
        """Keep a layer's gradients as they are from now on."""
        layer = self.layers.pop(key)
        dense = DenseGradients(layer.parameters, self._count)
        for task, weights in enumerate(torch.eye(self._count)):
            if task in layer.tasks:
                dense.add(task, layer.gradient(weights))
        self.dense.append(dense)


def differentiate(
    groups: Sequence[GroupGradients],
    task: int,
    outputs: Sequence[Any],
    factors: Sequence[Tensor],
    uses: Sequence[LinearUse],
    others: Sequence[Any],
    *,
    retain_graph: bool,
) -> list[Tensor | None]:
    """Keep a task's gradients; returns those of the outputs of linear layers, then the others.

    Args:
        groups: where gradients are kept.
        task: its position.
        outputs: what to differentiate.
        factors: of the outputs.
        uses: of linear layers that are kept by factors.
        others: what else to differentiate for.
        retain_graph: as in autograd.
    """
    kept = [dense for group in groups for dense in group.dense]
    wanted = [*(p for dense in kept for p in dense.parameters), *others]
    found = grad_after_hooks(
        outputs, [use.node for use in uses], wanted, factors, retain_graph=retain_graph
    )
    start = len(uses)
    for dense in kept:
        end = start + len(dense.parameters)
        dense.add(task, found[start:end])
        start = end
    return [*found[: len(uses)], *found[start:]]
