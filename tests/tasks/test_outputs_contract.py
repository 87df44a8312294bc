"""Every output type keeps the promises of `OutputContract`, and so does a user's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from polytask.fields import Dense, Targets
from polytask.tasks import OUTPUTS, Classification, MultiLabel, Ordinal, Output, Regression, Tagging
from polytask.tasks.metrics import MAE, RMSE, Metric, Rows
from polytask.tasks.outputs.base import Place
from polytask.testing import OutputContract
from polytask.testing.examples import make_examples


def cells(*values: Any) -> np.ndarray:
    """An object array of one dimension, whatever the cells are."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


@dataclass(frozen=True, kw_only=True)
class Count(Output):
    """A user's own output type: a count with a Poisson loss. Nothing of polytask knows it."""

    largest: int | None = None

    def fit(self, values: np.ndarray, *, where: str) -> Self:
        return replace(self, largest=max(value for value in values if value is not None))

    @property
    def size(self) -> int:
        return 1

    def encode(self, values: np.ndarray, place: Place) -> Targets:
        mask = torch.tensor([value is not None for value in values])
        return Targets(Dense(torch.tensor([float(value or 0) for value in values])), Dense(mask))

    def losses(self, output: Tensor, target: Tensor) -> Tensor:
        return F.poisson_nll_loss(output.squeeze(-1), target, reduction="none")

    def scores(self, output: Tensor) -> Tensor:
        return output.squeeze(-1).exp()

    def decode(self, scores: Rows) -> list[Any]:
        return [round(score) for score in np.asarray(scores).tolist()]

    def metrics(self) -> Mapping[str, Metric]:
        return {"mae": MAE(), "rmse": RMSE()}


LABELS = cells("b", "a", None, "c", "", "a", "b", "c", "a")
NUMBERS = np.array([1.0, 3.5, np.nan, -2.0, 7.0, 7.0, 0.0])
VECTORS = np.array([[1, 2], [np.nan, 5], [3, np.nan], [np.nan, np.nan], [0, 4], [5, 6.0]])
RANKS = np.array([1, 2, np.nan, 5, 2, 1, 5, 2, 7])
SETS = cells(["x", "y"], [], None, ["z"], ["x"], ["y", "z"], ["x"])
MATRIX = np.array([[1, 0, np.nan], [0, 1, 1], [np.nan] * 3, [1, 1, 0], [0, np.nan, 1]])
WORDS = cells(["N", "V"], None, ["D", "N", "V"], ["N"], [], ["D", None, "", "N"])
ENTITIES = cells(
    ["B-per", "I-per", "O", "B-loc"], None, ["O", "B-loc", None, "O"], ["B-per", "B-per", "I-per"]
)
SPANS = cells(["B-x", "I-x", "E-x", "O"], ["S-y", "S-x"], None, ["O", "B-y", "E-y"])
CHUNKS = cells(["I-x", "I-x", "B-x", "O"], ["I-y", "I-x"], None, ["O", "I-y"])

CASES: dict[str, tuple[Output, np.ndarray]] = {
    "classification": (Classification(), LABELS),
    "classification binary": (Classification(), np.array([0, 1, np.nan, 1, 0, 1])),
    "classification smoothed": (
        Classification(label_smoothing=0.1, class_weights="balanced", unknown="wrong"),
        LABELS,
    ),
    "classification f1": (Classification(class_weights={"a": 3.0}, primary="macro_f1"), LABELS),
    "regression mse": (Regression(), NUMBERS),
    "regression mae": (Regression(loss="mae"), NUMBERS),
    "regression huber": (Regression(loss="huber", huber_delta=0.5), NUMBERS),
    "regression ccc": (Regression(loss="ccc", primary="ccc"), NUMBERS),
    "regression raw": (Regression(standardise=False), NUMBERS),
    "regression vector": (Regression(), VECTORS),
    "regression vector lists": (Regression(), cells([1, 2], None, [None, 3], [4, 5])),
    "regression vector ccc": (Regression(loss="ccc", primary="spearman"), VECTORS),
    "regression far from zero": (Regression(), NUMBERS + 1e9),
    "ordinal cumulative": (Ordinal(), RANKS),
    "ordinal corn": (Ordinal(loss="corn", primary="kappa"), RANKS),
    "ordinal cross entropy": (Ordinal(loss="cross_entropy", primary="accuracy"), RANKS),
    "ordinal text": (Ordinal(classes=("a", "b", "c")), LABELS),
    "ordinal cumulative weighted": (Ordinal(class_weights="balanced", unknown="wrong"), RANKS),
    "ordinal corn weighted": (Ordinal(loss="corn", class_weights={5: 3.0}, unknown="wrong"), RANKS),
    "ordinal cross entropy weighted": (
        Ordinal(loss="cross_entropy", class_weights="balanced", primary="ece"),
        RANKS,
    ),
    "multi_label sets": (MultiLabel(), SETS),
    "multi_label sets weighted": (
        MultiLabel(class_weights={"x": 2.0}, pos_weight="balanced", unknown="wrong"),
        SETS,
    ),
    "multi_label matrix weighted": (
        MultiLabel(class_weights="balanced", unknown="wrong", primary="ece"),
        MATRIX,
    ),
    "multi_label matrix": (MultiLabel(pos_weight="balanced", primary="auroc"), MATRIX),
    "multi_label text": (MultiLabel(pos_weight={"a": 2.0}), cells("a, b", "b", None, "a", "c")),
    "tagging plain": (Tagging(), WORDS),
    "tagging bio": (Tagging(scheme="bio"), ENTITIES),
    "tagging bioes": (Tagging(scheme="bioes", class_weights="balanced"), SPANS),
    "tagging iob1": (Tagging(scheme="iob1", unknown="wrong"), CHUNKS),
    "user's own": (Count(), cells(0, 3, None, 7, 1)),
}


def contract(name: str) -> type[OutputContract]:
    """A test class for one case."""

    class Case(OutputContract):
        def output(self) -> Output:
            return CASES[name][0]

        def column(self) -> np.ndarray:
            return CASES[name][1]

    Case.__name__ = Case.__qualname__ = "Test" + name.title().replace(" ", "").replace("'", "")
    return Case


globals().update({case.__name__: case for case in map(contract, CASES)})


@pytest.mark.parametrize("name", CASES)
def test_a_batch_of_one_is_a_row_of_the_batch(name: str) -> None:
    examples = make_examples(*CASES[name])
    output, outputs = examples.output, examples.random_outputs()
    losses = output.losses(outputs, examples.targets)
    weights = output.weights(examples.targets, examples.mask)
    evidence = examples.evidence(outputs)
    for row in range(len(examples.targets)):
        one = slice(row, row + 1)
        target, mask = examples.targets[one], examples.mask[one]
        torch.testing.assert_close(output.losses(outputs[one], target), losses[one])
        torch.testing.assert_close(output.weights(target, mask), weights[one])
        for metric in output.metrics().values():
            assert not np.isinf(metric.value(evidence.take(np.array([row]))))


@pytest.mark.parametrize("name", [name for name in CASES if name != "user's own"])
def test_a_recipe_keeps_a_fitted_output(name: str) -> None:
    output, column = CASES[name]
    fitted = output.fit(column, where="column")
    assert OUTPUTS.build(OUTPUTS.spec(fitted)) == fitted
