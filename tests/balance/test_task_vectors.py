from __future__ import annotations

import pytest
import torch

from polytask.balance import DBMTL, Accumulation
from polytask.balance.task_vectors import TaskVectors, lengths_of
from polytask.errors import InputError
from polytask.testing.problem import Problem


def test_they_keep_their_precision() -> None:
    state, like = TaskVectors(), torch.ones(3, dtype=torch.float32)
    state.of("a.b", like).add_(1 / 3)
    saved = state.state_dict()
    state.of("a.b", like).zero_()
    assert saved["a.b"].dtype == torch.float32
    loaded = TaskVectors()
    loaded.load_state_dict(saved)
    saved["a.b"].zero_()
    assert torch.equal(loaded.of("a.b", like), torch.full((3,), 1 / 3))
    assert loaded.of("a.b", like.double()).dtype == torch.float64


def test_lengths_see_squares_that_overflow() -> None:
    rows = torch.tensor([[3.0, 4.0], [1e30, 0.0]])
    assert lengths_of(rows).tolist() == [5.0, torch.inf]
    assert lengths_of(rows.double()).tolist() == [5.0, float(rows[1, 0])]


def test_gradient_accumulation_is_one_big_batch() -> None:
    whole, parts = DBMTL(), DBMTL()
    one, two = Problem(), Problem()
    losses, features = one.losses()
    one.differentiate(whole, losses, features)
    step = Accumulation(parts, tasks=list(losses), shared=two.trunk.parameters())
    for _ in range(2):
        two.batches = 0
        step.add({name: loss / 2 for name, loss in two.losses()[0].items()})
    step.finish()
    for name, gradient in one.gradients().items():
        torch.testing.assert_close(two.gradients()[name], gradient)


def test_gradients_of_features_are_refused() -> None:
    """They are of the examples of one step."""
    problem = Problem()
    with pytest.raises(InputError, match="cost='features': DBMTL follows parameters' gradients"):
        problem.differentiate(DBMTL(), *problem.losses(), cost="features")
