"""What should a person see?"""

from polytask.report.changes import plot_changes
from polytask.report.page import write_report
from polytask.report.terminal import comparison_view, print_comparison, print_runs, runs_view
from polytask.report.verdict import caveats, headline

__all__ = [
    "caveats",
    "comparison_view",
    "headline",
    "plot_changes",
    "print_comparison",
    "print_runs",
    "runs_view",
    "write_report",
]
