from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import close, random_rows, weights

from polytask.balance import NTKMTL, backward
from polytask.errors import InputError
from polytask.testing.problem import Problem


def test_by_hand() -> None:
    # kernels 9 and 16: weights sqrt(25 / 9) and sqrt(25 / 16)
    close(weights(NTKMTL(), [[3.0, 0.0], [0.0, 4.0]]), [5 / 3, 5 / 4])
    close(weights(NTKMTL(exponent=1.0), [[3.0, 0.0], [0.0, 4.0]]), [25 / 9, 25 / 16])
    close(weights(NTKMTL(exponent=0.0), [[3.0, 0.0], [0.0, 4.0]]), [1.0, 1.0])


def test_gradients_become_equally_long() -> None:
    rows = torch.logspace(-6, 6, 5, dtype=torch.float64)[:, None] * random_rows(5)
    lengths = weights(NTKMTL(), rows) * rows.norm(dim=1)
    close(lengths, [float(rows.norm())] * 5)


def test_a_gradient_of_zero_gets_no_weight() -> None:
    for exponent in (0.0, 0.5):
        found = weights(NTKMTL(exponent=exponent), [[3.0, 0.0], [0.0, 0.0], [0.0, 4.0]])
        assert found[1] == 0
        assert (found[[0, 2]] > 0).all()
    close(weights(NTKMTL(), [[0.0], [0.0]]), [0.0, 0.0])


def test_priorities_multiply_the_weights() -> None:
    rows = random_rows(3)
    found = weights(NTKMTL(priorities={"b": 4.0}), rows)
    close(found, weights(NTKMTL(), rows) * torch.tensor([0.5, 2.0, 0.5]))


def test_the_form_of_the_shared_features() -> None:
    """Kernels of the features by autograd; every part of the model gets the weighted loss."""
    problem, plain = Problem(), Problem()
    losses, features = problem.losses()
    balancer = NTKMTL(task_gradients="weighted")
    info = backward(
        losses,
        balancer,
        shared=problem.trunk.parameters(),
        features=features,
        cost="features",
    )
    losses, features = plain.losses()
    kernels = torch.stack(
        [
            torch.autograd.grad(loss, features, retain_graph=True)[0].double().square().sum()
            for loss in losses.values()
        ]
    )
    expected = (kernels.sum() / kernels).sqrt()
    close(info.weights, expected, rtol=1e-5)
    sum(w * loss for w, loss in zip(expected.float(), losses.values(), strict=True)).backward()
    for name, gradient in plain.gradients().items():
        torch.testing.assert_close(problem.gradients()[name], gradient, rtol=1e-4, atol=1e-6)


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="exponent must be finite and not negative, got -1"):
        NTKMTL(exponent=-1.0)
