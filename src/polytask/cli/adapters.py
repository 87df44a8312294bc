"""The command that makes an adapter of a finetuned model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from polytask.cli.start import load_merging
from polytask.cli.stop import stoppable

__all__ = ["extract_adapter"]


def extract_adapter(
    model: Annotated[Path, typer.Argument(help="The finetuned model.")],
    base: Annotated[Path, typer.Option(help="The model that the finetuning started from.")],
    out: Annotated[Path, typer.Option(help="The new folder.")],
    rank: Annotated[int | None, typer.Option(help="Of the factors of every weight.")] = None,
    energy: Annotated[
        float | None,
        typer.Option(help="Instead of a rank: share of each change's squared norm that is kept."),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(help="End of names of modules, such as query; all linear layers by default."),
    ] = None,
    module_to_save: Annotated[
        list[str] | None, typer.Option(help="End of names of modules that are kept whole.")
    ] = None,
    bias: Annotated[
        str, typer.Option(help="all keeps biases that changed, none does not.")
    ] = "all",
    fan_in_fan_out: Annotated[
        bool, typer.Option("--fan-in-fan-out", help="Weights are input x output (GPT-2).")
    ] = False,
    dtype: Annotated[str | None, typer.Option(help="Of the adapter; float32 by default.")] = None,
    threads: Annotated[
        int | None, typer.Option(help="How many; as many as processors by default.")
    ] = None,
) -> None:
    """Write what a finetuning changed as a LoRA adapter that peft loads."""
    load_merging()
    from polytask.merging import extract_adapter as extract

    options: dict[str, Any] = {"bias": bias, "fan_in_fan_out": fan_in_fan_out, "dtype": dtype}
    with stoppable(out, otherwise="nothing was written"):
        report = extract(
            base=base,
            model=model,
            out=out,
            rank=rank,
            energy=energy,
            targets=target,
            modules_to_save=module_to_save or (),
            threads=threads,
            **options,
        )
    assert report.adapter is not None
    ranks, lost = report.adapter["rank_per_tensor"], report.adapter["lost"]
    typer.echo(
        f"wrote {len(ranks)} weights as factors of rank {min(ranks.values())} to "
        f"{max(ranks.values())} into {out}; {lost:.1%} of the norm of their change is lost; "
        "see merge.json"
    )
