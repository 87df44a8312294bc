from __future__ import annotations

import numpy as np
import pytest
from tests.balance.methods.steps import named, step

from polytask.balance import TaskContext, TaskNormalised
from polytask.errors import InputError

CONTEXT = {
    "a": TaskContext(examples=2, tokens=3),
    "b": TaskContext(examples=6, tokens=1),
}


def test_the_mean_is_that_over_all_tokens_or_examples() -> None:
    tokens = [[1.0, 2.0, 6.0], [4.0]]  # losses of the tokens of each task
    means = named([np.mean(own) for own in tokens])
    weights = step(TaskNormalised(mean_over="tokens"), means, CONTEXT)
    total = sum(w * float(loss) for w, loss in zip(weights, means.values(), strict=True))
    assert total == pytest.approx(13 / 4)
    weights = step(TaskNormalised(mean_over="examples"), means, CONTEXT)
    np.testing.assert_allclose(weights, [0.25, 0.75])


def test_the_mean_over_tasks_needs_no_counts() -> None:
    np.testing.assert_allclose(step(TaskNormalised(), named([1.0, 5.0])), [0.5, 0.5])


@pytest.mark.parametrize("count", [None, 0])
def test_a_missing_count_is_named(count: int | None) -> None:
    context = {**CONTEXT, "b": TaskContext(tokens=count, examples=6)}
    with pytest.raises(InputError, match="'b' needs its number of tokens"):
        step(TaskNormalised(mean_over="tokens"), named([1.0, 1.0]), context)


def test_an_unknown_choice_is_answered() -> None:
    with pytest.raises(InputError, match="unknown mean_over 'token'; did you mean 'tokens'"):
        TaskNormalised(mean_over="token")  # type: ignore[arg-type]
