"""What a comparison says, in plain sentences."""

from __future__ import annotations

from collections.abc import Sequence

from polytask.evaluation import Comparison, DeltaM
from polytask.report.numbers import between, percent, with_interval

__all__ = ["MARKS", "caveats", "headline"]

MARKS = {"helped": "▲", "unchanged": "=", "hurt": "▼", "unknown": "?"}
"""A sign for every verdict, so that nothing depends on colour."""

NAMED = 6
"""Most tasks that a sentence names."""

CHANCE = 10
"""From this number of tasks on, chance findings are mentioned."""


def headline(comparison: Comparison) -> str:
    """The verdict in one sentence."""
    count = len(comparison.tasks)
    if not comparison.has_baseline:
        return (
            f"One model was trained for {_tasks(count)}; whether training them together helps or "
            "hurts is unknown, because no single-task models were trained to compare with."
        )
    parts = [
        _part("helped", "", comparison.named("helped")),
        _part("left", " without a clear change", comparison.named("unchanged")),
        _part("hurt", "", comparison.named("hurt")),
        _part("left", " undecided for want of an interval", comparison.named("unknown")),
    ]
    said = _join([part for part in parts if part])
    who = "the 1 task" if count == 1 else f"the {count} tasks"
    one_seed = "With the one seed that was trained, training"
    start = one_seed if len(comparison.seeds) == 1 else "Training"
    return f"{start} {who} together {said}{_delta(comparison.delta_m)}."


def caveats(comparison: Comparison) -> list[str]:
    """What a reader must know before believing the headline, the most important first."""
    if not comparison.has_baseline:
        return [*_about_seeds(comparison), "Set `baselines: single_task` to train the comparison."]
    return [
        *_about_seeds(comparison),
        *_about_delta(comparison.delta_m),
        *_about_chance(comparison),
    ]


def _about_seeds(comparison: Comparison) -> list[str]:
    count = len(comparison.seeds)
    if count == 1:
        return [
            "Only one seed was trained, so the spread between trainings is unknown: intervals hold "
            "for these very models, and another seed may tell another story."
        ]
    if count == 2:
        return ["Two seeds tell little about the spread between trainings: intervals are wide."]
    return []


def _about_delta(delta: DeltaM | None) -> list[str]:
    if delta is None:
        return []
    said = []
    interval = delta.percent.interval
    if interval is not None and 0 in interval:
        said.append("The interval of delta-m holds zero: over all tasks, no clear gain or loss.")
    if delta.near_zero:
        said.append(
            "delta-m is not to be trusted: a relative change explodes near a zero baseline, as "
            f"for {_names(delta.near_zero)}. Look at the absolute changes."
        )
    if delta.left_out:
        said.append(f"delta-m leaves out {_names(delta.left_out)}: no relative change is defined.")
    gains = [f"{with_interval(gain)} in {name}" for name, gain in delta.gains.items() if gain.value]
    if gains:
        said.append(f"Mean absolute gain (positive: multi-task is better): {'; '.join(gains)}.")
    return said


def _about_chance(comparison: Comparison) -> list[str]:
    count = len(comparison.tasks)
    if count < CHANCE:
        return []
    share = 1 - comparison.level
    return [
        f"Of {count} tasks without any change, about {count * share:.0f} would still be called "
        f"helped or hurt by chance ({share:.0%} each)."
    ]


def _delta(delta: DeltaM | None) -> str:
    if delta is None or delta.percent.value is None:
        return ""
    interval = between(delta.percent.interval, decimals=1)
    doubt = ", not to be trusted (see below)" if delta.near_zero else ""
    return f"; delta-m = {percent(delta.percent.value)} {interval}".rstrip() + doubt


def _part(verb: str, rest: str, names: Sequence[str]) -> str:
    return f"{verb} {len(names)}{rest} ({_names(names)})" if names else ""


def _names(names: Sequence[str]) -> str:
    more = len(names) - NAMED
    shown = ", ".join(names[:NAMED])
    return f"{shown} and {more} more" if more > 0 else shown


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"


def _join(parts: Sequence[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else parts[0]
