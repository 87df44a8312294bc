"""The two-dimensional toy: from how many of its five starts does each balancer reach the front?

``python benchmarks/toy.py [steps]``, 50,000 by default, with Adam at 1e-3 as in the papers.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial

from polytask.balance import Balancer, get
from polytask.testing.toy import descend, on_the_front

KNOWN = {
    "equal": 4,
    "scale_invariant": 3,
    "famo": 5,
    "mgda": 5,
    "pcgrad": 4,
    "cagrad": 4,
    "nash_mtl": 5,
    "upgrad": 4,
    "imtl_g": 5,
    "aligned_mtl": 5,
}
"""Starts that reach the front in the papers and their code."""
MORE = ("grad_norm", "grad_vac", "config", "dual_proj", "fair_grad")
"""Methods without published numbers."""
OPTIONS = {"cagrad": {"c": 0.4}, "famo": {"weight_decay": 0.0}}


def makers() -> dict[str, Callable[[], Balancer]]:
    return {name: partial(get, name, **OPTIONS.get(name, {})) for name in (*KNOWN, *MORE)}


def main() -> None:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 50_000
    ends = descend(makers(), steps=steps, learning_rate=1e-3)
    print(f"{'method':16}{'reached':>8}{'known':>8}   ends (x, y)")
    for name, points in ends.items():
        shown = "  ".join(f"({x:5.2f}, {y:5.2f})" for x, y in points.tolist())
        reached, known = int(on_the_front(points).sum()), KNOWN.get(name, "-")
        print(f"{name:16}{reached:>6}/5{known:>8}   {shown}")


if __name__ == "__main__":
    main()
