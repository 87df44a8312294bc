"""A small module with experts of two tasks, trained here."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from polytask.merging import Experts

__all__ = ["Problem", "cross_entropy", "line", "narrow", "problem"]

FEATURES, CLASSES, ROWS = 8, 3, 256
Net = Callable[[], nn.Module]


def plain() -> nn.Module:
    return nn.Sequential(nn.Linear(FEATURES, 16), nn.Tanh(), nn.Linear(16, CLASSES))


class Problem:
    """Two tasks with classes of their own rules, and a model trained for each from one start."""

    def __init__(self, net: Net) -> None:
        torch.manual_seed(0)
        self.model = net()
        base = copied(self.model)
        self.data: dict[str, tuple[Tensor, Tensor]] = {}
        models = {}
        for shift, task in enumerate(("a", "b")):
            rows = torch.randn(ROWS, FEATURES) + shift
            classes = (rows @ torch.randn(FEATURES, CLASSES)).argmax(1)
            self.data[task] = rows, classes
            models[task] = self._trained(net, base, rows, classes)
        self.experts = Experts(
            model=self.model,
            base=base,
            models=models,
            batches={task: [*rows.split(64)] for task, (rows, _) in self.data.items()},
            outputs=lambda model, task, batch: model(batch),
        )
        self.labelled = Experts(
            model=self.model,
            base=base,
            models=models,
            batches={task: [pair] for task, pair in self.data.items()},
            outputs=lambda model, task, batch: model(batch[0]),
        )

    def _trained(
        self, net: Net, base: Mapping[str, Tensor], rows: Tensor, classes: Tensor
    ) -> dict[str, Tensor]:
        model = net()
        model.load_state_dict(base)
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
        for _ in range(60):
            optimizer.zero_grad()
            functional.cross_entropy(model(rows), classes).backward()
            optimizer.step()
        return copied(model)

    def accuracy(self, state: Mapping[str, Tensor]) -> float:
        """Mean over both tasks."""
        self.model.load_state_dict(state)
        self.model.eval()
        with torch.no_grad():
            found = [self.model(rows).argmax(1) == classes for rows, classes in self.data.values()]
        return float(torch.stack(found).float().mean())


def narrow(experts: Experts) -> Experts:
    """The same in bfloat16."""
    base, *models = (
        {name: value.bfloat16() for name, value in state.items()}
        for state in (experts.base, *experts.models.values())
    )
    return replace(
        experts,
        model=experts.model.bfloat16(),
        base=base,
        models=dict(zip(experts.models, models, strict=True)),
        outputs=lambda model, task, batch: model(batch.bfloat16()).float(),
    )


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def problem(net: Net = plain) -> Problem:
    return Problem(net)


def cross_entropy(outputs: Tensor, task: str, batch: Any) -> Tensor:
    return functional.cross_entropy(outputs, batch[1])


class Weight(nn.Module):
    """One vector, returned as it is."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(size))

    def forward(self) -> Tensor:
        return self.weight


def line(base: list[float], **models: list[float]) -> Experts:
    """Experts of a module that is one vector; batches are empty and outputs are the vector."""
    return Experts(
        model=Weight(len(base)),
        base={"weight": torch.tensor(base)},
        models={task: {"weight": torch.tensor(values)} for task, values in models.items()},
        batches={task: [None] for task in models},
        outputs=lambda model, task, batch: model(),
    )
