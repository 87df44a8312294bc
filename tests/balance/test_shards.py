"""What one process may do and is refused under ``fully_shard``; several are in `test_processes`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.fsdp import fully_shard

from polytask import balance
from polytask.balance import DWA, Accumulation, Balancer, PCGrad
from polytask.errors import InputError
from polytask.testing.problem import Problem


class Cut(Problem):
    """A problem whose shared part is cut, over one process."""

    def __init__(self) -> None:
        super().__init__()
        fully_shard(self.trunk, mesh=dist.init_device_mesh("cpu", (1,)))
        self.shared = list(self.trunk.parameters())
        self.own = {name: list(head.parameters()) for name, head in self.heads.items()}
        self.extra = torch.ones(2, requires_grad=True)

    def backward(self, balancer: Balancer, **options: Any) -> None:
        losses, features = self.losses()
        given = {"shared": self.shared, "own": self.own, "features": features, **options}
        balance.backward(losses, balancer, **given)


@pytest.fixture
def problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cut]:
    monkeypatch.setenv("GLOO_SOCKET_IFNAME", "lo")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield Cut()
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("balancer", "options", "said"),
    [
        (DWA(), {"cost": "last_block"}, "cost='last_block': .* use cost='features'"),
        (PCGrad(), {"memory": "low"}, "memory='low': .* leave memory out"),
        (PCGrad(), {"own": None}, "own must map every task to its parameters"),
    ],
)
def test_refusals_say_what_to_do(
    problem: Cut, balancer: Balancer, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        problem.backward(balancer, **options)


@pytest.mark.parametrize("balancer", [PCGrad(), DWA()])
def test_gathered_parameters_are_not_those_that_are_trained(
    problem: Cut, balancer: Balancer
) -> None:
    losses, _ = problem.losses()
    with pytest.raises(InputError, match="list them before the forward pass"):
        balance.backward(losses, balancer, shared=problem.trunk.parameters(), own=problem.own)


def test_accumulation_needs_the_parameters_of_tasks(problem: Cut) -> None:
    with pytest.raises(InputError, match="own must map every task to its parameters"):
        Accumulation(PCGrad(), tasks=["north"], shared=problem.shared)


def test_parameters_of_tasks_may_be_given_one_by_one(problem: Cut) -> None:
    """They are read once, to be checked and to be used."""
    whole = Problem()
    for head in whole.heads.values():
        fully_shard(head, mesh=dist.init_device_mesh("cpu", (1,)))
    own = {name: iter([*head.parameters()]) for name, head in whole.heads.items()}
    losses, _ = whole.losses()
    with pytest.raises(InputError, match="parameters of tasks are under fully_shard"):
        balance.backward(losses, PCGrad(), shared=whole.trunk.parameters(), own=own)


@pytest.mark.parametrize("listed", ["before", "after"])
def test_heads_that_were_gathered(problem: Cut, listed: str) -> None:
    for head in problem.heads.values():
        fully_shard(head, mesh=dist.init_device_mesh("cpu", (1,)))
    fully_shard(problem, mesh=dist.init_device_mesh("cpu", (1,)))
    if listed == "before":
        problem.own = {name: list(head.parameters()) for name, head in problem.heads.items()}
    losses, features = problem.losses()
    if listed == "after":
        problem.own = {name: list(head.parameters()) for name, head in problem.heads.items()}
    said = "keep them out" if listed == "before" else "list them before|list parameters before"
    with pytest.raises(InputError, match=said):
        balance.backward(
            losses,
            PCGrad(),
            shared=problem.shared,
            own=problem.own,
            features=features,
            cost="features",
        )


def test_gradients_stay_if_a_pass_fails(problem: Cut) -> None:
    problem.backward(PCGrad())
    losses, _ = problem.losses()
    sum(losses.values()).backward(retain_graph=False)  # type: ignore[union-attr]
    before = {name: p.grad for name, p in problem.named_parameters()}
    with pytest.raises(RuntimeError, match="a second time"):
        balance.backward(losses, PCGrad(), shared=problem.shared, own=problem.own)
    assert {name: p.grad is None for name, p in problem.named_parameters()} == {
        name: gradient is None for name, gradient in before.items()
    }


def test_features_that_are_not_the_last(problem: Cut) -> None:
    losses, features = problem.losses()
    loss = features.sum() + problem.extra.sum()
    with pytest.raises(InputError, match="reach a loss past the features and are not in own"):
        balance.backward(
            {**losses, "north": loss},
            PCGrad(),
            shared=problem.shared,
            own=problem.own,
            features=features,
            cost="features",
        )


@pytest.mark.parametrize("balancer", [PCGrad, DWA, lambda: DWA(task_gradients="plain")])
@pytest.mark.parametrize("heads", [False, True])
def test_one_process_is_enough(problem: Cut, balancer: Any, heads: bool) -> None:
    if heads:
        for head in problem.heads.values():
            fully_shard(head, mesh=dist.init_device_mesh("cpu", (1,)))
        problem.own = {name: list(head.parameters()) for name, head in problem.heads.items()}
    problem.backward(balancer())
    whole = Problem()
    whole.differentiate(balancer(), *whole.losses())
    found = {name: parameter.grad for name, parameter in problem.named_parameters()}
    for name, gradient in whole.gradients().items():
        torch.testing.assert_close(_whole(found[name]), gradient)


def _whole(tensor: Any) -> Tensor:
    found: Tensor = tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor
    return found
