"""Tasks that cannot be learned, labels that are new or shifted."""

import math

import numpy as np
import pytest
from tests.data.check.examples import data_set, found, numbers, only, report, task, texts

from polytask.data.check import check
from polytask.data.inputs import Words
from polytask.tasks import Classification, MultiLabel, Ordinal, Regression, Tagging

FOUR = [f"text {i}" for i in range(4)]


@pytest.mark.parametrize(
    ("output", "labels", "message"),
    [
        (Classification(), [None] * 4, "no label in 4 training rows"),
        (Classification(), ["a", "a", None, ""], "needs two classes"),
        (Ordinal(), [1, 1, 1, 1], "needs two classes"),
        (Ordinal(), ["low", "high", "low", "high"], "text has no order"),
        (Classification(classes=("a", "c")), ["a", "b", "a", "b"], "'b'"),
        (Classification(classes=tuple("abcde")), ["a", "b", "a", "b"], "4 training rows"),
        (Regression(), [2.0, 2.0, 2.0, math.nan], "nothing to learn"),
        (Regression(), [1.0, math.inf, 2.0, 3.0], "infinite"),
        (Regression(), ["a", "b", "c", "d"], "expected a number"),
        (Tagging(), ["a", "b", "c", "d"], "expected a list of tags"),
        (Classification(), [["a"], ["b"], ["a"], ["b"]], "a label must be text or a number"),
    ],
)
def test_tasks_that_cannot_be_learned_are_errors(output, labels, message) -> None:
    result = report(texts(train={"text": FOUR, "label": labels}), task(output=output))
    errors = found(result, "targets", level="error")
    assert [message in finding.message for finding in errors] == [True]
    assert not result.ok


def test_every_task_is_reported_not_only_the_first() -> None:
    columns = {"text": FOUR, "a": ["x"] * 4, "b": [None] * 4, "c": ["x", "y", "x", "y"]}
    result = report(texts(train=columns), *(task(name) for name in "abc"))
    assert {finding.task for finding in result.of("error")} == {"a", "b"}


def test_hardly_more_rows_than_classes_is_a_warning() -> None:
    data = texts(train={"text": FOUR, "label": ["a", "b", "c", "a"]})
    assert "4 training rows with a label for 3" in only(report(data), "targets").message


def test_columns_that_do_not_exist_are_named_with_the_nearest() -> None:
    data = texts(train={"text": FOUR, "label": ["a", "b"] * 2})
    result = report(data, task("lable"), task(where={"languge": "en"}))
    messages = [finding.message for finding in found(result, "targets")]
    assert "did you mean 'label'" in messages[0]
    assert "languge" in messages[1]


def test_names_and_data_sets_of_tasks() -> None:
    data = texts(train={"text": FOUR, "label": ["a", "b"] * 2})
    result = check({"mail": data}, [task(), task(), task("other", data="male")])
    messages = " ".join(finding.message for finding in found(result, "tasks"))
    assert "did you mean 'mail'" in messages
    assert "two tasks are named 'label'" in messages


@pytest.mark.parametrize(("unknown", "level"), [("error", "error"), ("wrong", "warning")])
def test_new_labels_in_test(unknown, level) -> None:
    data = texts(
        train={"text": FOUR, "label": ["a", "b", "a", "b"]},
        test={"text": FOUR, "label": ["a", "c", "c", None]},
    )
    finding = only(report(data, task(output=Classification(unknown=unknown))), "unseen")
    assert (finding.level, finding.split) == (level, "test")
    assert finding.details["labels"] == {"c": 2}
    assert "1 label that training does not have ('c'), 2 times (66.7 %)" in finding.message


def test_labels_that_are_given_are_not_new() -> None:
    data = texts(
        train={"text": FOUR, "label": ["a", "b", "a", "b"]},
        test={"text": FOUR, "label": ["a", "c", "c", "a"]},
    )
    result = report(data, task(output=Classification(classes=("a", "b", "c"))))
    assert not found(result, "unseen")


