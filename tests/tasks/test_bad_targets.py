"""What a wrong target column gets: an error that names the place and the remedy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polytask.errors import InputError
from polytask.tasks import (
    OUTPUTS,
    Classification,
    HeadOptions,
    MultiLabel,
    Ordinal,
    Output,
    Regression,
    Tagging,
    Task,
)


def cells(*values: Any) -> np.ndarray:
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


@pytest.mark.parametrize(
    ("output", "column", "message"),
    [
        (Classification(), cells("a", "a", None), "two classes in training, found ['a']"),
        (Classification(), cells(None, None), "two classes in training, found []"),
        (Classification(), cells("a", ["b"]), "a label must be text or a number, got ['b']"),
        (Classification(classes=("a", "b")), cells("a", "c"), "unknown label 'c'"),
        (Classification(classes=("a", "a")), cells("a", "b"), "a class is given twice"),
        (Classification(class_weights={"cat": 1.0}), cells("cats", "dog"), "did you mean 'cats'"),
        (
            Classification(class_weights={"a": -1.0}),
            cells("a", "b"),
            "2 finite weights of at least",
        ),
        (Classification(class_weights=(1.0,)), cells("a", "b"), "class_weights needs 2 finite"),
        (Ordinal(class_weights={"2": 1.0}), np.array([1, 2]), "unknown label of class_weights '2'"),
        (Ordinal(class_weights={1: np.inf}), np.array([1, 2]), "2 finite weights of at least 0"),
        (Regression(), np.array([3.0, 3.0, np.nan]), "every target in training is 3"),
        (Regression(), np.array([[1.0, 3.0], [2.0, 3.0]]), "every target in training is 3"),
        (Regression(), np.array([np.nan]), "no target was measured"),
        (Regression(), cells(1.0, "high"), "row 2: expected a number, got 'high'"),
        (Regression(), np.array([1.0, np.inf]), "row 2: a target is infinite"),
        (Regression(), cells([1, 2], [3]), "row 2: expected 2 numbers, got 1"),
        (Regression(), cells([1, 2], 3), "row 2: expected 2 numbers, got 3"),
        (Ordinal(), cells("low", "high"), "give classes= from lowest to highest"),
        (Ordinal(), np.array([1, 1]), "two classes in training, found [1]"),
        (MultiLabel(), cells([], []), "no label was found in training"),
        (MultiLabel(), np.full((2, 2), np.nan), "no label was measured"),
        (MultiLabel(), np.array([[0, 1], [0, 2]]), "row 2: a label must be 0, 1 or missing"),
        (MultiLabel(), cells(["a"], 5), "row 2: expected a list of labels or text, got 5"),
        (MultiLabel(classes=("a",)), np.array([[0, 1]]), "1 classes for 2 columns"),
        (MultiLabel(pos_weight={"b": 1.0}), cells(["a"], []), "unknown label of pos_weight 'b'"),
        (MultiLabel(pos_weight={"a": -2}), cells(["a"], []), "pos_weight needs 1 finite weights"),
        (MultiLabel(class_weights={"b": 1}), cells(["a"], []), "label of class_weights 'b'"),
        (Tagging(), cells(["N"], ["N"]), "two tags in training, found ['N']"),
        (Tagging(), cells("N V", ["N"]), "row 1: expected a list of tags, one per word"),
        (Tagging(scheme="bioes"), cells(["L-x", "O"]), "tag 'L-x' is not of scheme 'bioes'"),
    ],
)
def test_what_cannot_be_learned(output: Output, column: np.ndarray, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Task(name="mood", output=output, data="d").fit(column, where="a.csv")
    assert str(caught.value).startswith("a.csv: task 'mood'")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("output", "train", "test", "message"),
    [
        (
            Classification(),
            cells("yes", "no"),
            cells("no", "yess"),
            "line 2: unknown label 'yess'; did",
        ),
        (Ordinal(), np.array([1, 2]), np.array([1, 3]), "line 2: unknown label '3'"),
        (
            Tagging(),
            cells(["N", "V"]),
            cells(["N"], ["V", "X"]),
            "line 2, word 2: unknown label 'X'",
        ),
        (MultiLabel(), cells(["x", "y"]), cells(["z"]), "line 1: unknown label 'z'"),
        (MultiLabel(), np.eye(2), np.eye(3), "line 1: 3 columns for 2 classes"),
        (MultiLabel(unknown="wrong"), np.eye(2), np.eye(3), "line 1: 3 columns for 2 classes"),
        (Regression(), np.array([1.0, 2]), np.eye(2), "line 1: targets of shape (2,)"),
        (Regression(), np.eye(2), np.array([1.0]), "line 1: targets of shape ()"),
        (
            Tagging(scheme="bio", unknown="wrong"),
            cells(["B-x", "O"]),
            cells(["O", "Z-x"]),
            "line 1, word 2: unknown label 'Z-x'",
        ),
    ],
)
def test_what_another_split_may_not_hold(
    output: Output, train: np.ndarray, test: np.ndarray, message: str
) -> None:
    fitted = output.fit(train, where="train")
    with pytest.raises(InputError) as caught:
        fitted.encode(test, lambda row: f"test.csv, line {row + 1}")
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("regression", {"loss": "mea"}, "loss"),
        ("regression", {"huber_delta": 0}, "huber_delta must be positive"),
        ("classification", {"label_smoothing": 1.0}, "label_smoothing must be in"),
        ("classification", {"unknown": "ignore"}, "unknown"),
        ("multi_label", {"threshold": 1}, "threshold must be in"),
        ("multi_label", {"separator": ""}, "separator must not be empty"),
        ("multi_label", {"unknown": "missed"}, "unknown"),
        ("ordinal", {"loss": "coral"}, "loss"),
        ("ordinal", {"unknown": "ignore"}, "unknown"),
        ("tagging", {"scheme": "bilou"}, "scheme"),
        ("tagging", {"shceme": "bio"}, "did you mean 'scheme'"),
    ],
)
def test_options_are_checked(kind: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        OUTPUTS.build({"type": kind, **options}, where="recipe")


def test_options_are_checked_in_python_too() -> None:
    with pytest.raises(InputError, match="did you mean 'huber'"):
        Regression(loss="hubert")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "kind", ["classification", "multi_label", "ordinal", "regression", "tagging"]
)
def test_an_output_must_be_fitted(kind: str) -> None:
    with pytest.raises(InputError, match="is not fitted: call fit"):
        OUTPUTS.build(kind).head(3, HeadOptions())


@pytest.mark.parametrize("options", [{"hidden": (0,)}, {"dropout": 1.0}])
def test_head_options_are_checked(options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="head: "):
        HeadOptions(**options)


def test_an_unknown_primary_metric_is_refused_before_training() -> None:
    task = Task(name="mood", output=Classification(primary="acuracy"), data="d")
    with pytest.raises(InputError, match="did you mean 'accuracy'"):
        task.fit(cells("a", "b"), where="a.csv")
