"""Commands that make another model of a trained one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polytask.cli.options import Trust
from polytask.errors import InputError

__all__ = ["drop_task"]


def drop_task(
    model: Annotated[Path, typer.Argument(help="The folder of a run or of one model.")],
    task: Annotated[str, typer.Argument(help="The task to leave out.")],
    out: Annotated[Path, typer.Option(help="The folder of the smaller model; must be new.")],
    seed: Annotated[int | None, typer.Option(help="Which model; the first by default.")] = None,
    trust: Trust = False,
) -> None:
    """Write a trained model without one of its tasks; the others answer as before."""
    from polytask.training import drop_task, load_model, save_model
    from polytask.training.model_folder import model_folder

    folder = model_folder(model, seed=seed)
    if out.exists():
        raise InputError(f"{out}: exists already; choose another --out")
    if folder.resolve() in out.resolve().parents:  # it would no longer be whole
        raise InputError(f"{out}: is inside the model; choose another --out")
    smaller = drop_task(load_model(folder, trust=trust), task, trust=trust)
    save_model(smaller, out)
    typer.echo(f"wrote {out}: {', '.join(smaller.model.tasks)}")
