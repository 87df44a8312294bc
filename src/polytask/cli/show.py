"""What commands print about runs."""

from __future__ import annotations

from polytask.evaluation.comparison import Comparison
from polytask.experiment import Run
from polytask.training import Observer

__all__ = ["show_comparison", "watch"]


def watch(run: Run) -> list[Observer]:
    """The progress display of a run."""
    from polytask.training.progress import Display

    return [
        Display(f"{'+'.join(run.tasks[:3])}{'...' if len(run.tasks) > 3 else ''} seed {run.seed}")
    ]


def show_comparison(comparison: Comparison) -> None:
    """Print the verdict and the table."""
    from polytask.report.terminal import print_comparison

    print_comparison(comparison)
