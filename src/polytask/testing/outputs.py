"""The promises that every output type makes, as tests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch

from polytask.tasks import HeadOptions, Output
from polytask.tasks.metrics import Evidence
from polytask.testing.examples import Examples, make_examples

__all__ = ["OutputContract"]


class OutputContract(ABC):
    """Tests that any output type must pass; pytest finds them in your subclass.

    Example:
        >>> from polytask.tasks import Classification
        >>> class TestMine(OutputContract):
        ...     def output(self) -> Output:
        ...         return Classification()
        ...
        ...     def column(self) -> np.ndarray:
        ...         return np.array(["yes", None, "no"], dtype=object)
        >>> TestMine().test_primary_metric_is_a_metric()
    """

    @abstractmethod
    def output(self) -> Output:
        """The output under test, not fitted."""

    @abstractmethod
    def column(self) -> np.ndarray:
        """``[N, ...]`` a target column with at least one missing target; N of 5 to 20 is good."""

    def examples(self) -> Examples:
        """The column as encoded targets of the fitted output."""
        return make_examples(self.output(), self.column())

    def test_fit_gives_a_new_output(self) -> None:
        """`fit` leaves the output as it was, and fitting twice gives equal outputs."""
        output, same = self.output(), self.output()
        fitted = output.fit(self.column(), where="column")
        assert output == same
        assert fitted == fitted.fit(self.column(), where="column")

    def test_missing_targets_are_masked(self) -> None:
        """The mask has the shape of the targets, and tells of missing and of measured ones."""
        examples = self.examples()
        assert examples.mask.shape == examples.targets.shape
        assert examples.mask.dtype == torch.bool
        assert examples.mask.any()
        assert not examples.mask.all()
        assert len(examples.targets) == len(self.column())

    def test_encoding_one_row_is_a_row_of_the_whole(self) -> None:
        """A batch of one is encoded as it is among others."""
        examples, column = self.examples(), self.column()
        for row in range(len(column)):
            one = examples.output.encode(column[row : row + 1], str)
            mask = one.mask.take(torch.tensor([0]))[0]
            assert torch.equal(
                mask, examples.mask[row][: len(mask)] if mask.ndim else examples.mask[row]
            )

    def test_head_has_the_size_of_the_output(self) -> None:
        """A head maps ``[..., width]`` to ``[..., O]``, with hidden layers or without."""
        output = self.examples().output
        for options in (HeadOptions(), HeadOptions(hidden=(3,), dropout=0.5)):
            head = output.head(4, options)
            assert head(torch.zeros(2, 4)).shape == (2, output.size)
            assert head(torch.zeros(2, 3, 4)).shape == (2, 3, output.size)

    def test_losses_have_the_shape_of_the_targets(self) -> None:
        """One finite loss and one finite weight per target; weights are 0 where masked."""
        examples = self.examples()
        losses = examples.output.losses(examples.random_outputs(), examples.targets)
        weights = examples.output.weights(examples.targets, examples.mask)
        assert losses.shape == weights.shape == examples.targets.shape
        assert losses.isfinite().all()
        assert (weights >= 0).all()
        assert (weights[~examples.mask] == 0).all()
        assert (weights[examples.mask] > 0).any()

    def test_masked_targets_change_no_gradient(self) -> None:
        """What stands in the place of a missing target has no influence on the loss."""
        examples = self.examples()
        gradients = [_loss_and_gradient(x) for x in (examples, examples.changed_where_masked())]
        torch.testing.assert_close(*gradients, rtol=0, atol=0)

    def test_masked_targets_change_no_metric(self) -> None:
        """What stands in the place of a missing target has no influence on a metric."""
        examples, outputs = self.examples(), self.examples().random_outputs()
        before = self.metric_values(examples.evidence(outputs))
        after = self.metric_values(examples.changed_where_masked().evidence(outputs))
        assert_same(before, after)

    def test_resampling_is_repeating_rows(self) -> None:
        """A metric under counts is the metric of the evidence with each row that many times."""
        examples = self.examples()
        evidence = examples.evidence(examples.random_outputs())
        counts = np.random.default_rng(0).integers(0, 4, (8, len(evidence)))
        for name, metric in examples.output.metrics().items():
            rows = [np.repeat(np.arange(len(evidence)), count) for count in counts]
            repeated = [metric.value(evidence.take(chosen)) for chosen in rows]
            assert_same({name: metric.resampled(evidence, counts)}, {name: np.array(repeated)})

    def test_scope_tells_whether_there_is_a_batch_loss(self) -> None:
        """`batch_loss` gives a scalar exactly where `scope` is ``batch``."""
        examples = self.examples()
        weights = examples.output.weights(examples.targets, examples.mask)
        loss = examples.output.batch_loss(examples.random_outputs(), examples.targets, weights)
        assert (loss is not None) == (examples.output.scope == "batch")
        assert loss is None or loss.shape == ()

    def test_predictions_are_plain_values(self) -> None:
        """One prediction per example, of plain Python types, that `encode` understands."""
        examples = self.examples()
        scores = examples.evidence(examples.random_outputs()).scores
        predictions = examples.output.decode(scores)
        assert len(predictions) == len(scores)
        assert all(_is_plain(value) for value in predictions)
        column = np.empty(len(predictions), dtype=object)
        column[:] = predictions
        assert len(examples.output.encode(column, str)) == len(predictions)

    def test_primary_metric_is_a_metric(self) -> None:
        """The primary metric is one of `metrics`, the first unless chosen."""
        output = self.examples().output
        names = list(output.metrics())
        assert output.primary_metric == (output.primary or names[0])
        assert output.primary_metric in names

    def test_learning_by_heart_reaches_the_best_metric(self) -> None:
        """Head, loss, scores and primary metric agree about what is good."""
        examples = self.examples()
        metric = examples.output.metrics()[examples.output.primary_metric]
        value = metric.value(examples.evidence(examples.trained()))
        start = metric.value(examples.evidence(examples.random_outputs()))
        assert abs(value - metric.best) < 0.1 * max(1.0, abs(start - metric.best)), (start, value)

    def metric_values(self, evidence: Evidence) -> dict[str, Any]:
        """Every metric of the output."""
        return {name: m.value(evidence) for name, m in self.examples().output.metrics().items()}


def assert_same(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Fail where values of two dictionaries differ by more than rounding."""
    for name, value in first.items():
        np.testing.assert_allclose(value, second[name], rtol=1e-9, atol=1e-12, err_msg=name)


def _loss_and_gradient(examples: Examples) -> tuple[torch.Tensor, torch.Tensor]:
    outputs = examples.random_outputs().requires_grad_()
    loss = examples.loss(outputs)
    (gradient,) = torch.autograd.grad(loss, outputs)
    return loss.detach(), gradient


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(_is_plain(item) for item in value)
    return type(value) in (bool, int, float, str)
