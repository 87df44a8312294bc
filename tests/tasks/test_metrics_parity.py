"""Every metric against torchmetrics and scikit-learn, on random data with and without ties."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk
from tests.tasks.evidence import check_resampling, evidence, probabilities

from polytask.tasks.metrics import (
    AUROC,
    CCC,
    MAE,
    R2,
    RMSE,
    Accuracy,
    AveragePrecision,
    CalibrationError,
    ExactMatch,
    ExplainedVariance,
    LabelAccuracy,
    LabelCalibrationError,
    MacroF1,
    MacroLabelF1,
    MatthewsCorrelation,
    Metric,
    MicroF1,
    Pearson,
    QuadraticWeightedKappa,
    RankAccuracy,
    RankError,
    RankSpearman,
    Spearman,
    median_rank,
)

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of a test dependency, while it is imported
    from torchmetrics import functional as tm

Peer = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
SEEDS = st.integers(0, 2**32 - 1)
FEW = settings(max_examples=10, deadline=None)


def agree(metric: Metric, scores: np.ndarray, targets: np.ndarray, expected: float) -> None:
    """The value is the peer's, masked rows change nothing, counts are repeated rows."""
    rng = np.random.default_rng(len(scores))
    whole = evidence(scores, targets)
    assert metric.value(whole) == pytest.approx(float(expected), rel=1e-6, abs=1e-9)
    rows = np.concatenate([np.arange(len(targets)), rng.integers(0, len(targets), 3)])
    mask = np.ones((len(rows), *targets.shape[1:]), dtype=bool)
    mask[len(targets) :] = False
    masked = evidence(scores[rows], targets[rows], mask)
    assert metric.value(masked) == pytest.approx(metric.value(whole), rel=1e-9, abs=1e-12)
    check_resampling(metric, masked, rng)


def multiclass(name: str, **options: object) -> Callable[[np.ndarray, np.ndarray], float]:
    def peer(scores: np.ndarray, targets: np.ndarray) -> float:
        function = getattr(tm.classification, f"multiclass_{name}")
        given = {"num_classes": scores.shape[1], **options}
        return float(function(torch.from_numpy(scores), torch.from_numpy(targets), **given))

    return peer


CLASS_METRICS: dict[str, tuple[Callable[[int], Metric], Callable[..., float]]] = {
    "accuracy": (lambda _: Accuracy(), multiclass("accuracy", average="micro")),
    "macro f1": (MacroF1, multiclass("f1_score", average="macro")),
    "macro f1 of sklearn": (
        MacroF1,
        lambda s, t: sk.f1_score(t, s.argmax(1), average="macro", zero_division=0),
    ),
    "mcc": (MatthewsCorrelation, multiclass("matthews_corrcoef")),
    "mcc of sklearn": (MatthewsCorrelation, lambda s, t: sk.matthews_corrcoef(t, s.argmax(1))),
    "ece": (lambda _: CalibrationError(), multiclass("calibration_error", n_bins=15, norm="l1")),
    "ece, 7 bins": (lambda _: CalibrationError(7), multiclass("calibration_error", n_bins=7)),
}


