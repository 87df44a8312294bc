"""Task vectors side by side, from which differentiable merges are made."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.engine.finite import all_finite
from polytask.merging.engine.treatment import treatment
from polytask.merging.learning.experts import Experts, State
from polytask.merging.report import WORTH_SAYING, listed

__all__ = ["Changes", "check_finite", "detached"]

logger = logging.getLogger(__name__)


class Changes:
    """What every expert changed, as one tensor for each name, and what merges leave alone.

    Shapes: K tasks.

    Attributes:
        tasks: in the order of the first dimension of ``stacked``.
        stacked: name -> ``[K, ...]``, float32 or wider; without tensors that no expert changed,
            and with only the first of names that share their weights in the module.
        base: name -> the base of each of these, in the same precision.

    Args:
        experts: the models. Everything is put where the weights of their module are.

    Raises:
        InputError: no model differs from the base.
    """

    def __init__(self, experts: Experts) -> None:
        self.tasks = list(experts.models)
        self._ties = experts.ties
        self._fixed: dict[str, Tensor] = {}
        self._averaged: list[str] = []
        self._taken: list[str] = []
        self._dtypes: dict[str, torch.dtype] = {}
        self.base: dict[str, Tensor] = {}
        self.stacked: dict[str, Tensor] = {}
        places = {name: value.device for name, value in experts.model.state_dict().items()}
        for name, base in experts.base.items():
            if name not in self._ties:
                values = [
                    state[name].detach().to(places[name]) for state in experts.models.values()
                ]
                self._add(name, base.detach().to(places[name]), values)
        if not self.base:
            raise InputError("models: none differs from the base, there is nothing to learn")

    def _add(self, name: str, base: Tensor, values: list[Tensor]) -> None:
        kind = treatment(name, base.dtype)
        if kind == "copy":
            self._fixed[name] = base
            if not all(torch.equal(base, value) for value in values):
                self._taken.append(name)
            return
        wide = torch.promote_types(base.dtype, torch.float32)
        stacked = torch.stack([value.to(wide) for value in values])
        if kind == "statistics":
            self._fixed[name] = stacked.mean(0).to(base.dtype)
            self._averaged.append(name)
            return
        stacked -= base.to(wide)
        if not stacked.any():
            self._fixed[name] = base
            return
        self.base[name], self.stacked[name] = base.to(wide), stacked
        self._dtypes[name] = base.dtype

    @property
    def device(self) -> torch.device:
        """Where factors of the changes are best."""
        return next(iter(self.base.values())).device

    def merged(self, direction: Callable[[str], Tensor]) -> dict[str, Tensor]:
        """A whole model: the base moved along a direction, which may have a gradient.

        Tensors that hold no weights stay as they are in the base; statistics of BatchNorm are the
        mean of those of the experts.

        Args:
            direction: from the name of a tensor of ``stacked`` to what is added to the base.
        """
        moved = {
            name: (base + direction(name)).to(self._dtypes[name])
            for name, base in self.base.items()
        }
        whole = {**self._fixed, **moved}
        return {**whole, **{name: whole[first] for name, first in self._ties.items()}}

    def finished(self, direction: Callable[[str], Tensor]) -> dict[str, Tensor]:
        """`merged` at the end: without gradients, and with a look at what became of it.

        Raises:
            InputError: a number in it is NaN or infinite.
        """
        with torch.no_grad():
            state = self.merged(direction)
            check_finite(state)
            lost = self._lost(state, direction)
        if lost > WORTH_SAYING:
            logger.warning(
                "rounding to the dtypes of the base changed the update by %.1f%% of its norm; with "
                "weights in float32 nothing is lost",
                100 * lost,
            )
        if self._averaged:
            logger.warning(
                "statistics of BatchNorm are the mean of those of the experts, not those of the "
                "merged model: measure them again on data: %s",
                listed(self._averaged),
            )
        if self._taken:
            logger.warning(
                "integers that are not the same in all experts are those of the base: %s",
                listed(self._taken),
            )
        return state

    def _lost(self, state: State, direction: Callable[[str], Tensor]) -> float:
        """The norm of what rounding changed, as a share of that of the update."""
        error = update = 0.0
        for name, base in self.base.items():
            if self._dtypes[name] != base.dtype:
                exact = direction(name)
                error += float((state[name].to(base) - base - exact).double().square().sum())
                update += float(exact.double().square().sum())
        return math.sqrt(error / update) if update else 0.0

    def scaled(self, name: str, factors: Tensor) -> Tensor:
        """The sum of the changes of a tensor, each times its factor.

        Args:
            name: of the tensor.
            factors: ``[K]``
        """
        stacked = self.stacked[name]
        return (factors.to(stacked) @ stacked.view(len(stacked), -1)).view(stacked.shape[1:])


def check_finite(state: State) -> None:
    """Refuse learned weights that are none.

    Raises:
        InputError: a number is NaN or infinite.
    """
    for name, value in state.items():
        if value.is_floating_point() and not all_finite(value.detach()):
            raise InputError(
                f"tensor {name!r}: what was learned is NaN or infinite; try a smaller rate, or "
                "weights in float32"
            )


def detached(state: State) -> dict[str, Tensor]:
    """The same weights without gradients; names that share a tensor still do."""
    values = {id(value): value.detach() for value in state.values()}
    return {name: values[id(value)] for name, value in state.items()}
