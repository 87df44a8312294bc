"""Comparisons of runs: verdicts, edge cases, files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tests.evaluation.runs import (
    many_runs,
    many_tasks,
    sentences,
    tagging,
    three_runs,
    three_tasks,
    write_run,
)

from polytask.errors import InputError
from polytask.evaluation import (
    Comparison,
    Interval,
    compare,
    compare_folder,
    compare_runs,
    pooled_metric,
    read_comparison,
    write_comparison,
)
from polytask.tasks import Task, TaskSet
from polytask.tasks.metrics import Evidence, ExplainedVariance

MULTI = {"left": 0.75, "right": 0.86, "total": 0.5}
SINGLE = {"left": 0.90, "right": 0.86, "total": 0.9}


def _compared(**options: int) -> Comparison:
    runs = three_runs(MULTI, noise=1), three_runs(SINGLE, noise=2)
    return compare(three_tasks(), *runs, resamples=options.get("resamples", 500))


def test_verdicts_follow_the_direction_of_the_metric() -> None:
    """left lost accuracy; total lost error, which is a gain."""
    found = _compared()
    assert found.named("hurt") == ["left"]
    assert found.named("helped") == ["total"]
    assert found.named("unchanged") == ["right"]
    total = found.tasks[2]
    assert total.primary == "rmse"
    assert total.change is not None
    assert total.change.value is not None
    assert total.change.value < 0
    assert total.gain is not None
    assert total.gain.value == -total.change.value
    assert total.relative is not None
    assert total.relative > 0


def test_numbers_agree_with_the_plain_metrics() -> None:
    tasks, multi, single = three_tasks(), three_runs(MULTI), three_runs(SINGLE, noise=2)
    found = compare(tasks, multi, single, resamples=100)
    metric = tasks["left"].output.metrics()["accuracy"]
    by_hand = [metric.value(multi[seed]["left"]) for seed in multi]
    left = found.tasks[0].metrics["accuracy"]
    assert left.multi.values == pytest.approx(by_hand)
    assert left.multi.mean == pytest.approx(np.mean(by_hand))
    assert left.multi.std == pytest.approx(np.std(by_hand, ddof=1))
    assert found.tasks[0].multi.value == pytest.approx(np.mean(by_hand))
    assert left.single is not None
    assert left.single.mean is not None
    assert left.change == pytest.approx(np.mean(by_hand) - left.single.mean)
    assert found.delta_m is not None
    assert found.delta_m.percent.value == pytest.approx(
        np.mean([task.relative for task in found.tasks])
    )


def test_identical_models_are_unchanged_with_a_zero_interval() -> None:
    runs = three_runs(MULTI)
    found = compare(three_tasks(), runs, runs, resamples=200)
    assert found.named("unchanged") == ["left", "right", "total"]
    for task in found.tasks:
        assert task.change is not None
        assert task.change.interval == Interval(0.0, 0.0)


def test_the_same_evidence_gives_the_same_interval() -> None:
    assert _compared(resamples=200) == _compared(resamples=200)


def test_without_baseline_there_are_values_only() -> None:
    found = compare(three_tasks(), three_runs(MULTI), resamples=200)
    assert not found.has_baseline
    assert found.delta_m is None
    assert all(task.verdict is None and task.change is None for task in found.tasks)
    assert all(task.multi.interval is not None for task in found.tasks)


def test_one_seed_has_no_spread() -> None:
    runs = three_runs(MULTI, seeds=(4,)), three_runs(SINGLE, seeds=(4,), noise=2)
    found = compare(three_tasks(), *runs, resamples=200)
    assert found.seeds == (4,)
    assert found.tasks[0].metrics["accuracy"].multi.std is None
    assert found.tasks[0].verdict == "hurt"


@pytest.mark.parametrize("examples", [1, 2, 5])
def test_few_examples_claim_nothing_more_than_they_show(examples: int) -> None:
    runs = (three_runs(x, examples=examples, noise=n) for n, x in enumerate([MULTI, SINGLE]))
    found = compare(three_tasks(), *runs, resamples=200)
    assert all(task.notes for task in found.tasks)
    if examples == 1:
        assert found.named("unknown") == ["left", "right", "total"]


def test_a_task_without_test_examples_is_shown_as_such() -> None:
    empty = Evidence(np.zeros(0, int), np.zeros((0, 3)), np.zeros(0, int), np.zeros(0, bool))
    multi = {s: {**found, "left": empty} for s, found in three_runs(MULTI).items()}
    found = compare(three_tasks(), multi, three_runs(MULTI, noise=2), resamples=100)
    assert found.tasks[0].examples == 0
    assert found.tasks[0].notes == ("no labelled test example",)
    assert found.tasks[0].metrics == {}
    assert found.delta_m is not None
    assert found.delta_m.tasks == 2


def test_models_must_see_the_same_test() -> None:
    single = three_runs(SINGLE, examples=150)
    with pytest.raises(InputError, match=r"'left'.*different examples \(200 and 150"):
        compare(three_tasks(), three_runs(MULTI), single)
    other = three_runs(SINGLE)
    found = other[0]["right"]
    changed = Evidence(found.ids, found.scores, (np.asarray(found.targets) + 1) % 3, found.mask)
    with pytest.raises(InputError, match=r"'right'.*targets"):
        compare(three_tasks(), three_runs(MULTI), {**other, 0: {**other[0], "right": changed}})


def test_every_seed_must_be_evaluated() -> None:
    runs = three_runs(MULTI)
    lacking = {**runs, 1: {name: x for name, x in runs[1].items() if name != "total"}}
    with pytest.raises(InputError, match=r"'total'.*seeds \[0, 2\], not with \[1\]"):
        compare(three_tasks(), lacking)
    with pytest.raises(InputError, match="no evaluated run"):
        compare(three_tasks(), {})


def test_words() -> None:
    runs = [
        {
            seed: {"pos": sentences([4] * 60, right, np.random.default_rng([5, seed]))}
            for seed in range(3)
        }
        for right in (0.95, 0.7)
    ]
    found = compare(tagging(), *runs, resamples=300)
    assert found.tasks[0].verdict == "helped"
    assert found.tasks[0].examples == 60


def test_schools_are_pooled() -> None:
    tasks = many_tasks(10)
    multi, single = many_runs(tasks, 1.0, noise=1), many_runs(tasks, 2.0, noise=2)
    found = compare(tasks, multi, single, resamples=300)
    (pool,) = found.pooled
    assert pool.name == "score of all 10 tasks"
    assert pool.examples == 200
    assert pool.verdict == "helped"
    by_hand = [pooled_metric(multi[seed], ExplainedVariance()) for seed in multi]
    assert pool.multi.value == pytest.approx(np.mean(by_hand))
    mean = np.mean([task.multi.value for task in found.tasks if task.multi.value is not None])
    assert pool.multi.value > mean + 0.1, "pooling also rewards to know the level of a school"


def test_unlike_tasks_are_not_pooled() -> None:
    assert _compared(resamples=50).pooled == ()


def test_json_round_trip(tmp_path: Path) -> None:
    found = _compared(resamples=100)
    file = tmp_path / "metrics.json"
    write_comparison(found, file)
    assert read_comparison(file) == found
    assert json.loads(file.read_text())["tasks"][0]["name"] == "left"


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot be read"), ('{"seeds": [0]}', "tasks: Field required"), ("[]", "content")],
)
def test_a_wrong_metrics_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "metrics.json"
    file.write_text(text)
    with pytest.raises(InputError, match=f"metrics.json: .*{message}"):
        read_comparison(file)


def test_folder(tmp_path: Path) -> None:
    runs = three_runs(MULTI, noise=1), three_runs(SINGLE, noise=2)
    write_run(tmp_path, three_tasks(), *runs)
    assert compare_folder(tmp_path, three_tasks(), resamples=500) == _compared()
    with pytest.raises(InputError, match="no evaluated model"):
        compare_folder(tmp_path / "multi", three_tasks())


def test_runs_side_by_side(tmp_path: Path) -> None:
    tasks = three_tasks()
    first = write_run(tmp_path / "first", tasks, three_runs(SINGLE, noise=1), None)
    second = write_run(tmp_path / "second", tasks, three_runs(MULTI, noise=2), None)
    fewer = write_run(tmp_path / "fewer", tasks, three_runs(MULTI, noise=3, seeds=(7,)), None)
    found = compare_runs([first, second, fewer], tasks, resamples=300)
    assert found.first == "first"
    assert list(found.others) == ["second", "fewer"]
    assert found.others["second"].named("hurt") == ["left"]
    assert found.others["second"].named("helped") == ["total"]


def test_runs_that_cannot_be_compared(tmp_path: Path) -> None:
    tasks = three_tasks()
    first = write_run(tmp_path / "first", tasks, three_runs(MULTI), None)
    other = write_run(tmp_path / "other", tasks, three_runs(MULTI, examples=50), None)
    with pytest.raises(InputError, match=r"other cannot be compared .*different examples"):
        compare_runs([first, other], tasks)
    with pytest.raises(InputError, match="at least two"):
        compare_runs([first], tasks)
    with pytest.raises(InputError, match="twice"):
        compare_runs([first, first], tasks)


def test_evidence_order_does_not_matter() -> None:
    runs, tasks = three_runs(MULTI), three_tasks()
    turned = {
        seed: {name: rows.take(np.arange(len(rows))[::-1]) for name, rows in found.items()}
        for seed, found in runs.items()
    }
    found = compare(tasks, runs, turned, resamples=100)
    assert all(task.change == found.tasks[0].change for task in found.tasks)


def test_a_task_of_another_set_is_unknown_to_nobody() -> None:
    """Tasks without any evidence stay in the table, with a note."""
    extra = Task(name="extra", data="digits", output=three_tasks()["left"].output)
    tasks = TaskSet([*three_tasks().values(), extra])
    found = compare(tasks, three_runs(MULTI), resamples=50)
    assert found.tasks[3].notes == ("no labelled test example",)