@pytest.mark.parametrize("name", CLASS_METRICS)
@FEW
@given(seed=SEEDS, classes=st.integers(2, 6), rows=st.integers(20, 60))
def test_classes(name: str, seed: int, classes: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    # Distinct scores only: both peers break ties of argmax like we do, but bin edges differ.
    scores = probabilities(rng, rows, classes, ties=False)
    targets = np.where(rng.random(rows) < 0.5, scores.argmax(1), rng.integers(0, classes, rows))
    targets[:classes] = np.arange(classes)
    metric, peer = CLASS_METRICS[name]
    agree(metric(classes), scores, targets, peer(scores, targets))


@pytest.mark.parametrize("name", ["auroc", "average_precision"])
@FEW
@given(seed=SEEDS, classes=st.integers(2, 5), ties=st.booleans())
def test_ranking_of_classes(name: str, seed: int, classes: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = probabilities(rng, 30, classes, ties=ties)
    targets = rng.permutation(np.arange(30) % classes)
    metric = {"auroc": AUROC(), "average_precision": AveragePrecision()}[name]
    if classes == 2:
        function = getattr(tm.classification, f"binary_{name}")
        expected = function(torch.from_numpy(scores[:, 1]), torch.from_numpy(targets))
    else:
        expected = multiclass(name, average="macro")(scores, targets)
    agree(metric, scores, targets, expected)


LABEL_METRICS: dict[str, tuple[Metric, Callable[[np.ndarray, np.ndarray], float]]] = {
    "macro f1": (
        MacroLabelF1(),
        lambda s, t: sk.f1_score(t, s >= 0.5, average="macro", zero_division=0),
    ),
    "micro f1": (
        MicroF1(),
        lambda s, t: sk.f1_score(t, s >= 0.5, average="micro", zero_division=0),
    ),
    "accuracy": (LabelAccuracy(), lambda s, t: 1 - sk.hamming_loss(t, s >= 0.5)),
    "exact match": (ExactMatch(), lambda s, t: sk.accuracy_score(t, s >= 0.5)),
    "auroc": (AUROC(), lambda s, t: sk.roc_auc_score(t, s, average="macro")),
    "average precision": (
        AveragePrecision(),
        lambda s, t: sk.average_precision_score(t, s, average="macro"),
    ),
}


@pytest.mark.parametrize("name", LABEL_METRICS)
@FEW
@given(seed=SEEDS, labels=st.integers(2, 5), ties=st.booleans())
def test_labels(name: str, seed: int, labels: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 5, (25, labels)) / 4 if ties else rng.random((25, labels))
    targets = rng.integers(0, 2, (25, labels))
    targets[:2] = [[0], [1]]
    metric, peer = LABEL_METRICS[name]
    agree(metric, scores, targets, peer(scores, targets))


@pytest.mark.parametrize("name", ["f1_score", "exact_match", "auroc", "average_precision"])
def test_labels_of_torchmetrics(name: str) -> None:
    rng = np.random.default_rng(5)
    scores, targets = rng.random((40, 3)), rng.integers(0, 2, (40, 3))
    ours: dict[str, Metric] = {
        "f1_score": MacroLabelF1(),
        "exact_match": ExactMatch(),
        "auroc": AUROC(),
        "average_precision": AveragePrecision(),
    }
    peer = getattr(tm.classification, f"multilabel_{name}")
    expected = peer(torch.from_numpy(scores), torch.from_numpy(targets), num_labels=3)
    agree(ours[name], scores, targets, float(expected))


@pytest.mark.parametrize("bins", [15, 4])
@FEW
@given(seed=SEEDS, labels=st.integers(1, 4))
def test_calibration_of_labels(bins: int, seed: int, labels: int) -> None:
    rng = np.random.default_rng(seed)
    scores, targets = rng.random((40, labels)), rng.integers(0, 2, (40, labels))
    each = [
        float(tm.classification.binary_calibration_error(*map(torch.from_numpy, pair), n_bins=bins))
        for pair in zip(scores.T.copy(), targets.T.copy(), strict=True)
    ]
    agree(LabelCalibrationError(bins), scores, targets, np.mean(each))


def tensors(peer: Callable[..., torch.Tensor], **options: object) -> Callable[..., float]:
    return lambda s, t: float(peer(torch.from_numpy(s), torch.from_numpy(t), **options).mean())


NUMBER_METRICS: dict[str, tuple[Metric, Callable[[np.ndarray, np.ndarray], float]]] = {
    "rmse": (RMSE(), lambda s, t: sk.root_mean_squared_error(t, s)),
    "mae": (MAE(), tensors(tm.mean_absolute_error)),
    "r2": (R2(), tensors(tm.r2_score)),
    "explained variance": (ExplainedVariance(), tensors(tm.explained_variance)),
    "pearson": (Pearson(), tensors(tm.pearson_corrcoef)),
    "spearman": (Spearman(), tensors(tm.spearman_corrcoef)),
    "ccc": (
        CCC(),
        lambda s, t: float(np.mean([concordance(a, b) for a, b in zip(s.T, t.T, strict=True)])),
    ),
}


def concordance(p: np.ndarray, t: np.ndarray) -> float:
    """With variances over n, as Lin writes it (torchmetrics divides by n - 1)."""
    return 2 * np.cov(p, t, ddof=0)[0, 1] / (p.var() + t.var() + (p.mean() - t.mean()) ** 2)


@pytest.mark.parametrize("name", NUMBER_METRICS)
@FEW
@given(
    seed=SEEDS,
    dimensions=st.integers(2, 4),
    ties=st.booleans(),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)
def test_numbers(name: str, seed: int, dimensions: int, ties: bool, scale: float) -> None:
    rng = np.random.default_rng(seed)
    shape = (20, dimensions)
    targets = rng.integers(0, 5, shape).astype(float) if ties else rng.normal(size=shape)
    scores = targets + rng.integers(-2, 3, shape) if ties else targets + rng.normal(size=shape)
    metric, peer = NUMBER_METRICS[name]
    # The peers are not free of scale (they add constants), so they see the unscaled numbers.
    factor = scale if name in ("rmse", "mae") else 1.0
    agree(metric, scores * scale, targets * scale, peer(scores, targets) * factor)
    column = evidence(scores[:, 0] * scale, targets[:, 0] * scale)
    vector = evidence(scores[:, :1] * scale, targets[:, :1] * scale)
    assert metric.value(column) == metric.value(vector)


def test_concordance_of_torchmetrics() -> None:
    rng = np.random.default_rng(0)
    targets = rng.normal(size=5000)
    scores = targets + rng.normal(size=5000) + 0.3
    peer = tm.concordance_corrcoef(torch.from_numpy(scores), torch.from_numpy(targets))
    assert CCC().value(evidence(scores, targets)) == pytest.approx(float(peer), abs=1e-3)


RANK_METRICS: dict[str, tuple[Metric, Callable[[np.ndarray, np.ndarray], float]]] = {
    "kappa": (
        QuadraticWeightedKappa(),
        lambda r, t: sk.cohen_kappa_score(r, t, weights="quadratic"),
    ),
    "accuracy": (RankAccuracy(), lambda r, t: sk.accuracy_score(t, r)),
    "mae": (RankError(), lambda r, t: sk.mean_absolute_error(t, r)),
    "spearman": (RankSpearman(), lambda r, t: stats.spearmanr(r, t).statistic),
}


@pytest.mark.parametrize("name", RANK_METRICS)
@FEW
@given(seed=SEEDS, classes=st.integers(2, 6))
def test_ranks(name: str, seed: int, classes: int) -> None:
    rng = np.random.default_rng(seed)
    targets = rng.permutation(np.arange(30) % classes)
    scores = probabilities(rng, 30, classes, ties=False)
    scores[np.arange(30), targets] += 1
    scores /= scores.sum(axis=1, keepdims=True)
    metric, peer = RANK_METRICS[name]
    agree(metric, scores, targets, peer(median_rank(scores), targets))


def test_kappa_of_torchmetrics() -> None:
    rng = np.random.default_rng(1)
    targets, scores = rng.integers(0, 4, 50), probabilities(rng, 50, 4, ties=False)
    peer = tm.classification.multiclass_cohen_kappa(
        torch.from_numpy(median_rank(scores)), torch.from_numpy(targets), 4, weights="quadratic"
    )
    assert QuadraticWeightedKappa().value(evidence(scores, targets)) == pytest.approx(float(peer))
