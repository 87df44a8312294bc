"""The command that merges models."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polytask.cli.method_command import MethodCommand, flags_of
from polytask.cli.start import load_merging
from polytask.cli.stop import stoppable
from polytask.errors import InputError
from polytask.registry import Registry

if TYPE_CHECKING:
    from polytask.merging import Plan

__all__ = ["MergeCommand", "merge"]


class MergeCommand(MethodCommand):
    """`polytask merge`."""

    @property
    def methods(self) -> Registry[Any]:
        load_merging()
        from polytask.merging import METHODS

        return METHODS


def merge(
    context: typer.Context,
    what: Annotated[str, typer.Argument(help="A method, or a plan (a YAML file).")],
    out: Annotated[Path, typer.Option(help="The new folder.")],
    models: Annotated[
        list[str] | None,
        typer.Argument(help="Folders, .safetensors files or adapters; with a plan none."),
    ] = None,
    base: Annotated[
        Path | None, typer.Option(help="The base model, for methods that merge changes, and LoRA.")
    ] = None,
    statistics: Annotated[
        list[Path] | None,
        typer.Option(help="What was measured of a model, for methods that need it; one for each."),
    ] = None,
    dtype: Annotated[
        str | None,
        typer.Option(help="float64, float32, float16 or bfloat16; by default as the models."),
    ] = None,
    rounding: Annotated[str | None, typer.Option(help="nearest (default) or stochastic.")] = None,
    seed: Annotated[int | None, typer.Option(help="Of random numbers; 0 by default.")] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            help="Of models with other tokens: base keeps the first one, union makes one of all, "
            "or a folder with a tokenizer.json."
        ),
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
    """Merge models into one: folders of transformers or polytask, files, adapters of peft.

    A method has options of its own: polytask merge ties --help.
    """
    load_merging()
    from polytask.merging import run_plan
    from polytask.merging.tokens.tokenizers import as_choice

    storing = {
        "statistics": tuple(statistics) if statistics else None,
        "dtype": dtype,
        "rounding": rounding,
        "seed": seed,
        "tokenizer": None if tokenizer is None else as_choice(tokenizer, Path()),
        "shard_size": shard_size,
        "heads": heads,
        "adapter_rank": adapter_rank,
    }
    plan = _plan([what, *(models or [])], base, _given(storing), flags_of(context.command))

    with stoppable(out, otherwise="nothing was written"):
        report = run_plan(plan, out=out, threads=threads)
    inputs = len([entry for entry in report.inputs if entry["role"] == "model"])
    typer.echo(f"merged {inputs} models, {report.merged} tensors, into {out}; see merge.json")


def _plan(words: list[str], base: Path | None, storing: dict[str, Any], flags: list[str]) -> Plan:
    """The plan that the words describe: a method or a plan, options of the method, models."""
    from dataclasses import replace

    from polytask.cli.method_options import options_of, read_words
    from polytask.merging import METHODS, Plan
    from polytask.merging.options import make_method

    at = _first(words, METHODS)
    what, others = words[at], [*words[:at], *words[at + 1 :]]
    if not what.endswith((".yaml", ".yml")):
        known = options_of(METHODS.get(what))
        options, paths = read_words(others, known, others=flags, where=what)
        method = make_method(what, options)
        return Plan(method=method, base=base, models=tuple(map(Path, paths)), **storing)
    _, paths = read_words(others, {}, others=flags, where=what)
    if base is not None or paths:
        raise InputError(f"{what}: base, models and options of the method belong into the plan")
    from polytask.merging.plans.file import read_plan

    return replace(read_plan(Path(what)), **storing)


def _first(words: list[str], methods: Iterable[str]) -> int:
    """Where the method or plan is: the first word; after options, the first that is a method."""
    if not words[0].startswith("-"):
        return 0
    known = {*methods}
    return next((at for at, word in enumerate(words) if word in known), 0)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}
