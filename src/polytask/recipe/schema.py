"""What a recipe says: data sets, tasks, model, mixture, training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from polytask.data import BatchSize, Split
from polytask.errors import InputError
from polytask.evaluation import Aggregate
from polytask.tasks import HeadOptions
from polytask.training.options import TrainingOptions

__all__ = ["DataSpec", "ModelSpec", "Recipe", "StepSpec", "TaskSpec"]

Spec = str | Mapping[str, Any]
"""The name of a building block, or a mapping with its ``type`` and options."""

Files = str | Sequence[str]


@dataclass(frozen=True, kw_only=True)
class DataSpec:
    """A data set.

    Args:
        source: how files are read, see ``polytask list sources``.
        files: one file, a list of files, or split -> file or files; relative to the recipe's
            folder. ``${NAME}`` and ``${NAME:-default}`` stand for environment variables.
        split: how rows are told apart into train, validation and test.
        input: what the model sees, see ``polytask list inputs``.
        batch: overrides the recipe's batch for this data set.
        limit: most rows that are kept of each split (for trying things out).
    """

    source: Spec
    input: Spec
    files: Files | Mapping[str, Files] | None = None
    split: Split | None = None
    batch: BatchSize | None = None
    limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """A task, or several of one kind.

    ``columns`` makes one task per column, ``by`` one per value of a column; then the task's key
    holds ``{column}`` or ``{value}``.

    Args:
        output: what is predicted, see ``polytask list outputs``.
        data: name of the data set; may be left out if there is only one.
        target: the column of the targets; the task's name by default.
        columns: one task for each of these columns.
        by: one task for each value of this column.
        where: column -> value; the task has targets only in rows with these values.
        weight: factor of the task's loss.
        example_weight: a column of weights of the examples.
        head: shape of the head.
        learning_rate: factor of the learning rate of the task's own parameters.
        depends_on: other task -> ``logits`` or ``detached``.
    """

    output: Spec
    data: str | None = None
    target: str | None = None
    columns: Sequence[str] = ()
    by: str | None = None
    where: Mapping[str, str | int | float] = field(default_factory=dict)
    weight: float = 1.0
    example_weight: str | None = None
    head: HeadOptions = field(default_factory=HeadOptions)
    learning_rate: float = 1.0
    depends_on: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """The shared model.

    Args:
        backbone: reads the input, see ``polytask list backbones``.
        sharing: stands between backbone and heads, see ``polytask list sharing``.
        warm_start: folder of a run whose weights are taken where names and shapes agree.
    """

    backbone: Spec
    sharing: Spec = "hard"
    warm_start: str | None = None


@dataclass(frozen=True, kw_only=True)
class StepSpec:
    """What one optimiser step is made of.

    Args:
        data_sets: number of data sets that are drawn, or ``all``; each gives one batch.
        joined: put the rows of these data sets into one batch; they must have the same fields.
    """

    data_sets: int | Literal["all"] = 1
    joined: bool = False


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """All that is needed to train one model for several tasks, and to compare it.

    Args:
        name: of the recipe.
        description: one or two sentences for the report.
        data: data sets by name.
        tasks: tasks by name.
        model: backbone and sharing.
        batch: how epochs are cut into batches.
        mixture: the rule by which data sets are drawn, see ``polytask list mixtures``.
        step: how many of them make up a step.
        balance: how the losses of a step become one update: the name of a method, see ``polytask
            list balancers``, or a mapping with ``method``, its options, ``cost``: where
            gradients are compared (``exact``, ``features`` or ``last_block``), ``groups``:
            ``layer`` or a list of starts of parameter names, each balanced by itself, and
            ``memory``: ``normal`` or ``low``, which streams gradients layer by layer.
        training: how the run trains.
        select: how validation metrics choose the best weights.
        baselines: train the matched single-task models too, or none.
        seeds: one run each.
        smoke: overrides for a run of seconds (dotted key -> value), used by ``--smoke``.
    """

    name: str
    data: Mapping[str, DataSpec]
    tasks: Mapping[str, TaskSpec]
    model: ModelSpec
    training: TrainingOptions
    description: str = ""
    batch: BatchSize = field(default_factory=BatchSize)
    mixture: Spec = "proportional"
    step: StepSpec = field(default_factory=StepSpec)
    balance: Spec = "equal"
    select: Aggregate = field(default_factory=Aggregate)
    baselines: Literal["single_task", "none"] = "single_task"
    seeds: Sequence[int] = (0,)
    smoke: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"seeds: give at least one, none twice, got {list(self.seeds)}")
        if not self.data or not self.tasks:
            raise InputError("a recipe needs at least one data set and one task")
        if self.select.reference == "single_task" and self.baselines == "none":
            raise InputError(
                "select.reference: single_task needs the single-task models: set baselines: "
                "single_task, or give task -> value"
            )
