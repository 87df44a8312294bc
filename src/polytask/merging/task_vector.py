"""Task vectors: what models learned, as something that can be added and subtracted."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polytask.errors import InputError, unknown
from polytask.merging.given import as_path
from polytask.merging.methods.task_arithmetic import TaskArithmetic
from polytask.merging.plan import Change, Plan
from polytask.merging.report import Report
from polytask.merging.run import run_plan
from polytask.merging.settings import check_finite

__all__ = ["TaskVector"]

STORING = ("dtype", "rounding", "seed", "tokenizer", "tokens", "shard_size", "heads")
"""What may be said of how the result is stored."""


@dataclass(frozen=True)
class TaskVector:
    """A weighted sum of changes between models on disk; nothing is read before `apply`.

    Vectors can be added, subtracted, negated, and multiplied or divided by a number. An analogy (A
    is to B as C is to what?) is ``c + (b - a)``.

    Source: Ilharco et al., "Editing Models with Task Arithmetic", 2023.

    Args:
        terms: pairs of a number and a change.
    """

    terms: tuple[tuple[float, Change], ...]

    @classmethod
    def from_models(cls, base: str | Path, model: str | Path) -> TaskVector:
        """What a model learned.

        Args:
            base: the model that training started from.
            model: the trained model.
        """
        return cls(((1.0, Change(as_path("model", model), as_path("base", base))),))

    def __add__(self, other: TaskVector) -> TaskVector:
        return TaskVector(self.terms + _terms(other))

    def __sub__(self, other: TaskVector) -> TaskVector:
        return TaskVector(self.terms + (-1.0 * TaskVector(_terms(other))).terms)

    def __radd__(self, other: object) -> TaskVector:
        """``sum`` of a list of vectors begins with 0."""
        return self if other == 0 else TaskVector(_terms(other))

    def __mul__(self, factor: float) -> TaskVector:
        check_finite("factor", factor)
        return TaskVector(tuple((factor * number, change) for number, change in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> TaskVector:
        check_finite("divisor", divisor)
        if not divisor:
            raise InputError("a task vector cannot be divided by 0")
        return 1 / divisor * self

    def __neg__(self) -> TaskVector:
        return -1.0 * self

    def apply(
        self, base: str | Path, *, out: str | Path, threads: int | None = None, **storing: Any
    ) -> Report:
        """Add the vector to a model and write the result.

        Args:
            base: the model that is changed; it need not be the one that the changes start from.
            out: the new folder.
            threads: how many; as many as processors by default.
            storing: dtype, rounding, seed, tokenizer, tokens, shard_size and heads, as in `Plan`.

        Raises:
            InputError: as `merge`.
            RunError: as `merge`.
        """
        for name in storing:
            if name not in STORING:
                raise unknown("option", name, STORING, where="apply")
        start = as_path("base", base)
        plan = Plan(
            method=TaskArithmetic(weights=[number for number, _ in self.terms]),
            base=start,
            models=tuple(_model(change, start) for _, change in self.terms),
        )
        return run_plan(replace(plan, **storing), out=as_path("out", out), threads=threads)


def _terms(other: object) -> tuple[tuple[float, Change], ...]:
    if not isinstance(other, TaskVector):
        raise InputError(f"only a task vector can be added to one, not {type(other).__name__}")
    return other.terms


def _model(change: Change, base: Path) -> Path | Change:
    """The model itself, if its change starts from the base that it is added to."""
    return change.model if change.base.resolve() == base.resolve() else change
