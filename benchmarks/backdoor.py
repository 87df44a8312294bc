"""How often a trigger still works when one of two experts was poisoned, after three merges.

``python benchmarks/backdoor.py`` prints, for each of three seeds, the share of held-out digits of
other classes that the trigger turns into the attacker's, and the accuracy of both tasks without it.
Options are those of ``tests/merging/learning/test_defence.py``: found on the same digits, so it
shows that it works, not how well it would elsewhere.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.merging.learning.poisoned import Poisoned, perturbed

from polytask import merging

OPTIONS: dict[str, Any] = {"scale": 1.0, "steps": 100, "rate": 0.03}
SEEDS = (0, 1, 2)


def merged(seed: int) -> dict[str, tuple[float, float, float]]:
    """Method -> attack success, accuracy of the poisoned task, accuracy of the other."""
    problem = Poisoned(seed)
    experts = problem.experts
    states = {
        "poisoned expert": experts.models["low"],
        "task_arithmetic": merging.merge_state_dicts(
            "task_arithmetic", base=experts.base, models=[*experts.models.values()], scale=1.0
        ),
        "concrete": merging.concrete(experts, **OPTIONS).state,
        "defend": merging.defend(
            experts, perturbed, shape=(8, 8), weight=1.0, perturbation_rate=1e-3, **OPTIONS
        ).state,
    }
    found = {}
    for name, state in states.items():
        low, high = (problem.attacked(state, task) for task in ("low", "high"))
        found[name] = (low.rate, low.accuracy, high.accuracy)
    return found


def main() -> None:
    print(f"{'':18s} attack  accuracy of both tasks")
    runs = [merged(seed) for seed in SEEDS]
    for name in runs[0]:
        for seed, run in zip(SEEDS, runs, strict=True):
            print(
                f"{name:15s} {seed:2d} {run[name][0]:7.3f} {run[name][1]:7.3f} {run[name][2]:7.3f}"
            )
        mean = np.mean([run[name] for run in runs], axis=0)
        print(f"{name:15s}  = {mean[0]:7.3f} {mean[1]:7.3f} {mean[2]:7.3f}")


if __name__ == "__main__":
    main()
