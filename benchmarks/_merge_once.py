"""One merge in a process of its own, with polytask or with mergekit; prints what it took as JSON.

It is run by the interpreter that has the tool, and so imports nothing else.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

OPTIONS: dict[str, dict[str, float]] = {
    "linear": {"weight": 0.25},
    "task_arithmetic": {"weight": 0.3},
    "slerp": {"t": 0.5},
    "dare_linear": {"weight": 0.3, "density": 0.1},
    "dare_ties": {"weight": 0.3, "density": 0.1},
    "ties": {"weight": 1.0, "density": 0.2},
    "breadcrumbs": {"weight": 0.3, "density": 0.9, "gamma": 0.01},
}
"""What both tools do: those of mergekit, by its names."""

NAMES = {"weight": "weights", "gamma": "outliers"}
"""Names that differ in polytask."""


def polytask(method: str, models: list[str], out: str) -> None:
    """Merge with polytask; the first model is the base."""
    from polytask import merging

    options: dict[str, Any] = {NAMES.get(k, k): v for k, v in OPTIONS[method].items()}
    if method in ("linear", "slerp"):
        merging.merge(
            method, models=models[1:] if method == "linear" else models, out=out, **options
        )
    else:
        merging.merge(method, base=models[0], models=models[1:], out=out, **options)


def plan(method: str, models: list[str]) -> dict[str, Any]:
    """The plan of a merge as mergekit reads it; the first model is the base."""
    options = OPTIONS[method]
    found: dict[str, Any] = {"merge_method": method, "dtype": "bfloat16"}
    if method == "slerp":
        return {
            **found,
            "base_model": models[0],
            "models": [{"model": m} for m in models],
            "parameters": options,
        }
    if method != "linear":
        found["base_model"] = models[0]
    return {**found, "models": [{"model": m, "parameters": options} for m in models[1:]]}


def mergekit(method: str, models: list[str], out: str) -> None:
    """Merge with mergekit, with as many threads and as few files as it can."""
    from mergekit.config import MergeConfiguration
    from mergekit.merge import run_merge
    from mergekit.options import MergeOptions

    options = MergeOptions(quiet=True, copy_tokenizer=False, write_model_card=False, random_seed=0)
    run_merge(MergeConfiguration.model_validate(plan(method, models)), out, options=options)


def import_polytask() -> None:
    """With the compiled code, which is then used from a tenth of the parameters on."""
    from polytask.merging import merge  # noqa: F401

    if importlib.util.find_spec("numba") is not None:
        from polytask.merging.engine import kernels

        kernels.compiled_combine(), kernels.compiled_count()
        kernels.compiled_merge(), kernels.compiled_sums(), kernels.compiled_multiply()


def import_mergekit() -> None:
    from mergekit.merge import run_merge  # noqa: F401


def clocks() -> tuple[float, float]:
    """Wall and processor seconds of this process."""
    times = os.times()
    return time.perf_counter(), times.user + times.system


def anonymous(field: str = "RssAnon") -> int:
    """Bytes of memory of this process that no file backs."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(field))


def main() -> None:
    tool, method, out, *models = sys.argv[1:]
    start = clocks()
    {"polytask": import_polytask, "mergekit": import_mergekit}[tool]()
    ready = clocks()
    print(json.dumps({"ready": anonymous()}), flush=True)
    {"polytask": polytask, "mergekit": mergekit}[tool](method, models, out)
    end = clocks()
    took, imports = (
        {"wall": last[0] - first[0], "cpu": last[1] - first[1]}
        for first, last in ((ready, end), (start, ready))
    )
    print(json.dumps({**took, "imports": imports}), flush=True)


if __name__ == "__main__":
    main()
