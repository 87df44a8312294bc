"""The parts of a report that come from the files of a run; what is absent is left out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polytask.report.files import read_json, read_recipe
from polytask.report.html import Markup, section, table, tree
from polytask.report.numbers import number

__all__ = ["data_section", "time_section", "title", "versions_section"]


def title(run: Path) -> tuple[str, str]:
    """Name and description of the recipe; the folder's name without a recipe."""
    recipe = read_recipe(run)
    return str(recipe.get("name") or run.resolve().name), str(recipe.get("description") or "")


def data_section(run: Path) -> Markup:
    """What ``data.json`` says."""
    content = read_json(run / "data.json")
    return section("Data", tree(content)) if content else Markup()


def time_section(run: Path) -> Markup:
    """Steps, time and size of every kind of run: means over seeds, from ``run.json``."""
    rows = [_cost("multi-task", sorted(run.glob("multi/seed-*/run.json")))]
    singles = sorted(run.glob("single/*/seed-*/run.json"))
    rows.append(_cost("single-task, mean of a task", singles))
    head = ["", "runs", "steps", "best step", "parameters", "seconds", "seconds of all"]
    found = [row for row in rows if row]
    return section("Cost", table(head, found)) if found else Markup()


def versions_section(run: Path) -> Markup:
    """What ``environment.json`` says."""
    content = read_json(run / "environment.json")
    return section("Versions", tree(content)) if content else Markup()


def _cost(name: str, files: list[Path]) -> list[object]:
    runs = [content for file in files if isinstance(content := read_json(file), dict)]
    if not runs:
        return []
    keys = ("steps", "best_step", "parameters", "seconds")
    means = [_mean([run.get(key) for run in runs]) for key in keys]
    total = sum(run.get("seconds") or 0 for run in runs)
    return [name, len(runs), *means, f"{total:,.0f}"]


def _mean(values: list[Any]) -> str:
    found = [value for value in values if isinstance(value, int | float)]
    if not found:
        return number(None)
    mean = sum(found) / len(found)
    return f"{mean:,.0f}" if mean >= 100 or mean == int(mean) else number(mean)
