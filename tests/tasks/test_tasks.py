"""Tasks and sets of tasks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from polytask.errors import InputError
from polytask.tasks import Classification, Tagging, Task, TaskSet


def task(name: str, **options: Any) -> Task:
    return Task(name=name, **{"output": Classification(), "data": "d", **options})


@pytest.mark.parametrize("name", ["", "a/b", "a b", "..", "a\n"])
def test_a_name_must_fit_in_a_file_name(name: str) -> None:
    with pytest.raises(InputError, match="use letters, digits"):
        task(name)


@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("option", ["weight", "learning_rate"])
def test_weights_are_finite_and_not_negative(option: str, weight: float) -> None:
    with pytest.raises(InputError, match="finite and not negative"):
        task("a", **{option: weight})


def test_fit_keeps_everything_but_the_output() -> None:
    before = task("a", weight=2.0, target="mood")
    after = before.fit(np.array(["x", "y"], dtype=object), where="a.csv")
    assert before.output == Classification()
    assert after == task("a", weight=2.0, target="mood", output=Classification(classes=("x", "y")))
    assert (task("a").target_column, after.target_column) == ("a", "mood")


def test_dependencies_come_first() -> None:
    tasks = TaskSet([task("buy", depends_on={"click": "logits"}), task("click"), task("other")])
    assert list(tasks) == ["buy", "click", "other"]
    assert tasks.order.index("click") < tasks.order.index("buy")
    assert sorted(tasks.order) == sorted(tasks)


def test_a_set_is_a_mapping() -> None:
    tasks = TaskSet([task("a"), task("b", data="e")])
    assert len(tasks) == 2
    assert [t.name for t in tasks.of_data("e")] == ["b"]
    assert list(tasks.only(["b"])) == ["b"]
    with pytest.raises(InputError, match="unknown task 'c'"):
        tasks["c"]
    assert "a" in tasks
    assert "c" not in tasks


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([], "at least one task"),
        ([task("a"), task("a")], "two tasks are named 'a'"),
        ([task("aa", depends_on={"bbb": "logits"}), task("bbbb")], "did you mean 'bbbb'"),
        (
            [task("a", depends_on={"b": "logits"}), task("b", depends_on={"a": "detached"})],
            "in a circle: ",
        ),
        ([task("a", depends_on={"a": "logits"})], "in a circle: a -> a"),
        (
            [task("a", depends_on={"b": "logits"}), task("b", output=Tagging())],
            "'b' predicts one target per word, 'a' one per example",
        ),
    ],
)
def test_sets_that_make_no_sense(tasks: list[Task], message: str) -> None:
    with pytest.raises(InputError, match=message):
        TaskSet(tasks)


def test_what_a_dependency_passes_on_is_checked() -> None:
    with pytest.raises(InputError, match="must be 'logits' or 'detached', got 'hidden'"):
        task("a", depends_on={"b": "hidden"})
