"""The command that puts the units of a model into the order of those of another one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from polytask.cli.start import load_merging
from polytask.cli.stop import stoppable

__all__ = ["rebasin"]


def rebasin(
    reference: Annotated[Path, typer.Argument(help="The model whose order is kept.")],
    model: Annotated[Path, typer.Argument(help="The model whose units move.")],
    out: Annotated[Path, typer.Option(help="The new folder.")],
    spec: Annotated[
        Path | None,
        typer.Option(help="JSON file: tensor to the permutation of each axis; by names otherwise."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the order in which permutations are tried.")] = 0,
    shard_size: Annotated[str, typer.Option(help="Most bytes of a file of weights.")] = "5GB",
    threads: Annotated[
        int | None, typer.Option(help="How many; as many as processors by default.")
    ] = None,
) -> None:
    """Bring a model near to another one without changing what it computes, before a merge.

    Hidden units of models that were trained from different starts are in different orders. They
    are put into the order of the reference, and the new folder can be merged with it.
    """
    load_merging()
    from polytask.merging import rebasin as run
    from polytask.merging.permutations.spec_file import read_spec

    with stoppable(out, otherwise="nothing was written"):
        report = run(
            reference=reference,
            model=model,
            out=out,
            spec=None if spec is None else read_spec(spec),
            seed=seed,
            shard_size=shard_size,
            threads=threads,
        )
    found = report.plan["rebasin"]
    before, after = found["distance_before"], found["distance_after"]
    moved, units = sum(found["moved"].values()), sum(found["units"].values())
    typer.echo(
        f"wrote {out}: {moved} of {units} units in {len(found['units'])} permutations moved; "
        f"the distance from {reference} was {before:.4g} and is {after:.4g}; see merge.json"
    )
