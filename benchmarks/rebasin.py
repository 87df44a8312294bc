"""What re-basin does to the average of two networks, and what it costs.

``python benchmarks/rebasin.py`` trains pairs of networks on the digits of scikit-learn from
different seeds, and prints the loss on held-out digits of both, of their average, and of their
average after one was put into the order of the other; then the time of one core for the units of a
gated feed-forward layer with random weights.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional

from polytask import merging

DIGITS = load_digits()
PIXELS = torch.tensor(DIGITS.data / 16, dtype=torch.float32)
CLASSES = torch.tensor(DIGITS.target)
TRAINED, STEPS = 1200, 150
WIDTHS = ((128, 128), (64, 64), (256, 256))
FEED_FORWARD = (3072, 768)


def network(widths: tuple[int, ...]) -> nn.Sequential:
    sizes = [PIXELS.shape[1], *widths]
    layers = [
        layer
        for inner, outer in zip(sizes, widths, strict=False)
        for layer in (nn.Linear(inner, outer), nn.ReLU())
    ]
    return nn.Sequential(*layers, nn.Linear(sizes[-1], 10))


def trained(widths: tuple[int, ...], seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    model = network(widths)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for _ in range(STEPS):
        rows = torch.randint(TRAINED, (128,))
        optimizer.zero_grad()
        functional.cross_entropy(model(PIXELS[rows]), CLASSES[rows]).backward()
        optimizer.step()
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


@torch.no_grad()
def loss(widths: tuple[int, ...], state: Mapping[str, Tensor]) -> float:
    model = network(widths)
    model.load_state_dict(state)
    return float(functional.cross_entropy(model(PIXELS[TRAINED:]), CLASSES[TRAINED:]))


def averages(widths: tuple[int, ...]) -> list[float]:
    """The losses of both, of their average, and of that after re-basin."""
    one, other = (trained(widths, seed) for seed in (1, 2))
    spec = merging.permutation_spec(network(widths), (PIXELS[:2],))
    near = merging.align_state_dict(one, other, spec).state
    means = [merging.merge_state_dicts("average", models=[one, two]) for two in (other, near)]
    return [loss(widths, state) for state in (one, other, *means)]


def seconds(units: int, width: int) -> float:
    """Of one core, for the units of a gated feed-forward layer."""
    torch.set_num_threads(1)
    shapes = {"gate": (units, width), "up": (units, width), "down": (width, units)}
    axes = {"gate": ("P", None), "up": ("P", None), "down": (None, "P")}
    one, other = ({name: torch.randn(shape) for name, shape in shapes.items()} for _ in range(2))
    start = time.process_time()
    merging.align_state_dict(one, other, merging.PermutationSpec(axes))
    return time.process_time() - start


def main() -> None:
    print("hidden units    one   other  average  after re-basin")
    for widths in WIDTHS:
        one, other, before, after = averages(widths)
        shown = " x ".join(map(str, widths))
        print(f"{shown:12s} {one:6.3f}  {other:6.3f}   {before:6.3f}          {after:6.3f}")
    print(f"units of a layer of {FEED_FORWARD}: {seconds(*FEED_FORWARD):.1f} s of one core")


if __name__ == "__main__":
    main()
