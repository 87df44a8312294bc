"""Small files and recipes for the tests of recipes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from polytask.recipe import Recipe, recipe_from


def write_mail(folder: Path, *, rows: int = 60) -> Path:
    """A table with two texts that tell spam, a language, and an urgency between 0 and 1."""
    lines = ["text,lang,spam,urgent,late"]
    for row in range(rows):
        words = ["buy this now", "see you soon"][row % 2]
        tongue = ["en", "fr"][row // 2 % 2]
        lines.append(f"{words} number{row},{tongue},{row % 2},{row % 3 % 2},{row / 10}")
    file = folder / "mail.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def mail_recipe(tasks: Mapping[str, Any] | None = None, **data: Any) -> Recipe:
    """A recipe for the file of `write_mail`."""
    source = {
        "source": "csv",
        "files": "mail.csv",
        "split": {"fractions": {"train": 0.6, "validation": 0.2, "test": 0.2}},
        "input": {"type": "features", "numeric": ["late"], "categorical": ["lang"]},
    }
    return recipe_from(
        {
            "name": "mail",
            "data": {"mail": {**source, **data}},
            "tasks": tasks or {"spam": {"output": "classification"}},
            "model": {"backbone": "mlp"},
            "training": {"epochs": 1},
        }
    )
