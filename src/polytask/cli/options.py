"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["Assignments", "RecipeFile", "RunFolder", "Trust"]

RecipeFile = Annotated[Path, typer.Argument(help="The recipe, a YAML file.")]
RunFolder = Annotated[Path, typer.Argument(help="The folder of a run.")]
Trust = Annotated[
    bool, typer.Option("--trust", help="Let the recipe run code that it names (python: ...).")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Override a key of the recipe, a.b=value."),
]
