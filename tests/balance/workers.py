"""What each of two processes runs in `test_processes`."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from tests.balance.models import TASKS, Model
from torch import Tensor

from polytask import balance
from polytask.balance import Accumulation, Balancer, GradientAggregator
from polytask.balance.balancer import Losses

COUNT, ROWS = 2, 8


class Mixed(GradientAggregator):
    """A sum that is no weighted sum of fixed weights: elementwise medians."""

    def aggregate(self, gradients: Tensor, losses: Losses) -> Tensor:
        return gradients.median(0).values


@dataclass(frozen=True)
class Case:
    """A way of balancing two steps.

    Args:
        balancer: makes the method.
        options: of `backward`.
        shard: put the shared part under FSDP2.
        absent: a task that the last process lacks.
        parts: batches that are added up.
        groups: balance the first layer apart.
        independent: give two more batches, of the same rows.
    """

    balancer: Callable[[], Balancer]
    options: dict[str, Any]
    shard: bool = False
    absent: str = ""
    parts: int = 1
    groups: bool = False
    independent: bool = False


CASES: dict[str, Case] = {
    "gramian": Case(balance.PCGrad, {}),
    "vectors": Case(Mixed, {}),
    "vectors that are kept": Case(balance.DBMTL, {}),
    "vectors that are kept, an absent task": Case(balance.ExcessMTL, {}, absent="c"),
    "scaled heads": Case(lambda: balance.IMTL(learning_rate=0.3), {}),
    "losses": Case(lambda: balance.UncertaintyWeighting(learning_rate=0.3), {}),
    "features": Case(balance.PCGrad, {"cost": "features"}),
    "last block": Case(balance.PCGrad, {"cost": "last_block"}),
    "kept weights": Case(lambda: balance.PCGrad(update_every=2), {}),
    "weighted heads": Case(lambda: balance.PCGrad(task_gradients="weighted"), {}),
    "an absent task": Case(balance.PCGrad, {}, absent="c"),
    "an absent task, losses": Case(balance.DWA, {}, absent="a"),
    "batches": Case(balance.PCGrad, {}, parts=2),
    "groups": Case(balance.GradNorm, {}, groups=True),
    "groups, vectors": Case(Mixed, {}, groups=True, absent="c"),
    "groups, kept weights": Case(lambda: balance.PCGrad(update_every=2), {}, groups=True),
    "groups, batches": Case(balance.PCGrad, {}, groups=True, parts=2),
    "low memory": Case(balance.PCGrad, {"memory": "low"}),
    "low memory, groups": Case(balance.PCGrad, {"memory": "low"}, groups=True),
    "low memory, an absent task": Case(balance.PCGrad, {"memory": "low"}, absent="c"),
    "independent batches": Case(lambda: balance.MoDo(step_size=0.1), {}, independent=True),
    "shards": Case(balance.PCGrad, {}, shard=True),
    "shards, vectors": Case(Mixed, {}, shard=True),
    "shards, losses": Case(lambda: balance.UncertaintyWeighting(learning_rate=0.3), {}, shard=True),
    "shards, an absent task": Case(balance.PCGrad, {}, shard=True, absent="c"),
    "shards, groups": Case(balance.PCGrad, {}, shard=True, groups=True),
    "shards, groups, vectors": Case(Mixed, {}, shard=True, groups=True, absent="c"),
    "shards, kept weights": Case(lambda: balance.PCGrad(update_every=2), {}, shard=True),
}


def losses(model: Model, rows: slice, absent: str, features: Tensor) -> dict[str, Tensor]:
    """The mean over some rows; task ``absent`` has none in the second half."""
    scales = {"a": 1.0, "b": -3.0, "c": 0.1}
    found = {}
    for name, scale in scales.items():
        each = (model.heads[name](features) - scale * model.y[rows]).square().mean(1)
        if name == absent:
            numbers = torch.arange(ROWS)[rows]
            if int(numbers[0]) >= ROWS // 2:
                continue
            each = each[numbers < ROWS // 2]
        found[name] = each.sum() / len(features)
    return found


def two_steps(case: Case, rows: slice, *, shard: bool) -> dict[str, Tensor]:
    """The parameters and the balancer after two steps."""
    model, balancer = Model("wide", rows=ROWS), case.balancer()
    if shard:
        from torch.distributed.fsdp import fully_shard

        fully_shard(model.trunk, mesh=dist.init_device_mesh("cpu", (COUNT,)))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    own = {name: list(model.heads[name].parameters()) for name in TASKS}
    for _ in range(2):
        shared = model.shared
        groups = {"stem": shared[:2]} if case.groups else None
        if case.parts > 1:
            step = Accumulation(balancer, tasks=TASKS, shared=shared, own=own, groups=groups)
            numbers = torch.arange(ROWS)[rows]
            for part in numbers.chunk(case.parts):
                here = slice(int(part[0]), int(part[-1]) + 1)
                found = losses(model, here, case.absent, model.trunk(model.x[here]))
                step.add({name: loss / case.parts for name, loss in found.items()})
            step.finish()
        else:
            features = model.trunk(model.x[rows])
            more = [
                losses(model, rows, case.absent, model.trunk(model.x[rows]))
                for _ in range(2 * case.independent)
            ]
            balance.backward(
                losses(model, rows, case.absent, features),
                balancer,
                shared=shared,
                own=own,
                groups=groups,
                features=features,
                independent=more or None,
                last_block=shared[-2:],
                **case.options,
            )
        optimizer.step()
        optimizer.zero_grad()
    found = {name: p.detach() for name, p in model.named_parameters()}
    if shard:
        found = {n: p.full_tensor() if hasattr(p, "full_tensor") else p for n, p in found.items()}
    state = {f"balancer.{name}": value for name, value in balancer.state_dict().items()}
    return {name: value.clone() for name, value in {**found, **state}.items()}


def work(rank: int, folder: Path) -> None:
    """Every case, one after the other: starting processes takes long."""
    torch.set_num_threads(1)
    os.environ.update({"GLOO_SOCKET_IFNAME": "lo"})
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=COUNT
    )
    size = ROWS // COUNT
    for name, case in CASES.items():
        found = two_steps(case, slice(rank * size, (rank + 1) * size), shard=case.shard)
        save_file(found, folder / f"{name}-{rank}.safetensors")
    dist.destroy_process_group()
