"""Commands before training: a first recipe, a look at the data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from polytask.cli.options import Assignments, RecipeFile, Trust
from polytask.errors import InputError

__all__ = ["check", "init"]


def init(
    files: Annotated[list[Path], typer.Argument(help="Data files or folders.")],
    out: Annotated[Path, typer.Option(help="The recipe to write; - for the screen.")] = Path(
        "recipe.yaml"
    ),
    name: Annotated[str | None, typer.Option(help="Name of the recipe.")] = None,
) -> None:
    """Look at data files, guess columns, types and tasks, and write a commented recipe."""
    from polytask.files import write_text
    from polytask.recipe.guess import guess_recipe

    if out != Path("-") and out.exists():
        raise InputError(f"{out}: exists already; choose another --out")
    folder = Path() if out == Path("-") else out.parent
    text = guess_recipe(files, name=name, folder=folder)
    if out == Path("-"):
        typer.echo(text, nl=False)
        return
    write_text(out, text)
    typer.echo(f"wrote {out}; read it, then: polytask check {out}")


def check(
    recipe: RecipeFile,
    assignments: Assignments = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    trust: Trust = False,
) -> None:
    """Look at the data before training: sizes, labels, leaks, tasks that cannot be learned."""
    from polytask.recipe import parse_assignments, read_recipe
    from polytask.recipe.check import check_recipe

    found, folder = read_recipe(recipe, overrides=parse_assignments(assignments or []))
    report = check_recipe(found, folder=folder, trust=trust)
    if as_json:
        typer.echo(json.dumps(report.to_json(), indent=2))
    else:
        from rich.console import Console

        Console().print(report.render())
    if not report.ok:
        raise typer.Exit(2)
