from __future__ import annotations

import pytest
import torch
from tests.balance.methods.gradients import aggregated, as_rows, close, losses, random_rows
from torch import Tensor
from torchjd.aggregation import ConFIG as Reference

from polytask.balance import MomentumConFIG
from polytask.errors import InputError


def test_the_first_step_has_the_signs_of_config() -> None:
    found = aggregated(MomentumConFIG(), [[4.0, 0.0, 0.0], [-1.0, 2.0, 0.0]])
    close(found, [1.0, 1.0, 0.0])


def test_of_one_direction_it_is_adam() -> None:
    """Equal gradients: ConFIG is their sum, and the whole is Adam on the sum of the losses."""
    parameter = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([parameter], lr=1.0, betas=(0.8, 0.95), eps=0.0)
    balancer, at = MomentumConFIG(beta=0.8, beta_squares=0.95), torch.zeros(5).double()
    for seed in range(10):
        gradient = random_rows(2, seed=seed, width=5)[0]
        parameter.grad = 2 * gradient
        adam.step()
        at -= aggregated(balancer, torch.stack([gradient, gradient]))
        close(at, parameter.detach(), rtol=1e-6)


class ByTheBook:
    """M-ConFIG with averages that are not corrected before they are used."""

    def __init__(self, tasks: int, width: int) -> None:
        self.mean, self.count = torch.zeros(tasks, width).double(), torch.zeros(tasks, 1).double()
        self.last, self.square, self.time = torch.zeros(width), torch.zeros(width), 0

    def step(self, tasks: list[int], rows: Tensor) -> Tensor:
        self.mean[tasks] = 0.9 * self.mean[tasks] + 0.1 * rows
        self.count[tasks] += 1
        self.time += 1
        direction = Reference()(self.mean / (1 - 0.9**self.count))
        mean = direction * (1 - 0.9**self.time)
        fake = (mean - 0.9 * self.last) / 0.1
        self.last, self.square = mean, 0.999 * self.square + 0.001 * fake**2
        return direction / (self.square / (1 - 0.999**self.time)).sqrt()


def test_as_the_algorithm_with_torchjd() -> None:
    """First all three tasks, then one in turn."""
    balancer, book = MomentumConFIG(), ByTheBook(3, 6)
    rows = random_rows(3, width=6)
    close(aggregated(balancer, rows), book.step([0, 1, 2], rows), rtol=1e-6)
    for step in range(9):
        rows, task = random_rows(2, seed=step, width=6)[:1], step % 3
        name = "abc"[task]
        found = balancer.from_gradients(rows.clone(), {name: losses([1.0])["a"]})
        close(found, book.step([task], rows), rtol=1e-6)


def test_an_overflow_in_the_turn_of_a_task_is_forgotten() -> None:
    balancer = MomentumConFIG()
    aggregated(balancer, random_rows(2))
    before = {name: value.clone() for name, value in balancer.state_dict().items()}
    found = balancer.from_gradients(as_rows([[torch.inf] * 50]), losses([1.0]))
    assert not found.isfinite().any()
    for name, value in balancer.state_dict().items():
        assert torch.equal(value, before[name])


def test_what_it_refuses() -> None:
    with pytest.raises(InputError, match="decays must be from 0 to below 1, got 1"):
        MomentumConFIG(beta=1.0)
