"""The merged values of one model, piece by piece: what files, memory and gradients share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from polytask.errors import InputError
from polytask.merging.engine.alignment import align
from polytask.merging.engine.compiled import Compiled, compiled
from polytask.merging.engine.group import Group
from polytask.merging.engine.identity import identify
from polytask.merging.engine.random_numbers import key_of
from polytask.merging.engine.settings_fit import check_slices
from polytask.merging.engine.survey import Mapper, ModelPopulation, TensorPopulation, one_by_one
from polytask.merging.engine.treatment import Treatment, is_variance, treatment
from polytask.merging.kinds import Delta, Weights
from polytask.merging.method import DeltaMethod, Method, WeightMethod
from polytask.merging.options import own_settings
from polytask.merging.place import Place, Position
from polytask.merging.settings import for_models, for_tensor
from polytask.merging.sources.base import Source
from polytask.merging.sources.zeros import Zeros
from polytask.merging.statistics.checks import check_statistics
from polytask.merging.statistics.opened import OpenStatistics

__all__ = ["Item", "Merged", "Merger"]

K = TypeVar("K", Weights, Delta)


@dataclass(frozen=True)
class Item:
    """A tensor of the result.

    Args:
        group: its inputs.
        place: where it is.
        treatment: what is done with it.
    """

    group: Group
    place: Place
    treatment: Treatment


class Merged(NamedTuple):
    """A flat piece of the result.

    Args:
        values: in the precision of computing; of a copied tensor as they are stored.
        base: what they were, where there is a base.
    """

    values: Tensor
    base: Tensor | None = None


class Merger:
    """One merge: a method, its inputs, and what the method must know of the whole model.

    Attributes:
        reference: the base, or the first model: it says which tensors there are.
        identities: of the models, as the user listed them.
        items: every tensor of the result.
        differing: names of copied tensors that are not the same in all inputs, as far as they were
            read.

    Args:
        method: with its options; `check_inputs` has let it pass.
        base: the base model, if the method merges changes; from zeros if it does and there is none.
        models: the models, as the user listed them.
        seed: of all random numbers.
        statistics: of each model, if the method needs them.

    Raises:
        InputError: the tensors of the inputs do not fit together, or an option does not fit them.
    """

    def __init__(
        self,
        method: Method,
        *,
        base: Source | None,
        models: Sequence[Source],
        seed: int,
        statistics: Sequence[OpenStatistics] = (),
    ) -> None:
        self.method, self.seed = method, seed
        self.reference = models[0] if base is None else base
        from_zeros = base is None and isinstance(method, DeltaMethod)
        self.base = Zeros(self.reference) if from_zeros else base
        align(self.reference, [source for source in models if source is not self.reference])
        if method.contract.statistics is not None:
            check_statistics(statistics, method.contract.statistics, self.reference.entries)
        self.identities = identify(models, _own(method, len(models), statistics))
        order = list(range(len(models)))
        if method.contract.symmetric:
            order.sort(key=lambda index: self.identities[index])
        self._order = tuple(order)
        self._models = tuple(models[index] for index in order)
        self._statistics = tuple(statistics[index] for index in order) if statistics else ()
        self.differing: set[str] = set()
        self._dtype = _widest([self.reference, *self._models])
        at = self.reference.positions()
        check_slices(method, 1 + max((position.segment for position in at.values()), default=0))
        self.items = [self._item(n, at.get(n, Position(0.0))) for n in self.reference.entries]
        self._found: Any = None
        self.compiled: Compiled | None = None

    def survey(self, mapper: Mapper = one_by_one) -> None:
        """Look at the whole model, if the method needs that. Call it before anything is merged."""
        self.compiled = compiled(self.method, sum(item.group.size for item in self.items))
        tensors = [self._population(item) for item in self.items if self._is_merged(item)]
        if self.method.scope == "model" and tensors:
            at = replace(tensors[0].at, tensor="", shape=(), depth=0.0)
            self._found = self.method.survey(ModelPopulation(tensors, at, mapper))

    def place(self, item: Item) -> Place:
        """Where a tensor is, with what the method's survey found there."""
        if self.method.scope == "element" or not self._is_merged(item):
            return item.place
        if self.method.scope == "model":
            return replace(item.place, found=self._found)
        return replace(item.place, found=self.method.survey(self._population(item)))

    def merged(self, item: Item, place: Place, start: int, stop: int) -> Merged:
        """A flat piece of the result."""
        if item.treatment in ("copy", "unchanged"):
            return Merged(self._copied(item.group, start, stop))
        if isinstance(self.method, DeltaMethod):
            scale = for_tensor(self.method.scale, place)
            base, direction = self.direction(item, place, start, stop)
            values = self.applied(item, base, direction, scale).values
            return Merged(values, None if isinstance(self.base, Zeros) else base.values)
        assert isinstance(self.method, WeightMethod)
        models = item.group.weights(start, stop)
        made = self.method.combine(models, replace(place, start=start))
        values = _checked(made, Weights, stop - start, self.method, "combine").values
        if is_variance(item.group.name) and bool((values < 0).any()):
            raise _negative(item.group.name)
        if self.base is None:
            return Merged(values)
        return Merged(values, item.group.base_weights(start, stop).values)

    def direction(self, item: Item, place: Place, start: int, stop: int) -> tuple[Weights, Delta]:
        """A flat piece of the base, and where it moves to. Only for methods that merge changes."""
        group, method = item.group, self.method
        base = group.base_weights(start, stop)
        if item.treatment == "statistics":
            return base, self._mean_statistics(group, place, base, start, stop) - base
        assert isinstance(method, DeltaMethod)
        at = replace(place, start=start)
        made = method.prepare(base, group.deltas(base, start, stop), at)
        return base, _checked(made, Delta, stop - start, method, "prepare")

    def _mean_statistics(
        self, group: Group, place: Place, base: Weights, start: int, stop: int
    ) -> Weights:
        """The mean of the statistics of the models, with the method's weights, if it has some.

        Models of weight 0 or below, whose change is not added, do not count.
        """
        shares, mean, total = for_models(getattr(self.method, "weights", 1.0), place), None, 0.0
        for share, model in zip(shares, group.weights(start, stop), strict=True):
            if share > 0:
                total += share
                mean = model.values if mean is None else mean.lerp(model.values, share / total)
        return base if mean is None else Weights(mean)

    def applied(
        self, item: Item, base: Weights, direction: Delta, scale: float | Tensor
    ) -> Weights:
        """The base moved along a direction. Only for methods that merge changes."""
        assert isinstance(self.method, DeltaMethod)
        if item.treatment == "statistics":  # beyond the mean a variance may become negative
            scale = scale.clamp(0, 1) if isinstance(scale, Tensor) else min(max(scale, 0.0), 1.0)
        merged = self.method.apply(base, direction, scale)
        if is_variance(item.group.name) and bool((merged.values < 0).any()):
            raise _negative(item.group.name)
        return merged

    def _copied(self, group: Group, start: int, stop: int) -> Tensor:
        """What the reference has, after a look whether all others have the same."""
        values = self.reference.read(group.name, start, stop)
        for source in self._models:
            if source.kind == "weights" and not torch.equal(
                values, source.read(group.name, start, stop).to(values)
            ):
                self.differing.add(group.name)
        return values

    def _is_merged(self, item: Item) -> bool:
        """Whether the method sees a tensor."""
        weights = item.treatment == "statistics" and isinstance(self.method, WeightMethod)
        return (item.treatment == "merge" or weights) and item.group.size > 0

    def _population(self, item: Item) -> TensorPopulation:
        changes = not isinstance(self.method, WeightMethod)
        return TensorPopulation(item.group, item.place, changes=changes, compiled=self.compiled)

    def _item(self, name: str, at: Position) -> Item:
        entry = self.reference.entries[name]
        stored = entry.dtype
        for source in self._models:
            if source.kind == "weights":
                stored = torch.promote_types(stored, source.entries[name].dtype)
        group = Group(
            name=name,
            shape=entry.shape,
            base=self.base,
            models=self._models,
            dtype=self._dtype,
            stored=stored,
        )
        identities = [self.identities[index] for index in self._order]
        keys = tuple(key_of(self.seed, i.content, i.occurrence, name) for i in identities)
        place = Place(
            tensor=name,
            shape=entry.shape,
            depth=at.depth,
            segment=at.segment,
            order=self._order,
            keys=keys,
            statistics=self._statistics,
        )
        return Item(group, place, self._treatment(name, entry.dtype))

    def _treatment(self, name: str, dtype: torch.dtype) -> Treatment:
        found = treatment(name, dtype)
        changed = any(source.touches(name) for source in self._models)
        if found == "copy" or changed or isinstance(self.method, WeightMethod):
            return found
        return "unchanged"


