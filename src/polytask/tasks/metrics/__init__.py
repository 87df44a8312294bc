"""Metrics: each is computed for any weights of the examples, so that intervals cost little."""

from polytask.tasks.metrics.base import AdditiveMetric, Evidence, Metric, Rows
from polytask.tasks.metrics.calibration import CalibrationError, LabelCalibrationError
from polytask.tasks.metrics.classes import Accuracy, MacroF1, MatthewsCorrelation
from polytask.tasks.metrics.correlation import Spearman
from polytask.tasks.metrics.entities import EntityF1, EntityPrecision, EntityRecall
from polytask.tasks.metrics.label_sets import ExactMatch, LabelAccuracy, MacroLabelF1, MicroF1
from polytask.tasks.metrics.ranking import AUROC, AveragePrecision
from polytask.tasks.metrics.ranks import (
    QuadraticWeightedKappa,
    RankAccuracy,
    RankError,
    RankSpearman,
    median_rank,
)
from polytask.tasks.metrics.regression import CCC, MAE, R2, RMSE, ExplainedVariance, Pearson

__all__ = [
    "AUROC",
    "CCC",
    "MAE",
    "R2",
    "RMSE",
    "Accuracy",
    "AdditiveMetric",
    "AveragePrecision",
    "CalibrationError",
    "EntityF1",
    "EntityPrecision",
    "EntityRecall",
    "Evidence",
    "ExactMatch",
    "ExplainedVariance",
    "LabelAccuracy",
    "LabelCalibrationError",
    "MacroF1",
    "MacroLabelF1",
    "MatthewsCorrelation",
    "Metric",
    "MicroF1",
    "Pearson",
    "QuadraticWeightedKappa",
    "RankAccuracy",
    "RankError",
    "RankSpearman",
    "Rows",
    "Spearman",
    "median_rank",
]
