"""Numbers, sentences and the view in a terminal."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
from rich.console import Console
from tests.evaluation.runs import three_runs, three_tasks, write_run

from polytask.evaluation import (
    Comparison,
    DeltaM,
    Estimate,
    Interval,
    TaskComparison,
    Verdict,
    compare,
    compare_runs,
)
from polytask.report import caveats, headline, print_comparison, print_runs
from polytask.report.curve import loss_curve
from polytask.report.html import table, tag, text, tree
from polytask.report.numbers import between, number, percent, signed, with_interval


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (0.97312, "0.973"),
        (-0.5, "−0.500"),
        (12.345, "12.35"),
        (123.456, "123.5"),
        (123456.7, "123457"),
        (0.00012345, "0.00012"),
        (0.0, "0.000"),
        (None, "–"),
        (math.nan, "–"),
    ],
)
def test_number(value: float | None, said: str) -> None:
    assert number(value) == said


def test_signs() -> None:
    assert signed(0.25) == "+0.250"
    assert signed(0.0) == "0.000"
    assert percent(-2.04) == "−2.0 %"
    assert between(Interval(-0.0, 0.5)) == "[0.000, +0.500]"
    assert with_interval(Estimate(value=0.1, interval=None)) == "+0.100"


def test_html_is_escaped() -> None:
    assert text("<&\"'>") == "&lt;&amp;&quot;&#x27;&gt;"
    assert tag("b", "<i>", title='"') == '<b title="&quot;">&lt;i&gt;</b>'
    assert "<th" in table(["a"], [["<td>"]])
    assert "&lt;td&gt;" in table(["a"], [["<td>"]])


@pytest.mark.parametrize(
    "value",
    [None, 1, "a", [1, 2], [{"a": 1}], {"a": {"b": 1}, "c": {"b": 2}}, {"a": {"b": {}}}, {}],
)
def test_any_json_can_be_shown(value: object) -> None:
    assert isinstance(tree(value), str)


def _task(name: str, verdict: Verdict) -> TaskComparison:
    none = Estimate(value=None, interval=None)
    options = {"output": "", "data": "", "examples": 9, "primary": "accuracy", "metrics": {}}
    return TaskComparison(name=name, multi=none, single=none, verdict=verdict, **options)


def _comparison(verdicts: list[Verdict], delta: DeltaM | None = None, **more: object) -> Comparison:
    tasks = tuple(_task(f"t{index}", verdict) for index, verdict in enumerate(verdicts))
    options = {"seeds": (0, 1, 2), **more}
    return Comparison(tasks=tasks, delta_m=delta, **options)


def test_headline_names_tasks() -> None:
    delta = DeltaM(percent=Estimate(value=2.13, interval=Interval(0.4, 3.9)), tasks=3)
    found = _comparison(["helped", "hurt", "helped"], delta)
    assert headline(found) == (
        "Training the 3 tasks together helped 2 (t0, t2) and hurt 1 (t1); "
        "delta-m = +2.1 % [+0.4, +3.9]."
    )
    assert caveats(found) == []


def test_headline_of_many_and_of_one() -> None:
    assert "helped 9 (t0, t1, t2, t3, t4, t5 and 3 more)." in headline(_comparison(["helped"] * 9))
    assert headline(_comparison(["unknown"])) == (
        "Training the 1 task together left 1 undecided for want of an interval (t0)."
    )


def test_caveats() -> None:
    delta = DeltaM(
        percent=Estimate(value=300.0, interval=Interval(-10, 900)),
        tasks=2,
        near_zero=("t0",),
        left_out=("t1",),
        gains={"r2": Estimate(value=0.01, interval=Interval(0.002, 0.018))},
    )
    found = _comparison(["unchanged"] * 12, delta, seeds=(0, 1))
    said = " ".join(caveats(found))
    assert "not to be trusted" in headline(found)
    for part in (
        "Two seeds tell little",
        "interval of delta-m holds zero",
        "near a zero baseline, as for t0",
        "leaves out t1",
        "+0.010 [+0.002, +0.018] in r2",
        "Of 12 tasks without any change, about 1",
    ):
        assert part in said


def _console() -> Console:
    return Console(file=io.StringIO(), width=160, color_system=None)


def _shown(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_terminal() -> None:
    levels = ({"left": 0.75, "right": 0.86, "total": 0.5}, {"left": 0.9, "right": 0.86, "total": 1})
    runs = (three_runs(level, noise=n) for n, level in enumerate(levels))
    console = _console()
    print_comparison(compare(three_tasks(), *runs, resamples=200), console)
    shown = _shown(console)
    assert "hurt 1 (left)" in shown
    assert "▼ hurt" in shown
    assert "95% interval" in shown
    assert "rmse ↓" in shown


def test_terminal_markup_in_names_means_nothing() -> None:
    console = _console()
    task = _task("[red]x[/red]", "helped")
    print_comparison(Comparison(seeds=(0,), tasks=(task,)), console)
    assert _shown(console).count("[red]x[/red]") == 2


def test_runs_in_a_terminal(tmp_path: Path) -> None:
    tasks = three_tasks()
    level = {"left": 0.75, "right": 0.86, "total": 0.5}
    folders = [
        write_run(tmp_path / name, tasks, three_runs(level, noise=index), None)
        for index, name in enumerate(["first", "second"])
    ]
    console = _console()
    print_runs(compare_runs(folders, tasks, resamples=100), console)
    assert "Changes are against first." in _shown(console)
    assert "second (change, interval)" in _shown(console)
    assert "delta-m" in _shown(console)


def test_curves_are_means_over_seeds_on_the_share_of_steps() -> None:
    logs = [
        [{"step": 1, "loss": {"a": 4.0}}, {"step": 2, "loss": {"a": 2.0}}],
        [{"step": 2, "loss": {"a": 2.0}}, {"step": 4, "loss": {"a": 0.0}}],
    ]
    curve = loss_curve(logs, "a")
    assert curve is not None
    assert curve.share.tolist() == [0.5, 1.0]
    assert curve.value.tolist() == [3.0, 1.0]
    assert loss_curve(logs, "b") is None
