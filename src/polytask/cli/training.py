"""Commands that run a model: train, evaluate, predict."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from polytask.cli.options import Assignments, RecipeFile, RunFolder, Trust
from polytask.errors import InputError

__all__ = ["evaluate", "predict", "train"]


def train(
    recipe: RecipeFile,
    out: Annotated[Path, typer.Option(help="The folder of the run.")],
    assignments: Assignments = None,
    smoke: Annotated[
        bool, typer.Option("--smoke", help="A run of seconds, to see that it works.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Go on with the run in --out; more seeds or baselines are added."
        ),
    ] = False,
    trust: Trust = False,
) -> None:
    """Train all that a recipe asks for, compare with single-task models, write the report."""
    from polytask.api import train as train_recipe
    from polytask.cli.show import show_comparison, watch
    from polytask.cli.stop import stoppable
    from polytask.recipe import parse_assignments
    from polytask.training import Processes

    with stoppable(out):
        comparison = train_recipe(
            recipe,
            out=out,
            overrides=parse_assignments(assignments or []),
            smoke=smoke,
            resume=resume,
            trust=trust,
            observe=watch,
        )
    if Processes().is_main:
        show_comparison(comparison)
        typer.echo(f"report: {out / 'report.html'}")


def evaluate(
    run: RunFolder,
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "test",
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=FILE", help="Evaluate on another file of a data set."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Which model; the first by default.")] = None,
    trust: Trust = False,
) -> None:
    """Print the metrics of a trained model, as JSON."""
    from polytask.api import evaluate as evaluate_run

    files = {}
    for text in data or []:
        name, equals, file = text.partition("=")
        if not equals:
            raise InputError(f"--data {text!r} must look like name=file")
        files[name] = file
    metrics = evaluate_run(run, split=split, files=files, seed=seed, trust=trust)
    # A metric that is not defined is null: JSON has no NaN.
    defined = {
        t: {m: None if v != v else v for m, v in found.items()} for t, found in metrics.items()
    }
    typer.echo(json.dumps(defined, indent=2))


def predict(
    run: RunFolder,
    file: Annotated[
        Path, typer.Argument(help="A file, folder or archive of examples; - for standard input.")
    ] = Path("-"),
    task: Annotated[list[str] | None, typer.Option(help="Only these tasks.")] = None,
    data: Annotated[
        str | None, typer.Option(help="The data set of the recipe whose files FILE is like.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="How FILE is written: recipe (as the recipe's files), lines (JSON or text), or a "
            "source with its options, such as csv or '{type: csv, delimiter: ;}'. By default: "
            "recipe, unless the ending of FILE is that of another format (.csv, .jsonl, ...), "
            "which is then read with the default options. Standard input is lines.",
        ),
    ] = None,
    scores: Annotated[bool, typer.Option("--scores", help="Scores beside the values.")] = False,
    seed: Annotated[int | None, typer.Option(help="Which model; the first by default.")] = None,
    trust: Trust = False,
) -> None:
    """Predict examples, in files as the recipe's or as lines of JSON or text; JSONL comes out."""
    from polytask.cli.examples import read_pieces
    from polytask.predictor import load

    model = load(run, seed=seed, trust=trust)
    pieces = read_pieces(file, model.saved, tasks=task, data=data, source=source, trust=trust)
    for examples in pieces:
        for result in model.predict(examples, tasks=task, scores=scores):
            sys.stdout.write(json.dumps(result, ensure_ascii=False) + "\n")
        sys.stdout.flush()
