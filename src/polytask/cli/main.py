"""The entry point: commands, and errors as messages and exit codes."""

from __future__ import annotations

import gc
import sys

import typer

from polytask.cli import adapters, compression, data, merging, models, rebasin, results, training
from polytask.cli.method_command import MethodCommand
from polytask.errors import InputError, RunError

__all__ = ["app", "main"]

app = typer.Typer(
    name="polytask",
    help="One model, many tasks: train, compare with single-task models, predict.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
OWN: dict[str, type[MethodCommand]] = {
    "merge": merging.MergeCommand,
    "compress": compression.CompressCommand,
}
"""Command -> class, of those that take the options of a method."""

for command in (
    data.init,
    data.check,
    training.train,
    training.evaluate,
    training.predict,
    results.report,
    results.compare,
    models.drop_task,
    merging.merge,
    adapters.extract_adapter,
    rebasin.rebasin,
    compression.compress,
    results.list_blocks,
):
    name = "list" if command is results.list_blocks else command.__name__.replace("_", "-")
    app.command(name=name, cls=OWN.get(name))(command)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 failed run, 2 wrong input."""
    try:
        app()
    except InputError as error:
        _fail(f"polytask: {error}", 2)
    except RunError as error:
        _fail(f"polytask: {error}", 1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"polytask: {where}{error.strerror or error}", 1)
    finally:
        gc.freeze()  # so that no garbage is looked for when the process ends


def _fail(message: str, code: int) -> None:
    print(message, file=sys.stderr)
    sys.exit(code)
