from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polytask.data.choice import Choice
from polytask.data.mixtures import (
    MIXTURES,
    Fixed,
    Mixture,
    Phase,
    Power,
    Proportional,
    RoundRobin,
    Schedule,
    Temperature,
    Uniform,
)
from polytask.errors import InputError

SIZES = {"a": 100, "b": 400, "c": 1600}
RULES = [
    (Uniform(), [1 / 3, 1 / 3, 1 / 3]),
    (Proportional(), [100 / 2100, 400 / 2100, 1600 / 2100]),
    (Proportional(cap=200), [1 / 5, 2 / 5, 2 / 5]),
    (Temperature(temperature=2), [1 / 7, 2 / 7, 4 / 7]),
    (Temperature(temperature=2, cap=400), [1 / 5, 2 / 5, 2 / 5]),
    (Power(alpha=0), [1 / 3, 1 / 3, 1 / 3]),
    (Power(alpha=0.5), [1 / 7, 2 / 7, 4 / 7]),
    (Power(alpha=1), [100 / 2100, 400 / 2100, 1600 / 2100]),
    (Fixed(weights={"c": 3, "a": 1}), [1 / 4, 0, 3 / 4]),
]


def choice(mixture: Mixture, per_step: int = 1, seed: int = 0) -> Choice:
    return Choice(mixture, SIZES, SIZES, per_step=per_step, seed=seed)


@pytest.mark.parametrize(("mixture", "expected"), RULES)
def test_probabilities(mixture: Mixture, expected: list[float]) -> None:
    found = mixture.at(0, SIZES)
    assert found.names == ("a", "b", "c")
    np.testing.assert_allclose(found.values, expected)
    assert found.drawn == mixture.drawn(SIZES)


@pytest.mark.parametrize(("mixture", "expected"), RULES)
def test_long_run_frequencies(mixture: Mixture, expected: list[float]) -> None:
    steps, source = 20000, choice(mixture)
    counts = Counter(name for step in range(steps) for name in source.at(step))
    for name, p in zip(SIZES, expected, strict=True):
        # Five standard deviations: wrong by chance once in a million.
        assert abs(counts[name] - steps * p) <= 5 * np.sqrt(steps * p * (1 - p))


@pytest.mark.parametrize(("mixture", "expected"), RULES[1:])
def test_shares_of_examples_do_not_depend_on_batch_sizes(
    mixture: Mixture, expected: list[float]
) -> None:
    steps, examples = 20000, {"a": 50.0, "b": 10.0, "c": 4.0}
    batches = {name: round(SIZES[name] / examples[name]) for name in SIZES}
    source = Choice(mixture, SIZES, batches, per_step=1, seed=0)
    counts = Counter(name for step in range(steps) for name in source.at(step))
    by_draw = {name: counts[name] * examples[name] for name in SIZES}
    shares = [by_draw[name] / sum(by_draw.values()) for name in SIZES]
    if isinstance(mixture, Fixed):
        shares = [counts[name] / steps for name in SIZES]
    np.testing.assert_allclose(shares, expected, atol=0.03)


def test_round_robin_takes_turns() -> None:
    assert [choice(RoundRobin()).at(step) for step in range(4)] == [["a"], ["b"], ["c"], ["a"]]
    pairs = [choice(RoundRobin(), per_step=2).at(step) for step in range(3)]
    assert pairs == [["a", "b"], ["a", "c"], ["b", "c"]]


def test_a_schedule_changes_at_its_steps() -> None:
    phases = [
        Phase(until=3, weights={"a": 1}),
        Phase(until=5, weights={"b": 1}),
        Phase(weights=SIZES),
    ]
    source = choice(Schedule(phases=phases))
    assert [source.at(step) for step in range(5)] == [["a"]] * 3 + [["b"]] * 2
    assert {name for step in range(5, 60) for name in source.at(step)} == set(SIZES)
    assert source.at(4) == ["b"]  # back again
    assert source.mixture.drawn(SIZES) == set(SIZES)
    first = [phases[0], Phase(weights={"b": 1})]
    assert Schedule(phases=first).drawn(SIZES) == {"a", "b"}


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(1e-12, 1e12), min_size=2, max_size=12),
    st.integers(1, 12),
    st.integers(0, 5000),
)
def test_several_per_step_are_all_different(weights: list[float], count: int, step: int) -> None:
    names = {f"d{index}": 1 for index in range(len(weights))}
    mixture = Fixed(weights=dict(zip(names, weights, strict=True)))
    count = min(count, len(names))
    found = Choice(mixture, names, names, per_step=count, seed=0).at(step)
    assert len(set(found)) == len(found) == count


def test_further_ones_follow_the_probabilities_of_what_is_left() -> None:
    mixture, steps = Fixed(weights={"a": 1, "b": 2, "c": 5}), 8000
    source = choice(mixture, per_step=2)
    counts = Counter(tuple(source.at(step)) for step in range(steps))
    p = {"a": 1 / 8, "b": 2 / 8, "c": 5 / 8}
    for first, second in [(x, y) for x in p for y in p if x != y]:
        expected = p[first] * p[second] / (1 - p[first])
        deviation = np.sqrt(steps * expected * (1 - expected))
        assert abs(counts[first, second] - steps * expected) <= 5 * deviation


def test_all_per_step_are_those_with_a_weight() -> None:
    assert choice(Uniform(), per_step=3).at(7) == ["a", "b", "c"]
    assert choice(Fixed(weights={"c": 1, "a": 1}), per_step=3).at(7) == ["a", "c"]


def test_recipes_know_every_mixture() -> None:
    spec = {
        "type": "schedule",
        "phases": [{"until": 2, "weights": {"a": 1}}, {"weights": {"b": 1}}],
    }
    built = MIXTURES.build(spec)
    assert [built.at(step, SIZES).drawn for step in (1, 2)] == [{"a"}, {"b"}]
    with pytest.raises(InputError, match="did you mean 'until'"):
        MIXTURES.build({"type": "schedule", "phases": [{"untill": 2}]})
    assert all(MIXTURES.describe().values())


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Fixed(weights={"d": 1}).at(0, SIZES), "unknown data set 'd'"),
        (lambda: Fixed(weights={"a": -1, "b": 1}).at(0, SIZES), "not negative"),
        (lambda: Fixed(weights={"a": 0}).at(0, SIZES), "not all zero"),
        (lambda: Proportional(cap=0), "cap must be at least 1"),
        (lambda: Temperature(cap=0), "cap must be at least 1"),
        (lambda: Temperature(temperature=0.5), "T must be at least 1"),
        (lambda: Temperature(temperature=float("nan")), "T must be at least 1"),
        (lambda: Power(alpha=float("inf")), "alpha must be finite"),
        (lambda: Schedule(phases=[]), "every phase but the last"),
        (lambda: Schedule(phases=[Phase(until=3)]), "every phase but the last"),
        (lambda: Schedule(phases=[Phase(), Phase()]), "every phase but the last"),
        (lambda: Schedule(phases=[Phase(until=3), Phase(until=3), Phase()]), "must rise"),
    ],
)
def test_what_makes_no_sense_is_refused(make, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()
