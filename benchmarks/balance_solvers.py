"""How long every Gramian method thinks: its weights alone, without any gradients.

Three kinds of Gramians: ``random`` gradients, ``conflict`` (their mean is nearly 0) and
``dependent`` (a third as many directions as tasks, lengths 1e-3 to 1e3). Medians in processor time
of one thread; wanted are 1, 5 and 50 ms for 8, 40 and 100 tasks. The last column is the same
method of TorchJD at its defaults, if it is installed (benchmark extra) and has it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polytask.balance import BALANCERS, Balancer, GramianWeighting, Losses, get

WANTED = {8: 1.0, 40: 5.0, 100: 50.0}
REPEATS, DRAWS = 7, 3
PEERS = {
    "upgrad": "UPGradWeighting",
    "dual_proj": "DualProjWeighting",
    "mgda": "MGDAWeighting",
    "cagrad": "CAGradWeighting",
    "pcgrad": "PCGradWeighting",
    "imtl_g": "IMTLGWeighting",
    "aligned_mtl": "AlignedMTLWeighting",
    "krum": "KrumWeighting",
}
OPTIONS = {"CAGradWeighting": {"c": 0.4}, "KrumWeighting": {"n_byzantine": 1, "n_selected": 1}}


def balancer(name: str, tasks: int = 1) -> Balancer:
    """A method with its default options, and those that have none."""
    options: dict[str, dict[str, Any]] = {
        "pcd": {"primary": "task 0"},
        "pivrg": {"baselines": {f"task {k}": 1.0 for k in range(tasks)}},
    }
    return get(name, **options.get(name, {}))


def gradients(kind: str, tasks: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((tasks, 3 * tasks))
    if kind == "conflict":
        return rows - 0.999 * rows.mean(0)
    if kind == "dependent":
        few = rng.standard_normal((tasks, tasks // 3)) @ rows[: tasks // 3]
        return np.asarray(few * 10 ** rng.uniform(-3, 3, (tasks, 1)))
    return rows


def milliseconds(work: Callable[[], object]) -> float:
    work()
    times = []
    for _ in range(REPEATS):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return 1000 * float(np.median(times))


def ours(name: str, gramian: Tensor, losses: Losses) -> Callable[[], object]:
    method = balancer(name, len(losses))
    assert isinstance(method, GramianWeighting)
    return lambda: method.weights(gramian, losses)


def peer(name: str, gramian: Tensor) -> Callable[[], object] | None:
    """The same method of TorchJD; None where it, or what it needs, is not installed."""
    method = PEERS.get(name)
    if method is None:
        return None
    try:
        from torchjd import aggregation

        weighting = getattr(aggregation, method)(**OPTIONS.get(method, {}))
    except ImportError:
        return None
    return lambda: weighting(gramian)


def measured(name: str, tasks: int, kind: str) -> tuple[float, float]:
    """Milliseconds of ours and of the peer, the mean over some Gramians; NaN without a peer."""
    found = []
    for seed in range(DRAWS):
        rows = gradients(kind, tasks, seed)
        gramian = torch.from_numpy(rows @ rows.T)
        losses = {f"task {k}": torch.tensor(1.0 + k, dtype=torch.float64) for k in range(tasks)}
        other = peer(name, gramian.float())
        times = milliseconds(other) if other and tasks < 100 else float("nan")
        found.append((milliseconds(ours(name, gramian, losses)), times))
    first, second = np.mean(found, axis=0)
    return float(first), float(second)


def main() -> None:
    torch.set_num_threads(1)
    names = [n for n in BALANCERS if isinstance(balancer(n), GramianWeighting)]
    print(
        f"{'method':18}{'K':>5}{'random':>10}{'conflict':>10}{'dependent':>10}{'TorchJD':>10}  ms"
    )
    for tasks, wanted in WANTED.items():
        for name in names:
            times = [measured(name, tasks, kind) for kind in ("random", "conflict", "dependent")]
            slowest = max(first for first, _ in times)
            cells = "".join(f"{first:10.2f}" for first, _ in times)
            said = "" if slowest <= wanted else f"  over {wanted:g}"
            print(f"{name:18}{tasks:5}{cells}{times[0][1]:10.2f}{said}", flush=True)


if __name__ == "__main__":
    main()
