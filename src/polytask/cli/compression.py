"""The command that stores several models in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from polytask.cli.method_command import MethodCommand, flags_of
from polytask.cli.start import load_merging
from polytask.cli.stop import stoppable
from polytask.errors import InputError
from polytask.registry import Registry

__all__ = ["CompressCommand", "compress"]


class CompressCommand(MethodCommand):
    """`polytask compress`."""

    @property
    def methods(self) -> Registry[Any]:
        load_merging()
        from polytask.merging import COMPRESSIONS

        return COMPRESSIONS


def compress(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A compression: polytask list compression.")],
    models: Annotated[
        list[str], typer.Argument(help="NAME=FOLDER of every model; or folders, named as they are.")
    ],
    base: Annotated[Path, typer.Option(help="The model that all others were trained from.")],
    out: Annotated[Path, typer.Option(help="The new folder; OUT/NAME is then a model.")],
    seed: Annotated[
        int, typer.Option(help="Of random numbers, where what merges the changes draws some.")
    ] = 0,
    threads: Annotated[
        int | None, typer.Option(help="How many; as many as processors by default.")
    ] = None,
) -> None:
    """Store what several models learned in one folder, each of them readable alone.

    A compression has options of its own: polytask compress tall_mask --help.
    """
    load_merging()
    from polytask.cli.method_options import options_of, read_words
    from polytask.merging import COMPRESSIONS
    from polytask.merging import compress as run

    known = options_of(COMPRESSIONS.get(what))
    options, words = read_words(models, known, others=flags_of(context.command), where=what)
    with stoppable(out, otherwise="nothing was written"):
        report = run(
            what,
            base=base,
            models=_named(words),
            out=out,
            seed=seed,
            threads=threads,
            **options,
        )
    lost = ", ".join(f"{name} {share:.1%}" for name, share in report.lost.items())
    typer.echo(
        f"wrote {len(report.models)} models into {out}: {report.bits:.2f} bits for each parameter "
        f"and model; lost of the norm of their changes: {lost}"
    )


def _named(words: list[str]) -> dict[str, str]:
    """Name -> path.

    Raises:
        InputError: a name is there twice.
    """
    found: dict[str, str] = {}
    for word in words:
        name, equals, path = word.partition("=")
        name, path = (name, path) if equals else (Path(word).name, word)
        if name in found:
            raise InputError(f"{name}: is the name of two models; give NAME=FOLDER")
        found[name] = path
    return found
