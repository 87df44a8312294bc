"""The part of a report that tells how to make the run again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Any

from polytask.report.files import read_json, read_recipe
from polytask.report.html import Markup, details, section, tag

__all__ = ["commands", "reproduce_section", "runs_code"]

FILE = "again.yaml"
"""Not ``recipe.yaml``: where the paths of a recipe start, that is often the recipe itself."""


def reproduce_section(run: Path) -> Markup:
    """The commands, and the resolved recipe; nothing without ``recipe.yaml``."""
    recipe = read_recipe(run)
    if not recipe:
        return Markup()
    said = [f"Save the recipe below as {FILE}, in the folder that its paths start from, then:"]
    if runs_code(recipe):
        said.insert(0, "The recipe names code: read it first. It must be importable, as it was.")
    resolved = tag("pre", tag("code", (run / "recipe.yaml").read_text(encoding="utf-8")))
    return section(
        "Reproduce",
        *[tag("p", line) for line in said],
        tag("pre", tag("code", "\n".join(commands(run)))),
        details("The recipe, as resolved", resolved),
    )


def commands(run: Path) -> list[str]:
    """What to type in a shell."""
    environment = read_json(run / "environment.json")
    folder = environment.get("recipe_folder") if isinstance(environment, dict) else None
    trust = " --trust" if runs_code(read_recipe(run)) else ""
    train = f"polytask train {FILE} --out again{trust}"
    return [f"cd {quote(folder)}", train] if isinstance(folder, str) else [train]


def runs_code(recipe: Mapping[str, Any]) -> bool:
    """Whether a recipe names code of the user, so that it needs ``--trust``."""
    said = ("name", "description", "smoke")
    return any(_names_code(value) for key, value in recipe.items() if key not in said)


def _names_code(value: Any) -> bool:
    if isinstance(value, Mapping):
        return value.get("type") == "function" or any(map(_names_code, value.values()))
    if isinstance(value, list):
        return any(map(_names_code, value))
    return isinstance(value, str) and value.startswith("python:")
