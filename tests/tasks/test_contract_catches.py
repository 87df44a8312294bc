"""The contract of outputs fails for outputs that break it: it is able to fail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from polytask.tasks import Output, Regression
from polytask.tasks.metrics import MAE, Evidence, Metric, Rows
from polytask.testing import OutputContract


class Leaky(MAE):
    """Forgets the mask."""

    def statistics(self, evidence: Evidence) -> np.ndarray:
        return super().statistics(
            Evidence(evidence.ids, evidence.scores, evidence.targets, np.ones(len(evidence), bool))
        )


class Uncounted(Metric):
    """Ignores how often an example was drawn."""

    def resampled(self, evidence: Evidence, counts: np.ndarray) -> np.ndarray:
        return np.repeat(MAE().value(evidence), len(counts))


@dataclass(frozen=True, kw_only=True)
class Broken(Regression):
    """A regression with one defect."""

    defect: str = ""

    def weights(self, target: Tensor, mask: Tensor) -> Tensor:
        return mask.float() + (self.defect == "masked targets learn")

    def losses(self, output: Tensor, target: Tensor) -> Tensor:
        losses = super().losses(output, target)
        if self.defect == "mean over the batch":
            return losses.mean().expand_as(losses)
        return losses.mean() if self.defect == "reduced" else losses

    def scores(self, output: Tensor) -> Tensor:
        return output.squeeze(-1) if self.defect == "other unit" else super().scores(output)

    def decode(self, scores: Rows) -> list[Any]:
        return list(scores) if self.defect == "numpy values" else super().decode(scores)

    def metrics(self) -> dict[str, Metric]:
        if self.defect == "leaky metric":
            return {"mae": Leaky()}
        return {"mae": Uncounted()} if self.defect == "uncounted" else dict(super().metrics())


@pytest.mark.parametrize(
    ("defect", "test"),
    [
        ("masked targets learn", "test_losses_have_the_shape_of_the_targets"),
        ("masked targets learn", "test_masked_targets_change_no_gradient"),
        ("mean over the batch", "test_masked_targets_change_no_gradient"),
        ("reduced", "test_losses_have_the_shape_of_the_targets"),
        ("other unit", "test_learning_by_heart_reaches_the_best_metric"),
        ("numpy values", "test_predictions_are_plain_values"),
        ("leaky metric", "test_masked_targets_change_no_metric"),
        ("uncounted", "test_resampling_is_repeating_rows"),
    ],
)
def test_a_defect_is_found(defect: str, test: str) -> None:
    class Case(OutputContract):
        def output(self) -> Output:
            return Broken(defect=defect)

        def column(self) -> np.ndarray:
            return np.array([10.0, np.nan, 35.0, -20.0, 70.0])

    with pytest.raises(AssertionError):
        getattr(Case(), test)()
