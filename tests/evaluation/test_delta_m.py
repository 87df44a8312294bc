"""delta-m by hand."""

from __future__ import annotations

import numpy as np
import pytest

from polytask.evaluation import Interval, TaskValues, delta_m
from polytask.evaluation.change import relative
from polytask.evaluation.delta_m import is_near_zero
from polytask.tasks.metrics import AUROC, MAE, R2, RMSE, Accuracy, Metric


def _task(name: str, metric: Metric, multi: list[float], single: list[float]) -> TaskValues:
    """No resampling changes anything: intervals come from seeds alone."""
    sides = [np.repeat([side], 101, axis=0) for side in (multi, single)]
    return TaskValues(
        name=name,
        metric_name=type(metric).__name__,
        metric=metric,
        multi=sides[0],
        single=sides[1],
    )


def test_by_hand() -> None:
    """(0.88 - 0.80) / 0.80 = +10 %; an error from 2.0 to 2.5 is -25 %; mean -7.5 %."""
    found = delta_m([_task("a", Accuracy(), [0.88], [0.80]), _task("b", RMSE(), [2.5], [2.0])])
    assert found.percent.value == pytest.approx(-7.5)
    assert found.tasks == 2
    assert found.gains["Accuracy"].value == pytest.approx(0.08)
    assert found.gains["RMSE"].value == pytest.approx(-0.5)


def test_means_over_seeds_come_first() -> None:
    """(mean 0.6 - mean 0.5) / mean 0.5, not the mean of the ratios of seeds."""
    found = delta_m([_task("a", Accuracy(), [0.4, 0.8], [0.4, 0.6])])
    assert found.percent.value == pytest.approx(20.0)


def test_equal_models_have_no_gain() -> None:
    found = delta_m([_task("a", Accuracy(), [0.8, 0.9, 0.7], [0.8, 0.9, 0.7])])
    assert found.percent.value == pytest.approx(0.0, abs=1e-12)
    assert found.percent.interval is not None
    assert found.percent.interval.high == pytest.approx(0.0, abs=1e-9)


def test_a_negative_baseline_keeps_the_sign() -> None:
    assert delta_m([_task("a", R2(), [0.1], [-0.4])]).percent.value == pytest.approx(125.0)


@pytest.mark.parametrize(
    ("metric", "single", "near"),
    [
        (Accuracy(), 0.09, True),
        (Accuracy(), 0.11, False),
        (AUROC(), 0.51, False),
        (R2(), -0.05, True),
        (MAE(), 0.001, False),
    ],
)
def test_near_zero(metric: Metric, single: float, near: bool) -> None:
    task = _task("a", metric, [0.5], [single])
    assert is_near_zero(task) is near
    assert delta_m([task]).near_zero == (("a",) if near else ())


def test_a_baseline_whose_interval_holds_zero_is_near_zero() -> None:
    assert is_near_zero(_task("a", MAE(), [5.0, 5.0, 5.0], [0.1, 3.0, 6.0]))


def test_a_baseline_of_zero_is_left_out() -> None:
    zero, fine = _task("zero", MAE(), [1.0], [0.0]), _task("fine", MAE(), [1.0], [2.0])
    found = delta_m([zero, fine])
    assert found.left_out == ("zero",)
    assert found.percent.value == pytest.approx(50.0)
    assert found.gains["MAE"].value == pytest.approx(0.0)
    assert delta_m([zero]).percent.value is None


def test_relative_change_is_linear_in_seeds_to_first_order() -> None:
    """Its spread over seeds is that of the ratio, by the delta method."""
    rng = np.random.default_rng(0)
    multi, single = 0.8 + 0.01 * rng.normal(size=(2, 1, 400))
    (arm,) = relative(multi, single, sign=1, paired=True)
    ratio = (multi - single) / single
    assert arm.mean() == pytest.approx(multi.mean() / single.mean() - 1)
    assert arm.std() == pytest.approx(ratio.std(), rel=0.05)


def test_unpaired_seeds_make_wider_intervals() -> None:
    multi, single = [0.7, 0.8, 0.9], [0.6, 0.7, 0.8]
    paired = _task("a", Accuracy(), multi, single)
    apart = TaskValues(**{**vars(paired), "paired": False})
    narrow, wide = (delta_m([task]).percent.interval for task in (paired, apart))
    assert isinstance(narrow, Interval)
    assert isinstance(wide, Interval)
    assert wide.high - wide.low > 5 * (narrow.high - narrow.low)
