"""What each of two processes runs in `test_processes`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
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
from polytask.errors import InputError

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
        shard: what is put under FSDP2: the ``trunk`` or ``copies`` of it, the ``model``, the
            ``heads``, both (``tree``) or a ``layer``.
        absent: tasks that the last process lacks, a letter each.
        parts: batches that are added up.
        alone: each batch carries one task.
        groups: balance the first layer apart.
        independent: give two more batches, of the same rows.
        heads: ``deep`` begin with no linear layer, in ``common`` they have an operation; ``apart``
            that of the last task does not use the shared part.
        twice: two tasks have one head.
    """

    balancer: Callable[[], Balancer]
    options: dict[str, Any]
    shard: str = ""
    absent: str = ""
    parts: int = 1
    alone: bool = False
    groups: bool = False
    independent: bool = False
    heads: str = ""
    twice: bool = False


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
    "one task per batch": Case(balance.PCGrad, {}, parts=2, alone=True),
}
SHARDS: dict[str, Case] = {
    "gramian": Case(balance.PCGrad, {}),
    "vectors": Case(Mixed, {}),
    "lengths that count": Case(balance.MoCo, {}),
    "vectors that are kept": Case(balance.DBMTL, {}),
    "vectors that are kept, an absent task": Case(balance.ExcessMTL, {}, absent="c"),
    "a kept update": Case(balance.MomentumConFIG, {}, groups=True),
    "losses": Case(lambda: balance.UncertaintyWeighting(learning_rate=0.3), {}),
    "losses, plain heads": Case(lambda: balance.DWA(task_gradients="plain"), {}, absent="a"),
    "an absent task": Case(balance.PCGrad, {}, absent="c"),
    "an absent task, losses": Case(balance.DWA, {}, absent="a"),
    "groups": Case(balance.PCGrad, {}, groups=True),
    "groups, vectors": Case(Mixed, {}, groups=True, absent="c"),
    "groups, kept weights": Case(lambda: balance.PCGrad(update_every=2), {}, groups=True),
    "kept weights": Case(lambda: balance.PCGrad(update_every=2), {}),
    "batches": Case(balance.PCGrad, {}, parts=2, groups=True, absent="c"),
    "batches, vectors that are kept": Case(balance.DBMTL, {}, parts=2),
    "one task per batch": Case(balance.PCGrad, {}, parts=2, alone=True),
    "independent batches": Case(lambda: balance.MoDo(step_size=0.1), {}, independent=True),
    "features": Case(balance.PCGrad, {"cost": "features"}),
    "features, an absent task": Case(balance.PCGrad, {"cost": "features"}, absent="c"),
    "features, deep heads": Case(balance.PCGrad, {"cost": "features"}, absent="c", heads="deep"),
    "features, heads in common": Case(
        balance.PCGrad, {"cost": "features"}, absent="c", heads="common"
    ),
    "features, vectors": Case(Mixed, {"cost": "features"}, absent="bc", heads="common"),
}
CASES |= {f"shards, {name}": replace(case, shard="trunk") for name, case in SHARDS.items()}
CASES |= {
    "model in shards": Case(balance.PCGrad, {}, shard="model"),
    "model in shards, weighted heads": Case(
        lambda: balance.PCGrad(task_gradients="weighted"), {}, shard="model"
    ),
    "model in shards, losses": Case(
        lambda: balance.UncertaintyWeighting(learning_rate=0.3), {}, shard="model"
    ),
    "heads in common": Case(balance.PCGrad, {}, shard="trunk", twice=True),
    "heads in common, losses": Case(balance.DWA, {}, shard="trunk", twice=True),
    "copies of shards": Case(balance.MoCo, {}, shard="copies"),
    "copies of shards, batches": Case(balance.PCGrad, {}, shard="copies", parts=2),
}


REFUSED: dict[str, tuple[Case, str]] = {
    "no loss": (
        Case(balance.PCGrad, {}, shard="trunk", absent="abc"),
        "under fully_shard every process needs a loss of each batch",
    ),
    "no loss, losses": (
        Case(balance.DWA, {}, shard="trunk", absent="abc"),
        "under fully_shard every process needs a loss of each batch",
    ),
    "no loss of heads in shards": (
        Case(balance.PCGrad, {}, shard="model", absent="b"),
        "the loss of 'b' is absent on a process, .* keep them out of fully_shard",
    ),
    "features of heads in shards": (
        Case(balance.PCGrad, {"cost": "features"}, shard="tree"),
        "the parameters of tasks are under fully_shard; keep them out",
    ),
    "an absent task that goes another way": (
        Case(balance.PCGrad, {}, shard="trunk", absent="c", heads="apart"),
        "the loss of 'c' is absent on a process; .* go through all shared parameters",
    ),
    "an absent task that goes another way, losses": (
        Case(balance.DWA, {}, shard="trunk", absent="c", heads="apart"),
        "the loss of 'c' is absent on a process; .* go through all shared parameters",
    ),
    "a sum": (
        Case(balance.PCGrad, {"processes": "sum"}, shard="trunk"),
        "fully_shard takes the mean itself; use processes='mean'",
    ),
    "heads alone": (
        Case(balance.PCGrad, {}, shard="heads"),
        "parameters of tasks are under fully_shard, but the shared part is not",
    ),
    "one layer": (
        Case(balance.PCGrad, {}, shard="layer"),
        r"a shared parameter, of shape \(12, 64\), is not cut, though others are",
    ),
}


