"""Input columns that leak, say nothing, cannot be read, or belong to groups; and statistics."""

import math

import numpy as np
import pytest
from tests.data.check.examples import data_set, found, numbers, only, report, task, texts

from polytask.data.check.groups import looks_like_group
from polytask.data.inputs import Features, Text
from polytask.tasks import Regression

RNG = np.random.default_rng(7)
X = RNG.normal(size=60)
LABEL = np.where(RNG.random(60) < 0.5, "yes", "no").astype(object)


def test_the_target_among_the_inputs_is_an_error() -> None:
    data = numbers("x", "y", train={"x": X, "y": X**2})
    finding = only(report(data, task("y", Regression())), "leaks")
    assert (finding.level, finding.column) == ("error", "y")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (X, "equals the target"),
        (2.54 * X + 1, "correlation of 1.0000"),
        (-X + 0.001 * RNG.normal(size=60), "correlation of -1.0000"),
        (X + RNG.normal(size=60), None),
    ],
)
def test_columns_that_are_the_number_in_another_unit(column, said) -> None:
    data = numbers("inch", train={"inch": column, "cm": X})
    leaks = found(report(data, task("cm", Regression())), "leaks")
    assert [said in finding.message for finding in leaks] == ([True] if said else [])


@pytest.mark.parametrize(
    ("column", "said"),
    [
        (np.where(LABEL == "yes", 1, 0), "one label and the other way round"),
        (np.where(LABEL == "yes", np.arange(60) % 2, 2), "always has the same label"),
        (np.arange(60), None),  # every value is new, so it says nothing
        (np.arange(60) % 3, None),
    ],
)
def test_columns_that_determine_the_label(column, said) -> None:
    data = data_set(Features(categorical=["code"]), train={"code": column, "label": LABEL})
    leaks = found(report(data), "leaks")
    assert [said in finding.message for finding in leaks] == ([True] if said else [])


def test_few_rows_agree_by_chance() -> None:
    data = data_set(Features(categorical=["code"]), train={"code": [0, 1] * 4, "label": [0, 1] * 4})
    assert not found(report(data), "leaks")


def test_constant_columns() -> None:
    data = data_set(
        Features(numeric=["x", "one"], categorical=["same"]),
        train={"x": X, "one": np.ones(60), "same": ["u"] * 60, "label": LABEL},
    )
    assert {finding.column for finding in found(report(data), "constants")} == {"one", "same"}


@pytest.mark.parametrize(
    ("made", "values", "message"),
    [
        (Features(numeric=["x"]), [1.0, math.nan, 2.0, 3.0], "set missing: mean"),
        (Features(numeric=["x"]), ["a", "b", "c", "d"], "must be a number"),
        (Features(numeric=["z"]), [1.0, 2.0, 3.0, 4.0], "unknown column 'z'"),
        (Text(column="x"), ["a", None, "b", "c"], "must be text, got None"),
    ],
)
@pytest.mark.parametrize("split", ["train", "test"])
def test_inputs_that_cannot_be_read(made, values, message, split) -> None:
    good = {"x": ["a", "b", "c", "d"] if isinstance(made, Text) else [1.0, 2.0, 3.0, 5.0]}
    rows = {"train": good, "test": good, split: {"x": values}}
    labelled = {name: {**columns, "label": ["a", "b"] * 2} for name, columns in rows.items()}
    result = report(data_set(made, **labelled))
    errors = found(result, "inputs")
    if message.startswith("unknown"):
        assert message in errors[0].message
    else:
        assert [(f.level, f.split, message in f.message) for f in errors] == [
            ("error", split, True)
        ]


def test_missing_and_new_categories() -> None:
    data = data_set(
        Features(numeric=["x"], categorical=["c"], missing="mean"),
        train={"x": [1.0, math.nan, math.nan, math.nan], "c": list("aabb"), "label": list("aabb")},
        test={"x": [1.0, 2.0, 3.0, 4.0], "c": ["a", "z", "z", None], "label": list("aabb")},
    )
    result = report(data)
    assert only(result, "missing", column="x", level="warning").details["missing"]["train"] == 0.75
    new = only(result, "statistics", split="test")
    assert (new.level, new.details["rows"]) == ("warning", 3)
    assert only(result, "statistics", column="c", split=None).details == {"categories": 2}
    assert only(result, "statistics", column="x").details == {"range": [1.0, 1.0]}


def test_many_numeric_columns_are_one_line() -> None:
    names = [f"x{i}" for i in range(30)]
    columns = {name: X + i for i, name in enumerate(names)}
    finding = only(report(numbers(*names, train={**columns, "label": LABEL})), "statistics")
    assert "30 numeric columns" in finding.message
    assert len(finding.details["ranges"]) == 30


def test_words_per_text_and_new_words() -> None:
    data = texts(
        train={"text": ["a b", "a", "a b c d"], "label": ["x", "y", "x"]},
        test={"text": ["a z z", "b", "c"], "label": ["x", "y", "x"]},
    )
    train, test = found(report(data), "vocabulary")
    assert train.details == {"min": 1, "median": 2, "95 %": 4, "max": 4, "vocabulary": 4}
    assert test.details["new"] == 2
    assert "40.0 % of all words" in test.message


@pytest.mark.parametrize(
    ("name", "is_group"),
    [("subject#", True), ("patient_id", True), ("userName", True), ("age", False)],
)
def test_names_of_groups(name: str, is_group: bool) -> None:
    assert looks_like_group(name) == is_group


def test_groups_on_two_sides() -> None:
    rows = {"x": X[:20], "speaker": [0, 1] * 10, "label": LABEL[:20]}
    data = numbers("x", train=rows, test={**rows, "speaker": [1, 2] * 10})
    guessed = only(report(data), "groups")
    assert (guessed.level, guessed.details) == ("warning", {"shared": 1, "groups": 2})
    assert "group: speaker" in guessed.message
    assert only(report(data, groups={"mail": "speaker"}), "groups").level == "error"


def test_a_group_that_is_predicted_must_be_on_both_sides() -> None:
    rows = {"x": X[:20], "speaker": ["u", "v"] * 10}
    assert not found(report(numbers("x", train=rows, test=rows), task("speaker")), "groups")


def test_splits_that_are_absent_or_small() -> None:
    data = numbers("x", train={"x": X, "label": LABEL})
    warned = " ".join(finding.message for finding in found(report(data), "sizes"))
    assert "no validation split" in warned
    assert "no test split" in warned
    assert "train 60" in warned
