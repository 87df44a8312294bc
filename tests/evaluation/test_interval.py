"""Intervals: coverage by simulation, and the cases at the edge."""

from __future__ import annotations

import numpy as np
import pytest
from tests.evaluation.runs import classes, sentences, values

from polytask.evaluation import Interval, bootstrap, estimate
from polytask.evaluation.bootstrap import draw_counts
from polytask.evaluation.interval import seed_variance
from polytask.tasks.metrics import AUROC, MAE, CalibrationError, Evidence

RESAMPLES = 200


def _errors(errors: np.ndarray) -> Evidence:
    truth = np.zeros(len(errors))
    return Evidence(np.arange(len(errors)), errors, truth, np.ones(len(errors), dtype=bool))


def _covers(
    rng: np.random.Generator, *, seeds: int, between: float, own: float, common: float
) -> bool:
    """One simulated experiment: is the true mean of 100 inside the interval?"""
    examples = 80
    error = 100 + rng.normal(0, between, (seeds, 1)) + rng.normal(0, common, examples)
    error = error + rng.normal(0, own, (seeds, examples))
    values = bootstrap([(MAE(), _errors(row)) for row in error], resamples=RESAMPLES)
    interval = estimate([values.T])[1]
    assert interval is not None
    return 100.0 in interval


@pytest.mark.parametrize(
    ("seeds", "between", "common"),
    [(2, 0.1, 1.0), (3, 0.0, 1.0), (3, 0.1, 0.0), (3, 0.1, 1.0), (3, 1.0, 1.0), (5, 0.1, 1.0)],
)
def test_coverage_over_seeds_and_examples(seeds: int, between: float, common: float) -> None:
    rng = np.random.default_rng([seeds, int(10 * between), int(common)])
    hits = [_covers(rng, seeds=seeds, between=between, own=1.0, common=common) for _ in range(300)]
    assert 0.90 <= np.mean(hits) <= 0.985


def test_coverage_of_examples_alone_with_one_seed() -> None:
    rng = np.random.default_rng(0)
    hits = [_covers(rng, seeds=1, between=0.0, own=1.0, common=0.0) for _ in range(400)]
    assert 0.90 <= np.mean(hits) <= 0.98


def test_resampling_the_seeds_would_not_cover() -> None:
    """Why seeds are not simply resampled: with three of them that interval is far too short."""
    rng = np.random.default_rng(0)
    hits = []
    for _ in range(300):
        found = rng.normal(size=3)
        means = found[rng.integers(3, size=(RESAMPLES, 3))].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        hits.append(low <= 0 <= high)
    assert np.mean(hits) < 0.85


def test_a_biased_metric_stays_inside_its_interval() -> None:
    """Resampled calibration errors are all too large; the shift takes that out."""
    rng = np.random.default_rng(0)
    rows = classes(rng.integers(0, 3, 40), 0.8, rng)
    found = bootstrap([(CalibrationError(), rows)], resamples=RESAMPLES).T
    value, interval = estimate([found])
    assert np.median(found[1:]) > value
    assert interval is not None
    assert interval.low < value < interval.high


def test_equal_models_differ_by_exactly_nothing() -> None:
    rng = np.random.default_rng(0)
    rows = values(rng.normal(size=50), 1.0, rng)
    one, other = bootstrap([(MAE(), rows), (MAE(), rows)], resamples=RESAMPLES)
    assert estimate([(one - other)[:, None]]) == (0.0, Interval(0.0, 0.0))


def test_pairing_shortens_the_interval() -> None:
    rng = np.random.default_rng(0)
    error = rng.normal(100, 5, 100)
    rows = [_errors(error), _errors(error + rng.normal(1, 0.1, 100))]
    found = bootstrap([(MAE(), row) for row in rows], resamples=RESAMPLES)
    paired = estimate([(found[1] - found[0])[:, None]])[1]
    apart = bootstrap([(MAE(), rows[1])], resamples=RESAMPLES, purpose="other draws")
    unpaired = estimate([apart.T, -found[:1].T])[1]
    assert paired is not None
    assert unpaired is not None
    assert 20 * (paired.high - paired.low) < unpaired.high - unpaired.low


def test_ids_pair_examples_of_tasks_that_share_some() -> None:
    """A task that has part of the examples sees the draws of just those."""
    rng = np.random.default_rng(0)
    rows = values(rng.normal(size=30), 1.0, rng)
    part = rows.take(np.array([3, 7, 20]))
    both = bootstrap([(MAE(), rows), (MAE(), part)], resamples=50)
    counts = np.concatenate(list(draw_counts(30, 50, _same_generator())))
    np.testing.assert_allclose(both[1, 1:], MAE().resampled(part, counts[:, [3, 7, 20]]))


def _same_generator() -> np.random.Generator:
    from polytask.randomness import seeded

    return seeded(0, "bootstrap", "")


def test_counts_come_in_chunks() -> None:
    chunks = list(draw_counts(20, 10, np.random.default_rng(0), entries=60))
    assert [len(chunk) for chunk in chunks] == [3, 3, 3, 1]
    assert all((chunk.sum(axis=1) == 20).all() for chunk in chunks)
    whole = np.concatenate(list(draw_counts(20, 10, np.random.default_rng(0))))
    np.testing.assert_array_equal(np.concatenate(chunks), whole)


def test_words_are_resampled_by_sentence() -> None:
    rng = np.random.default_rng(0)
    rows = sentences([3, 9, 1, 5], 0.7, rng)
    found = bootstrap([(CalibrationError(), rows)], resamples=20)
    assert found.shape == (1, 21)
    assert np.isfinite(found).all()


def test_resamplings_without_a_value_are_left_out() -> None:
    """AUROC with one positive of 20: a third of the resamplings have none."""
    rng = np.random.default_rng(0)
    truth = (np.arange(20) == 0).astype(np.int64)
    scores = rng.random((20, 2))
    rows = Evidence(np.arange(20), scores, truth, np.ones(20, dtype=bool))
    found = bootstrap([(AUROC(), rows)], resamples=RESAMPLES).T
    assert 0.2 < np.isnan(found).mean() < 0.5
    assert estimate([found])[1] is not None
    found[1:200] = np.nan
    assert estimate([found])[1] is None


def test_a_value_that_is_not_defined_has_no_interval() -> None:
    found = np.full((100, 1), np.nan)
    value, interval = estimate([found])
    assert np.isnan(value)
    assert interval is None


def test_rounding_does_not_decide() -> None:
    noise = np.linspace(1e-17, 1, 101)
    values = np.concatenate([[np.median(noise)], noise])[:, None]
    assert estimate([values], level=1.0)[1] == Interval(0.0, 1.0)


def test_seed_variance_takes_off_what_examples_bring() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        rows = [_errors(100 + rng.normal(0, 1, 100)) for _ in range(4)]
        found.append(bootstrap([(MAE(), row) for row in rows], resamples=50).T)
    raw = np.mean([arm[0].var(ddof=1) for arm in found])
    assert np.mean([seed_variance(arm) for arm in found]) < 0.4 * raw
