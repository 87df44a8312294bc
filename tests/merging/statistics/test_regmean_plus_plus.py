"""Regression mean block after block, against a computation by hand."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
import torch
from tests.merging.statistics.test_collect_gramians import bert, texts
from tests.merging.test_invariants import same
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.merging import Experts, collect_gramians, merge_state_dicts, regmean_plus_plus


def network() -> nn.Sequential:
    """Two blocks of two layers."""
    sizes = [(4, 5), (5, 4), (4, 6), (6, 3)]
    first, second, third, fourth = (nn.Linear(*size, bias=False) for size in sizes)
    blocks = [nn.Sequential(first, nn.Tanh(), second), nn.Sequential(third, nn.Tanh(), fourth)]
    return nn.Sequential(*blocks).double()


def family(count: int = 2) -> tuple[list[nn.Sequential], dict[str, list[Tensor]]]:
    torch.manual_seed(0)
    models = [network() for _ in range(count + 1)]
    return models, {f"task-{k}": [torch.randn(9, 4).double() for _ in "ab"] for k in range(count)}


def experts(models: Sequence[nn.Module], batches: dict[str, Any], **options: Any) -> Experts:
    model, *others = models
    options.setdefault("outputs", lambda model, task, batch: model(batch))
    return Experts(
        model=model,
        base=model.state_dict(),
        models={task: m.state_dict() for task, m in zip(batches, others, strict=True)},
        batches=batches,
        **options,
    )


def nearest(inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """The weights that do best what each does on its inputs."""
    targets = torch.cat([x @ w.T for x, w in zip(inputs, weights, strict=True)])
    return torch.linalg.lstsq(torch.cat(list(inputs)), targets).solution.T


def test_a_mask_of_no_layer_is_refused() -> None:
    models, batches = family()
    with pytest.raises(
        InputError, match=r"mask: its shape, \(1, 7\), is that of no layer's inputs"
    ):
        regmean_plus_plus(experts(models, batches), mask=lambda _: torch.ones(1, 7))


def test_by_hand() -> None:
    models, batches = family()
    found = regmean_plus_plus(experts(models, batches), shrink=1.0)
    inputs = [torch.cat(of_task) for of_task in batches.values()]
    states = [model.state_dict() for model in models[1:]]
    for block in (0, 1):
        first, last = f"{block}.0.weight", f"{block}.2.weight"
        merged = nearest(inputs, [state[first] for state in states])
        # Within the block the layers before are those of each model, not the merged ones.
        hidden = [torch.tanh(x @ state[first].T) for x, state in zip(inputs, states, strict=True)]
        merged_last = nearest(hidden, [state[last] for state in states])
        torch.testing.assert_close(found[first], merged)
        torch.testing.assert_close(found[last], merged_last)
        inputs = [torch.tanh(x @ merged.T) @ merged_last.T for x in inputs]


def test_with_one_block_it_is_regmean() -> None:
    models, batches = family(3)
    given = zip(models[1:], batches.values(), strict=True)
    statistics = [collect_gramians(model[0], of_task) for model, of_task in given]
    states = [model[0].state_dict() for model in models[1:]]
    expected = merge_state_dicts("regmean", models=states, statistics=statistics, shrink=0.8)
    found = regmean_plus_plus(experts(models, batches), blocks=["0"], shrink=0.8)
    for name, value in expected.items():
        torch.testing.assert_close(found[f"0.{name}"], value)
    average = merge_state_dicts("average", models=[model.state_dict() for model in models[1:]])
    assert all(torch.equal(found[name], average[name]) for name in found if name.startswith("1."))


def test_equal_models_stay_and_the_order_of_tasks_does_not_matter() -> None:
    models, batches = family(3)
    equal = experts([models[0], *[models[1]] * 3], batches)
    assert same(regmean_plus_plus(equal), models[1].state_dict())
    results = []
    for order in itertools.permutations(range(3)):
        tasks = {f"task-{k}": batches[f"task-{k}"] for k in order}
        chosen = experts([models[0], *(models[k + 1] for k in order)], tasks)
        results.append(regmean_plus_plus(chosen))
    assert all(same(result, results[0]) for result in results[1:])


def test_the_module_stays_as_it_was() -> None:
    models, batches = family()
    before = {name: value.clone() for name, value in models[0].state_dict().items()}
    regmean_plus_plus(experts(models, batches))
    assert same(models[0].state_dict(), before)
    assert models[0].training
    assert not any(module._forward_pre_hooks for module in models[0].modules())


def test_berts() -> None:
    """Numbered layers are found, in their order; the rest is averaged unless it is named."""
    models = [bert(seed) for seed in range(3)]

    def outputs(model: nn.Module, task: str, batch: dict[str, Tensor]) -> Tensor:
        return model(**batch).last_hidden_state

    chosen = experts(models, {"a": texts(0), "b": texts(1)}, outputs=outputs)
    layers = ["encoder.layer.0", "encoder.layer.1"]
    found = regmean_plus_plus(chosen, mask=lambda batch: batch["attention_mask"])
    named = regmean_plus_plus(
        chosen, blocks=[*layers, "pooler"], mask=lambda batch: batch["attention_mask"]
    )
    average = merge_state_dicts("average", models=list(chosen.models.values()))
    changed = {name for name, value in found.items() if not torch.equal(value, average[name])}
    assert {name.rsplit(".", 1)[1] for name in changed} == {"weight"}
    assert len(changed) == 2 * 6
    assert all(name.startswith(tuple(layers)) for name in changed)
    others = {name for name, value in found.items() if not torch.equal(value, named[name])}
    assert others == {"pooler.dense.weight"}


@pytest.mark.parametrize(
    ("blocks", "message"),
    [
        (["2"], "blocks: unknown block '2'.*there are: 0, 0.0, 0.2"),
        (["0.1"], "unknown block"),
        ([], "blocks: there are none; leave it out for all numbered layers"),
        (["0", "1", "0"], "blocks: '0' is named twice"),
        ("0", "blocks: expected a list, got str"),
    ],
)
def test_wrong_blocks(blocks: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        regmean_plus_plus(experts(*family()), blocks=blocks)


def test_a_model_without_numbers() -> None:
    models = [nn.Linear(2, 2) for _ in range(2)]
    with pytest.raises(InputError, match="no numbered layers: name its blocks"):
        regmean_plus_plus(experts(models, {"a": [torch.ones(1, 2)]}))


def test_batches_that_are_used_up() -> None:
    models, batches = family()
    used = {task: iter(of_task) for task, of_task in batches.items()}
    with pytest.raises(InputError, match="walked through again"):
        regmean_plus_plus(experts(models, used))
