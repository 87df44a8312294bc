from __future__ import annotations

import math

import pytest
from tests.balance.methods.steps import named, step

from polytask.balance import LogOutputs, TaskContext
from polytask.errors import InputError


def test_a_guess_has_loss_one_in_every_task() -> None:
    context = {
        "a": TaskContext(classes=2),
        "b": TaskContext(classes=30522),
        "c": TaskContext(kind="regression"),
    }
    guesses = [math.log(2), math.log(30522), 1.0]
    weights = step(LogOutputs(), named(guesses), context)
    assert weights * guesses == pytest.approx([1.0, 1.0, 1.0])


@pytest.mark.parametrize("context", [{}, {"b": TaskContext()}, {"b": TaskContext(classes=1)}])
def test_a_classification_must_tell_its_classes(context: dict[str, TaskContext]) -> None:
    with pytest.raises(InputError, match="'b' needs its number of classes"):
        step(LogOutputs(), named([1.0, 1.0]), {"a": TaskContext(classes=2), **context})
