"""How good, against what, how sure?"""

from polytask.evaluation.aggregate import Aggregate
from polytask.evaluation.bootstrap import bootstrap
from polytask.evaluation.collect import collect, evaluate_evidence
from polytask.evaluation.compare import compare
from polytask.evaluation.compare_runs import RunsComparison, compare_runs
from polytask.evaluation.comparison import Comparison, DeltaM
from polytask.evaluation.comparison_file import read_comparison, write_comparison
from polytask.evaluation.delta_m import delta_m
from polytask.evaluation.evidence_folder import load_evidence, save_evidence
from polytask.evaluation.interval import Interval, estimate
from polytask.evaluation.pooled import pooled_metric
from polytask.evaluation.run_folder import RunEvidence, compare_folder, read_run
from polytask.evaluation.subject import Runs
from polytask.evaluation.task_comparison import (
    Estimate,
    MetricComparison,
    Spread,
    TaskComparison,
    Verdict,
)
from polytask.evaluation.values import TaskValues

__all__ = [
    "Aggregate",
    "Comparison",
    "DeltaM",
    "Estimate",
    "Interval",
    "MetricComparison",
    "RunEvidence",
    "Runs",
    "RunsComparison",
    "Spread",
    "TaskComparison",
    "TaskValues",
    "Verdict",
    "bootstrap",
    "collect",
    "compare",
    "compare_folder",
    "compare_runs",
    "delta_m",
    "estimate",
    "evaluate_evidence",
    "load_evidence",
    "pooled_metric",
    "read_comparison",
    "read_run",
    "save_evidence",
    "write_comparison",
]
