"""One score for several tasks, by hand."""

from __future__ import annotations

import math
from typing import Any

import pytest

from polytask.errors import InputError
from polytask.evaluation import Aggregate
from polytask.tasks import Classification, Regression, Task, TaskSet

TASKS = TaskSet(
    [
        Task(name="label", data="d", output=Classification(classes=("a", "b"))),
        Task(name="rank", data="d", output=Classification(classes=("a", "b"), primary="auroc")),
        Task(name="value", data="d", output=Regression(mean=0.0, std=4.0)),
    ]
)
METRICS = {"label": {"accuracy": 0.8}, "rank": {"auroc": 0.9}, "value": {"rmse": 2.0}}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # AUROC is useless at 0.5; an error counts in deviations of the target.
        ({}, [0.8, (0.9 - 0.5) / 0.5, 1 / (1 + 2.0 / 4.0)]),
        ({"ranges": {"value": (6, 0), "label": (0.5, 1)}}, [0.6, 0.8, 4 / 6]),
        ({"reference": {"label": 0.5, "rank": 0.9, "value": 3.0}}, [1.6, 1.0, 1.5]),
        ({"reference": {"value": 1.0}, "ranges": {"value": (6, 0)}}, [0.8, 0.8, 0.5]),
    ],
)
def test_means(options: dict[str, Any], expected: list[float]) -> None:
    assert Aggregate(**options).score(TASKS, METRICS) == pytest.approx(sum(expected) / 3)
    harmonic = 3 / sum(1 / share for share in expected)
    assert Aggregate(mean="harmonic", **options).score(TASKS, METRICS) == pytest.approx(harmonic)


def test_a_metric_that_is_not_defined_is_the_worst() -> None:
    metrics = {"label": {"accuracy": 0.8}, "rank": {"auroc": math.nan}}
    assert Aggregate().score(TASKS, metrics) == pytest.approx(0.4)
    assert Aggregate(mean="harmonic").score(TASKS, metrics) == 0


def test_no_error_at_all_is_not_infinitely_good() -> None:
    score = Aggregate(reference={"value": 3.0}).score(TASKS, {"value": {"rmse": 0.0}})
    assert math.isfinite(score)
    assert score > 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ranges": {"label": (1, 1)}}, "select.ranges.label: worst and best are both 1"),
        ({"reference": {"label": math.nan}}, "select.reference.label: must be a positive number"),
        ({"reference": {"label": math.inf}}, "must be a positive number, got inf"),
        ({"reference": "single_task", "formula": "label.accuracy"}, "a formula does not use"),
    ],
)
def test_what_makes_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Aggregate(**options)


def test_numbers_must_be_there_when_the_score_is_asked_for() -> None:
    with pytest.raises(InputError, match="single_task goes with a recipe"):
        Aggregate(reference="single_task").score(TASKS, METRICS)
