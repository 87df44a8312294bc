"""Small shared parts of many kinds, for the tests of the engine."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

__all__ = ["TRUNKS", "Model", "jacobian", "losses"]

ROWS, IN, WIDTH = 6, 10, 8
TASKS = ("a", "b", "c")


class Twice(nn.Module):
    """One layer used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.again = nn.Linear(IN, WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.again(torch.tanh(self.again(self.first(x)))))


class Tied(nn.Module):
    """A matrix and its transpose."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(WIDTH, IN) / 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(nn.functional.linear(x @ self.weight.T @ self.weight, self.weight))


class Turned(nn.Module):
    """Square matrices that are not transposed, and one that is."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Parameter(torch.randn(IN, IN) / 3)
        self.second = nn.Parameter(torch.randn(WIDTH, IN) / 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(torch.tanh(x @ self.first) @ self.second.T)


class Words(nn.Module):
    """Embeddings and a transformer layer."""

    def __init__(self, *, sparse: bool = False) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, WIDTH, sparse=sparse)
        self.layer = nn.TransformerEncoderLayer(WIDTH, 2, 16, 0.0, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        numbers = (x.abs() * 7).long() % 20
        found: Tensor = self.layer(self.embedding(numbers)).mean(1)
        return found


class Recurrent(nn.Module):
    """An LSTM over the numbers of a row."""

    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(1, WIDTH, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.cells(x[..., None])[0][:, -1]
        return found


class Picture(nn.Module):
    """Convolutions with batch statistics."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.Conv1d(4, WIDTH, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(x[:, None]).mean(2)
        return found


class Checkpointed(nn.Module):
    """Activations that are computed again in the backward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = mlp()

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = checkpoint(self.layers, x, use_reentrant=False)
        return found


class Frozen(nn.Module):
    """A part that is not trained."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = mlp()
        self.layers[0].requires_grad_(requires_grad=False)
        assert isinstance(self.layers[2], nn.Linear)
        self.layers[2].bias.requires_grad_(requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        found: Tensor = self.layers(x)
        return found


def mlp(width: int = WIDTH, *, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(IN, width, bias=bias),
        nn.ReLU(),
        nn.Linear(width, 12),
        nn.Dropout(0.0),
        nn.LayerNorm(12),
        nn.Linear(12, WIDTH),
        nn.Tanh(),
    )


TRUNKS: dict[str, Callable[[], nn.Module]] = {
    "mlp": mlp,
    "wide": lambda: mlp(64),
    "without bias": lambda: mlp(bias=False),
    "one layer": lambda: nn.Linear(IN, WIDTH),
    "used twice": Twice,
    "tied": Tied,
    "turned": Turned,
    "words": Words,
    "sparse embeddings": lambda: Words(sparse=True),
    "recurrent": Recurrent,
    "convolutions": Picture,
    "checkpointed": Checkpointed,
    "frozen": Frozen,
}


class Model(nn.Module):
    """A shared part and a head per task; task c does not use the last shared part."""

    def __init__(self, trunk: str = "mlp", *, rows: int = ROWS) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = TRUNKS[trunk]()
        self.heads = nn.ModuleDict({name: nn.Linear(WIDTH, 2) for name in TASKS})
        self.x = torch.randn(rows, IN)
        self.y = torch.randn(rows, 2)

    @property
    def shared(self) -> list[nn.Parameter]:
        return [p for p in self.trunk.parameters() if p.requires_grad]


def losses(model: Model, features: Tensor | None = None) -> dict[str, Tensor]:
    """Losses of different sizes, that pull in different directions."""
    found = model.trunk(model.x) if features is None else features
    scales = {"a": 1.0, "b": -3.0, "c": 0.1}
    return {
        name: (model.heads[name](found) - scale * model.y).square().mean() * abs(scale)
        for name, scale in scales.items()
    }


def jacobian(model: Model) -> Tensor:
    """``[K, P]`` the gradients of the shared parameters, by autograd, in float64."""
    rows = []
    for loss in losses(model).values():
        found = torch.autograd.grad(loss, model.shared, retain_graph=True, allow_unused=True)
        parts = [
            (torch.zeros_like(p) if g is None else g).to_dense().flatten()
            for p, g in zip(model.shared, found, strict=True)
        ]
        rows.append(torch.cat(parts))
    return torch.stack(rows).double()