def test_a_number_as_int_and_as_float_is_one_label() -> None:
    data = texts(
        train={"text": FOUR, "label": [0, 1, 0, 1]},
        test={"text": FOUR, "label": [0.0, math.nan, 1.0, 1.0]},
    )
    assert not found(report(data), "unseen")


def test_new_tags_and_new_labels_of_sets() -> None:
    data = data_set(
        Words(column="words"),
        train={"words": [["x", "y"]] * 4, "tags": [["A", "B"]] * 4, "set": ["p, q"] * 4},
        test={"words": [["x", "y"]] * 4, "tags": [["A", "C"]] * 4, "set": ["p, r"] * 4},
    )
    result = report(data, task("tags", Tagging()), task("set", MultiLabel()))
    new = {finding.task: finding.details["labels"] for finding in found(result, "unseen")}
    assert new == {"tags": {"C": 4}, "set": {"r": 4}}
    assert not found(result, "targets")  # once is enough


def test_a_split_without_labels_is_a_warning() -> None:
    data = texts(
        train={"text": FOUR, "label": ["a", "b"] * 2}, test={"text": FOUR, "label": [None] * 4}
    )
    finding = only(report(data), "targets")
    assert (finding.level, finding.split) == ("warning", "test")


def test_targets_of_other_splits_are_read() -> None:
    data = texts(
        train={"text": FOUR, "label": [1.0, 2.0, 3.0, 4.0]},
        test={"text": FOUR, "label": [1.0, math.inf, 2.0, 3.0]},
    )
    finding = only(report(data, task(output=Regression())), "targets")
    assert "test.csv, line 2" in finding.message


def test_a_strong_shift_of_labels_and_of_numbers() -> None:
    many = [f"text {i}" for i in range(400)]
    train = {"text": many, "label": ["a", "b"] * 200, "y": np.linspace(0, 1, 400)}
    test = {"text": many, "label": ["a"] * 300 + ["b"] * 100, "y": np.linspace(0.5, 1.5, 400)}
    tasks = [task(), task("y", Regression())]
    shifted = found(report(texts(train=train, test=test), *tasks), "shift")
    assert shifted[0].details["distance"] == pytest.approx(0.25)
    assert "'a' is 50.0 % there and 75.0 % here" in shifted[0].message
    assert shifted[1].details["distance"] == pytest.approx(0.5 / np.linspace(0, 1, 400).std())
    assert not found(report(texts(train=train, test=train), *tasks), "shift")


def test_few_rows_shift_by_chance() -> None:
    many = [f"text {i}" for i in range(400)]
    data = texts(
        train={"text": many, "label": ["a", "b"] * 200},
        test={"text": FOUR, "label": ["a", "a", "a", "b"]},
    )
    assert not found(report(data), "shift")


def test_missing_shares_and_distribution() -> None:
    data = numbers(
        "x",
        train={"x": [1.0, 2.0, 3.0, 4.0], "label": ["a", None, "b", "a"]},
        test={"x": [1.0, 2.0, 3.0, 4.0], "label": ["a"] * 4},
    )
    result = report(data)
    assert only(result, "missing").details["missing"] == {"train": 0.25, "test": 0.0}
    labels = only(result, "balance").details["labels"]
    assert labels == {"train": {"a": 2, "b": 1}, "test": {"a": 4}}


def test_tasks_told_apart_by_a_column_see_their_rows_only() -> None:
    columns = {"text": FOUR, "label": ["a", "b", "a", "a"], "lang": ["en", "en", "fr", "fr"]}
    tasks = [task(name, target="label", where={"lang": name}) for name in ("en", "fr")]
    result = report(texts(train=columns), *tasks)
    assert {finding.task for finding in result.of("error")} == {"fr"}
    assert only(result, "missing", task="en").details["missing"] == {"train": 0.5}
