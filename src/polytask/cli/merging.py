"""The command that merges models."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polytask.cli.stop import stoppable
from polytask.errors import InputError

if TYPE_CHECKING:
    from polytask.merging import Plan

__all__ = ["merge"]


def merge(
    what: Annotated[str, typer.Argument(help="A method, or a plan (a YAML file).")],
    out: Annotated[Path, typer.Option(help="The new folder.")],
    models: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders, .safetensors files or adapters; with a plan none."),
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="The base model, for methods that merge changes, and LoRA.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Factor of every model, or one for each: 0.5,0.3.")
    ] = None,
    density: Annotated[
        str | None, typer.Option(help="Share that is kept, or one for each model.")
    ] = None,
    outliers: Annotated[
        str | None, typer.Option(help="Share of the largest that breadcrumbs leaves out.")
    ] = None,
    scale: Annotated[float | None, typer.Option(help="Factor of the merged change.")] = None,
    t: Annotated[float | None, typer.Option(help="slerp: 0 the first model, 1 the second.")] = None,
    trim: Annotated[
        str | None, typer.Option(help="ties: over the whole model, or each tensor.")
    ] = None,
    normalise: Annotated[
        bool | None,
        typer.Option("--normalise/--no-normalise", help="Divide by the sum of weights."),
    ] = None,
    rescale: Annotated[
        bool | None,
        typer.Option("--rescale/--no-rescale", help="DARE: divide what is kept by the density."),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="float64, float32, float16 or bfloat16; by default as the models."),
    ] = None,
    rounding: Annotated[str | None, typer.Option(help="nearest (default) or stochastic.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of random numbers; 0 by default.")] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(help="base: keep the first tokenizer, match rows of others by token."),
    ] = None,
    shard_size: Annotated[
        str | None, typer.Option(help="Most bytes of a file; 5GB by default.")
    ] = None,
    heads: Annotated[
        str | None, typer.Option(help="Of adapters that bring different ones: first, or skip all.")
    ] = None,
    adapter_rank: Annotated[
        int | None, typer.Option(help="Write an adapter of this rank instead of a model.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="How many; as many as processors by default.")
    ] = None,
) -> None:
    """Merge models into one: folders of transformers or polytask, files, adapters of peft."""
    options = {
        "weights": _numbers("weights", weights),
        "density": _numbers("density", density),
        "outliers": _numbers("outliers", outliers),
        "scale": scale,
        "t": t,
        "trim": trim,
        "normalise": normalise,
        "rescale": rescale,
    }
    storing = {
        "dtype": dtype,
        "rounding": rounding,
        "seed": seed,
        "tokenizer": tokenizer,
        "shard_size": shard_size,
        "heads": heads,
        "adapter_rank": adapter_rank,
    }
    plan = _plan(what, base, models or [], _given(options), _given(storing))
    from polytask.merging import run_plan

    with stoppable(out, otherwise="nothing was written"):
        report = run_plan(plan, out=out, threads=threads)
    inputs = len([entry for entry in report.inputs if entry["role"] == "model"])
    typer.echo(f"merged {inputs} models, {report.merged} tensors, into {out}; see merge.json")


def _plan(
    what: str,
    base: Path | None,
    models: list[Path],
    options: dict[str, Any],
    storing: dict[str, Any],
) -> Plan:
    """The plan that the arguments describe."""
    from dataclasses import replace

    from polytask.merging import Plan
    from polytask.merging.options import make_method

    if not what.endswith((".yaml", ".yml")):
        method = make_method(what, options)
        return Plan(method=method, base=base, models=tuple(models), **storing)
    if base is not None or models or options:
        raise InputError(f"{what}: base, models and options of the method belong into the plan")
    from polytask.merging.plan_file import read_plan

    return replace(read_plan(Path(what)), **storing)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _numbers(name: str, text: str | None) -> float | list[float] | None:
    """One number, or several between commas.

    Raises:
        InputError: a part is no number.
    """
    if text is None:
        return None
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError as error:
        message = f"--{name}: expected a number, or several between commas, got {text!r}"
        raise InputError(message) from error
    return numbers[0] if len(numbers) == 1 else numbers