class Whole(Model):
    """All tasks in one call, as a wrapped model needs it."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        features = self.trunk(x)
        return {name: self.heads[name](features) for name in TASKS}


def losses(
    model: Model, rows: slice, absent: str, outputs: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The mean over some rows; tasks that are absent have none in the second half."""
    scales = {"a": 1.0, "b": -3.0, "c": 0.1}
    found = {}
    for name, scale in scales.items():
        each = (outputs[name] - scale * model.y[rows]).square().mean(1)
        if name in absent:
            numbers = torch.arange(ROWS)[rows]
            if int(numbers[0]) >= ROWS // 2:
                continue
            each = each[numbers < ROWS // 2]
        found[name] = each.sum() / len(outputs[name])
    return found


def two_steps(case: Case, rows: slice, *, shard: str) -> dict[str, Tensor]:
    """The parameters and the balancer after two steps."""
    model, balancer = Whole("wide", rows=ROWS), case.balancer()
    if shard:
        cut(model, shard)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    if case.twice:
        model.heads["b"] = model.heads["a"]
    own = {name: list(model.heads[name].parameters()) for name in TASKS}
    for _ in range(2):
        shared = model.shared
        groups = {"stem": shared[:2]} if case.groups else None
        if case.parts > 1:
            step = Accumulation(balancer, tasks=TASKS, shared=shared, own=own, groups=groups)
            for part in torch.arange(ROWS)[rows].chunk(case.parts):
                here = slice(int(part[0]), int(part[-1]) + 1)
                for batch in [{name} for name in TASKS] if case.alone else [{*TASKS}]:
                    found = losses(model, here, case.absent, model(model.x[here]))
                    step.add({n: loss / case.parts for n, loss in found.items() if n in batch})
            step.finish()
        else:
            features = model.trunk(model.x[rows]) if shard != "model" else None
            more = [
                losses(model, rows, case.absent, model(model.x[rows]))
                for _ in range(2 * case.independent)
            ]
            outputs = (
                model(model.x[rows]) if features is None else of_heads(model, features, case.heads)
            )
            balance.backward(
                losses(model, rows, case.absent, outputs),
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
    state = {f"balancer.{name}": value for name, value in balancer.state_dict().items()}
    if case.shard:  # what is as long as a gradient is of this process's shard
        state = {name: value for name, value in state.items() if value.numel() <= len(TASKS)}
    if shard:
        found = {n: p.full_tensor() if hasattr(p, "full_tensor") else p for n, p in found.items()}
    return {name: value.clone() for name, value in {**found, **state}.items()}


def of_heads(model: Model, features: Tensor, kind: str) -> dict[str, Tensor]:
    if kind == "apart":
        return {n: h(features if n != "c" else features.detach()) for n, h in model.heads.items()}
    if kind == "deep":
        return {name: model.heads[name](features.exp()) for name in TASKS}
    common = features.exp() if kind == "common" else features
    return {name: model.heads[name](common) for name in TASKS}


def cut(model: Model, what: str) -> None:
    """Put a part of a model, or all of it, under ``fully_shard``."""
    from torch.distributed.fsdp import fully_shard

    mesh = dist.init_device_mesh("cpu", (COUNT,), mesh_dim_names=("shards",))
    if what == "copies":
        names = ("copies", "shards")
        mesh = dist.init_device_mesh("cpu", (COUNT, 1), mesh_dim_names=names)
    if what in ("trunk", "model", "tree", "copies"):
        fully_shard(model.trunk, mesh=mesh)
    if what == "layer":
        fully_shard(model.trunk[0], mesh=mesh)
    if what in ("heads", "tree"):
        for head in model.heads.values():
            fully_shard(head, mesh=mesh)
    if what == "model":
        fully_shard(model, mesh=mesh)


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
    for name, (case, _) in REFUSED.items():
        try:
            two_steps(case, slice(rank * size, (rank + 1) * size), shard=case.shard)
        except InputError as error:
            (folder / f"{name}-{rank}.txt").write_text(str(error))
    dist.destroy_process_group()
