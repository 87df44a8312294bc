from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import close, losses, random_rows, weights
from torchjd.aggregation import AlignedMTLWeighting, CRMOGMWeighting

from polytask.balance import CRMOGM, AlignedMTL, PCGrad
from polytask.errors import InputError

ORTHOGONAL = torch.tensor([[1.0, 0.0], [0.0, 2.0]]).double()


def test_by_hand() -> None:
    # the shortest vectors have shares (0.8, 0.2), and (0.5, 0.5) of gradients of length 2
    balancer = CRMOGM(smoothing=0.75)
    close(weights(balancer, ORTHOGONAL), [0.8, 0.2])
    close(weights(balancer, 2 * torch.eye(2)), [0.725, 0.275])


@pytest.mark.parametrize("smoothing", [0.0, 0.3, 0.9])
def test_as_torchjd(smoothing: float) -> None:
    balancer = CRMOGM(base="aligned_mtl", options={"scale": "median"}, smoothing=smoothing)
    reference = CRMOGMWeighting(AlignedMTLWeighting(scale_mode="median"), alpha=smoothing)
    for seed in range(5):
        rows = random_rows(4, seed=seed)
        close(weights(balancer, rows), reference(rows @ rows.T))


def test_the_method_counts_the_steps_too() -> None:
    """PCGrad draws orders by the seed and the number of the step."""
    smooth, plain = CRMOGM(base="pcgrad", smoothing=0.0, seed=3), PCGrad(seed=3)
    for seed in range(4):
        rows = random_rows(6, seed=seed)
        close(weights(smooth, rows), weights(plain, rows))


def test_a_task_that_comes_late_begins_with_its_own_weight() -> None:
    balancer = CRMOGM(smoothing=0.5)
    weights(balancer, ORTHOGONAL)
    # the shortest vector of lengths 1, 1 and 1 has shares of a third
    found = balancer.from_gramian(torch.eye(3).double(), losses([1.0, 1.0, 1.0]))
    close(found, [(0.8 + 1 / 3) / 2, (0.2 + 1 / 3) / 2, 1 / 3])


def test_priorities_and_validation_losses_reach_the_method() -> None:
    rows = random_rows(3)
    given = {"a": 4.0}
    found = weights(CRMOGM(base="aligned_mtl", priorities=given), rows)
    close(found, weights(AlignedMTL(priorities=given), rows))
    balancer = CRMOGM(base="pivrg", options={"baselines": {"a": 1.0, "b": 1.0, "c": 1.0}})
    assert balancer.observes
    balancer.observe({"a": 2.0})
    assert "a" in balancer.method.deficits


def test_the_gradients_of_heads_are_those_of_the_method() -> None:
    assert CRMOGM(base="nash_mtl").weighs_tasks
    assert not CRMOGM(base="mgda").weighs_tasks
    balancer = CRMOGM(base="imtl")
    weights(balancer, random_rows(2))
    close(balancer.own_weights("ab", torch.zeros(2)), [1.0, 1.0])
    assert CRMOGM(base="imtl", task_gradients="plain").own_weights("ab", None) is None


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="smoothing must be from 0 to below 1, got 1"):
        CRMOGM(smoothing=1.0)
    with pytest.raises(InputError, match="'dwa' does not weigh by the Gramian"):
        CRMOGM(base="dwa")
    with pytest.raises(InputError, match="did you mean 'cagrad'"):
        CRMOGM(base="cagra")
    with pytest.raises(InputError, match="leave priorities out"):
        CRMOGM(priorities={"a": 2.0})
