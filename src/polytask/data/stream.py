"""The endless sequence of training steps: which data sets, which rows, in which batch."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from polytask.data.choice import Choice
from polytask.data.encoded import EncodedSplit
from polytask.data.mixtures import Mixture
from polytask.data.sampling import BatchSize, RowSampler
from polytask.errors import InputError, unknown

__all__ = ["Draw", "Stream", "StreamOptions"]


@dataclass(frozen=True, kw_only=True)
class StreamOptions:
    """How steps are made of data sets.

    Args:
        per_step: data sets per step; None for all of them.
        joined: put the rows of a step's data sets into one batch (they must have the same fields)
            instead of one batch per data set.
        seed: of all that is drawn.
    """

    per_step: int | None = 1
    joined: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Draw:
    """The rows of one step, of all processes together.

    Args:
        step: number of the step, from 0.
        rows: data set -> rows ``[B]``.
        states: data set -> where its sampler stands after this draw.
        tasks: the only tasks that learn, each with a factor of its loss; None for all of them.
    """

    step: int
    rows: Mapping[str, Tensor]
    states: Mapping[str, Mapping[str, int]]
    tasks: Mapping[str, float] | None = None


class Stream:
    """Draws steps for ever; the same on every process, on any number of workers.

    Rows without a target of any task are never drawn. An epoch is the number of steps in which, on
    average, as many batches are drawn as all data sets of the mixture have together: with a
    proportional mixture every row once. A small data set starts anew as often as it is drawn and
    ends nothing.

    Args:
        splits: data set -> its training split.
        mixture: the rule by which data sets are drawn.
        sizes: data set -> how its epochs are cut into batches.
        options: see `StreamOptions`.

    Raises:
        InputError: more data sets per step than there are, a data set without a target, joined
            ones with different fields, or a mixture that names an unknown task.
    """

    def __init__(
        self,
        splits: Mapping[str, EncodedSplit],
        mixture: Mixture,
        sizes: Mapping[str, BatchSize],
        options: StreamOptions,
    ) -> None:
        self.splits, self.mixture, self.options = dict(splits), mixture, options
        self.per_step = len(splits) if options.per_step is None else options.per_step
        if not 1 <= self.per_step <= len(splits):
            raise InputError(
                f"mixture: {self.per_step} data sets per step, but there are {len(splits)}"
            )
        if options.joined:
            _check_same_fields(splits)
        self._samplers = {
            name: _sampler(name, split, sizes[name], options.seed) for name, split in splits.items()
        }
        self._counts = {name: sampler.examples for name, sampler in self._samplers.items()}
        batches = {name: sampler.batches_per_epoch for name, sampler in self._samplers.items()}
        tasks = {name: split.targets for name, split in splits.items()}
        _check_tasks(mixture, tasks)
        self._choice = Choice(
            mixture,
            self._counts,
            batches,
            per_step=self.per_step,
            seed=options.seed,
            tasks=tasks,
        )
        self.step = 0

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps in which about as many batches are drawn as all data sets have."""
        drawn = self.mixture.drawn(self._counts)
        total = sum(self._samplers[name].batches_per_epoch for name in drawn)
        return max(1, round(total / min(self.per_step, len(drawn))))

    def draw(self) -> Draw:
        """The rows of the next step."""
        names = self._choice.at(self.step)
        rows = {name: self._samplers[name].next() for name in names}
        self.step += 1
        states = {name: self._samplers[name].state_dict() for name in names}
        return Draw(self.step - 1, rows, states, self._choice.tasks)

    def fork(self) -> Stream:
        """A stream that stands where this one does and then goes its own way; shares the data."""
        twin = copy.copy(self)
        twin._choice = copy.copy(self._choice)
        twin._samplers = {name: copy.copy(sampler) for name, sampler in self._samplers.items()}
        return twin

    def follow(self, draw: Draw) -> None:
        """Take the step that a fork has drawn, without drawing it again."""
        self.step = draw.step + 1
        for name, state in draw.states.items():
            self._samplers[name].load_state_dict(state)

    def state_dict(self) -> dict[str, Any]:
        """Where the stream stands: the step, and the epoch and position of each data set."""
        samplers = {name: sampler.state_dict() for name, sampler in self._samplers.items()}
        return {"step": self.step, "samplers": samplers}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue where another stream of the same data stood.

        Raises:
            InputError: the state is of other data sets.
        """
        if set(state["samplers"]) != set(self._samplers):
            differing = sorted(set(state["samplers"]) ^ set(self._samplers))
            raise InputError(f"the checkpoint is of another mixture; data sets {differing} differ")
        self.step = int(state["step"])
        for name, sampler in self._samplers.items():
            sampler.load_state_dict(state["samplers"][name])


def _sampler(name: str, split: EncodedSplit, size: BatchSize, seed: int) -> RowSampler:
    rows = split.index.labelled.nonzero().squeeze(1)
    return RowSampler(name, rows, split.lengths[rows], size=size, seed=seed)


def _check_tasks(mixture: Mixture, tasks: Mapping[str, Collection[str]]) -> None:
    """Refuse a mixture that names tasks which do not exist."""
    known = {task for names in tasks.values() for task in names}
    for chosen in mixture.task_sets():
        for name in chosen:
            if name not in known:
                raise unknown("task", name, known, where="mixture phases")


def _check_same_fields(splits: Mapping[str, EncodedSplit]) -> None:
    first_name, first = next(iter(splits.items()))
    for name, split in splits.items():
        if set(split.fields) != set(first.fields):
            raise InputError(
                f"mixture: data sets {first_name!r} and {name!r} cannot be joined in one batch: "
                f"their fields are {sorted(first.fields)} and {sorted(split.fields)}"
            )
