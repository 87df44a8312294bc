"""Scores that the user writes down."""

from __future__ import annotations

import pytest

from polytask.errors import InputError
from polytask.evaluation import Aggregate
from polytask.evaluation.formula import Formula

METRICS = {"left": {"accuracy": 0.5, "ece": 0.1}, "my-sum": {"rmse": 2.0}}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("left.accuracy", 0.5),
        ("0.7 * left.accuracy + 0.3 / my_sum.rmse", 0.5),
        ("-my_sum.rmse ** 2 - left.ece", -4.1),
        ("min(left.accuracy, abs(-0.2), 1)", 0.2),
        ("(left.accuracy + 1) * 2", 3.0),
    ],
)
def test_values(text: str, expected: float) -> None:
    assert Formula(text).value(METRICS) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "left.accuracy.real",
        "left",
        "[left.accuracy][0]",
        "(lambda: 1)()",
        "min(*left.accuracy)",
        "max()",
        "'a' * 9",
        "left.accuracy +",
        "True",
        "1 if left.accuracy else 0",
    ],
)
def test_only_arithmetic(text: str) -> None:
    with pytest.raises(InputError, match=r"select\.formula"):
        Aggregate(formula=text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("lefft.accuracy", "did you mean 'left'"),
        ("left.acuracy", "did you mean 'accuracy'"),
        ("1 / (left.accuracy - 0.5)", "division"),
    ],
)
def test_names_and_zeros(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Formula(text).value(METRICS)