def _checked(made: K, kind: type[K], size: int, method: Method, step: str) -> K:
    """What a method made of a piece.

    Raises:
        InputError: it is of another kind or length.
    """
    where = f"{type(method).__name__}.{step}"
    if not isinstance(made, kind):
        raise InputError(f"{where}: returned {type(made).__name__}, expected {kind.__name__}")
    if made.values.shape != (size,):
        found = list(made.values.shape)
        raise InputError(f"{where}: returned values of shape {found} for a piece of {size}")
    return made


def _negative(name: str) -> InputError:
    return InputError(
        f"tensor {name!r}: a merged variance is negative: the changes subtract more than there is"
    )


def _own(method: Method, models: int, statistics: Sequence[OpenStatistics]) -> list[str]:
    """For each model what tells it from others of the same weights."""
    own = [own_settings(method, index) for index in range(models)]
    if not statistics:
        return own
    measured = identify([one.source for one in statistics], own)
    return [f"{of_model} {one.content}" for of_model, one in zip(own, measured, strict=True)]


def _widest(sources: Sequence[Source]) -> torch.dtype:
    """What is computed in: float32, or float64 if there is any."""
    dtypes = {entry.dtype for source in sources for entry in source.entries.values()}
    return torch.float64 if torch.float64 in dtypes else torch.float32
