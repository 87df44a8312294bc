"""The table of the study, and its report with pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from encoder import BATCH
from size import Size

from polytask.report.html import join, section, table, tag
from polytask.report.page import whole_page
from polytask.report.palette import PAGE, WIDTH
from polytask.report.svg import inline_svg

__all__ = ["write_page"]

KINDS = {
    "none": "no training",
    "weights": "weights alone, one model",
    "texts": "texts without classes, one model",
    "labels": "texts with classes, one model",
    "task": "weights alone, a model for each task",
    "parts": "texts without classes, a part for each task",
    "models": "one finetuned model for each task",
    "training": "joint training, one model",
}
HEAD = ("method", "needs", "macro-recall %", "of individual %", "worst task", "factor", "bits")
Results = Sequence[Mapping[str, Any]]
"""Of each seed: method -> result."""


def write_page(folder: Path, readme: Path, size: Size) -> None:
    """Write the recipe's page, and ``report.html`` into the folder of the study.

    Args:
        folder: of the study.
        readme: the recipe's page.
        size: of the study.
    """
    files = sorted(folder.glob("seed-*/results.json"))
    seeds = [int(file.parent.name.removeprefix("seed-")) for file in files]
    results = [json.loads(file.read_text()) for file in files]
    rows = [[*row] for row in _rows(results)]
    lines = [
        "# mergetext",
        f"Eight text classifications, one 22 M parameter encoder finetuned for each ({size.steps} "
        f"steps of {BATCH} texts, frozen heads of class means, matrix products in bf16, weights in "
        f"fp32), merged in many ways"
        f"{_beside(results)}.{_finding(results)}",
        "```bash\npython recipes/mergetext/study.py --out runs/mergetext\n```",
        f"Macro-recall over eight tasks on at most {size.test} test texts each; {_named(seeds)}. "
        f"Factors{_largest(results)} and thresholds are chosen on {size.validation} "
        "validation texts of each task. `bits` are those for each parameter and task, of 32; "
        "models and parts for each task need the name of the task when they predict. Methods that "
        f"need texts see {size.batches * size.rows} training texts of each task (`fisher` "
        f"{size.fisher}). Those that take steps take {size.adaptation}, AdaMerging, `concrete`, "
        "`surgery` and `tinting` at other rates than their defaults: far fewer than in their "
        "papers, so what they can reach is not shown. Not here are methods for two models or one, "
        "and `defend`, which needs an attack.",
        "\n".join(f"| {' | '.join(row)} |" for row in (HEAD, ["---"] * len(HEAD), *rows)),
    ]
    readme.write_text("\n\n".join(lines) + "\n", encoding="utf-8")
    body = join(
        [
            tag("h1", "mergetext"),
            tag("p", lines[1], class_="what"),
            section("Macro-recall on the test texts", table(HEAD, rows)),
            section("How alike the task vectors are", _heat_map(results)),
            section("What the factor does (validation)", _curves(results)),
        ]
    )
    (folder / "report.html").write_text(whole_page("mergetext", body), encoding="utf-8")


def _named(seeds: Sequence[int]) -> str:
    if len(seeds) == 1:
        return f"seed {seeds[0]} alone, so differences of a point may be chance"
    return f"seeds {', '.join(map(str, seeds))}, mean ± standard deviation"


def _largest(results: Results) -> str:
    """Up to which number factors were tried at least."""
    curves = [found["curve"] for seed in results for found in seed.values() if "curve" in found]
    if not curves:
        return ""
    least = min(max(map(float, curve)) for curve in curves)
    return f", up to {least:g} and beyond while the largest is the best,"


def _beside(results: Results) -> str:
    """What merging is compared with, where it was trained."""
    if not all("joint" in result for result in results):
        return ""
    return ", beside joint training on all of them with as many steps for each task"


def _finding(results: Results) -> str:
    """The best of all methods that need weights alone, beside what it is compared with."""
    kinds = {name: results[0][name]["kind"] for name in _measured(results, "mean")}

    def share(name: str) -> float:
        return float(
            np.mean([100 * one[name]["mean"] / one["individual"]["mean"] for one in results])
        )

    if not (merged := [name for name, kind in kinds.items() if kind == "weights"]):
        return ""
    best = max(merged, key=share)
    others = [name for name in ("average", "joint", "base") if name in kinds]
    beside = ", ".join(f"`{name}` {share(name):.1f} %" for name in others)
    return (
        f" The best single model from weights alone below, `{best}`, has {share(best):.1f} % of "
        f"the macro-recall of the finetuned models; {beside}."
    )


def _rows(results: Results) -> list[tuple[str, ...]]:
    """A row for each method that all seeds have, the best of each kind first."""
    names = _measured(results, "mean")
    individual = np.array([result["individual"]["mean"] for result in results])
    means = {name: np.array([result[name]["mean"] for result in results]) for name in names}
    kinds = list(KINDS)
    order = sorted(names, key=lambda n: (kinds.index(results[0][n]["kind"]), -means[n].mean()))
    return [_row(name, [result[name] for result in results], individual) for name in order]


def _measured(results: Results, kind: str) -> list[str]:
    """What has a number of this kind for all seeds."""
    return [name for name in results[0] if all(kind in result.get(name, {}) for result in results)]


def _row(name: str, found: Results, individual: np.ndarray) -> tuple[str, ...]:
    values = np.array([result["mean"] for result in found])
    tasks = list(found[0]["scores"])
    scores = np.array([[result["scores"][task] for task in tasks] for result in found]).mean(0)
    worst = int(scores.argmin())
    factors = [f"{result['scale']:g}" for result in found if "scale" in result]
    return (
        f"`{name}`",
        KINDS[found[0]["kind"]],
        _spread(100 * values),
        _spread(100 * values / individual),
        f"{tasks[worst]} {100 * scores[worst]:.1f}",
        ", ".join(factors),
        f"{found[0]['bits']:.2f}" if "bits" in found[0] else "",
    )


def _spread(values: np.ndarray) -> str:
    spread = f" ± {values.std(ddof=1):.1f}" if len(values) > 1 else ""
    return f"{values.mean():.1f}{spread}"


def _heat_map(results: Results) -> Any:
    from matplotlib.figure import Figure

    names = results[0]["cosines"]["names"]
    cosines = np.mean([result["cosines"]["cosines"] for result in results], axis=0)
    figure = Figure(figsize=(0.7 * WIDTH, 0.6 * WIDTH), layout="constrained")
    axes = figure.subplots()
    largest = float(np.abs(cosines - np.eye(len(names))).max())
    for row, column in np.ndindex(cosines.shape):
        value = cosines[row, column]
        if row != column:
            box = {"color": PAGE.multi if value > 0 else PAGE.single, "alpha": abs(value) / largest}
            axes.fill_between(
                [column - 0.5, column + 0.5], row - 0.5, row + 0.5, linewidth=0, **box
            )
            axes.text(column, row, f"{value:.2f}", ha="center", va="center", color=PAGE.ink)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", color=PAGE.ink)
    axes.set_yticks(range(len(names)), names, color=PAGE.ink)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.set_xlim(-0.5, len(names) - 0.5)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return inline_svg(figure, label="cosines between the task vectors")


def _curves(results: Results) -> Any:
    from matplotlib.figure import Figure

    names = _measured(results, "curve")
    figure = Figure(figsize=(WIDTH, 1.9 * -(-len(names) // 4)), layout="constrained")
    grid = figure.subplots(-(-len(names) // 4), 4, sharex=True, sharey=True, squeeze=False)
    for axes, name in zip(grid.flat, names, strict=False):
        curves = [result[name]["curve"] for result in results]
        scales = [scale for scale in curves[0] if all(scale in curve for curve in curves)]
        values = np.mean([[curve[scale] for scale in scales] for curve in curves], axis=0)
        axes.plot(
            [*map(float, scales)],
            100 * values,
            color=PAGE.multi,
            linewidth=1.6,
            marker="o",
            markersize=3,
        )
        axes.set_title(name, fontsize=9, color=PAGE.ink, loc="left")
        axes.grid(color=PAGE.faint, alpha=0.2)
        axes.tick_params(colors=PAGE.ink)
    for axes in list(grid.flat)[len(names) :]:
        axes.set_visible(False)
    return inline_svg(figure, label="validation score of each method by its factor")
