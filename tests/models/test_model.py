"""Sharing maps, dependencies between tasks, matched initial values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.training.made import WIDTH, Case, assert_equal, one_task, two_tasks, weights
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.models import Features, ModuleBackbone, MultiTaskModel
from polytask.models.sharing import SharingOptions
from polytask.models.sharing.hard import Hard
from polytask.models.sharing.residual import Residual
from polytask.randomness import initialised
from polytask.tasks import Regression, Task

FIELDS = {"numeric": torch.randn(5, WIDTH, generator=torch.Generator().manual_seed(0))}


def funnel(what: str) -> Case:
    """The label is predicted first; the value's head sees its logits."""
    label, value = two_tasks()
    return Case(tasks=[replace(value, depends_on={"a_label": what}), label])


def test_logits_carry_gradients_and_detached_ones_do_not() -> None:
    for what, flows in (("logits", True), ("detached", False)):
        model = funnel(what).model()
        model(FIELDS, {"a_value": None})["a_value"].sum().backward()
        head = dict(model.named_parameters())["heads.a_label_head.weight"]
        assert (head.grad is not None) == flows


def test_what_a_head_sees_by_hand() -> None:
    model = funnel("logits").model()
    outputs = model(FIELDS)
    features = model.backbone(FIELDS).example
    named = dict(model.named_parameters())
    seen = torch.cat([features, outputs["a_label"]], dim=1)
    expected = seen @ named["heads.a_value_head.weight"].T + named["heads.a_value_head.bias"]
    torch.testing.assert_close(outputs["a_value"], expected)
    assert list(outputs) == ["a_value", "a_label"]


def test_rows_of_dependent_tasks() -> None:
    """A head runs on its rows only, and sees the logits of these rows."""
    model = funnel("logits").model().eval()
    every = model(FIELDS)
    rows = {"a_value": torch.tensor([3, 1]), "a_label": torch.tensor([4])}
    some = model(FIELDS, rows)
    torch.testing.assert_close(some["a_value"], every["a_value"][[3, 1]])
    torch.testing.assert_close(some["a_label"], every["a_label"][[4]])
    assert list(model(FIELDS, {"a_value": None})) == ["a_value"]


def test_a_funnel_trains_and_evaluates(tmp_path: Path) -> None:
    trainer = funnel("logits").trainer(tmp_path)
    trainer.fit()
    assert set(trainer.evaluate(trainer.validation)) == {"a_value", "a_label"}


def measured_map(model: MultiTaskModel) -> dict[str, frozenset[str]]:
    """Parameter -> the tasks whose outputs have a gradient with respect to it."""
    used: dict[str, set[str]] = {name: set() for name, _ in model.named_parameters()}
    for task, output in model(FIELDS).items():
        model.zero_grad()
        output.square().sum().backward(retain_graph=True)
        for name, parameter in model.named_parameters():
            if parameter.grad is not None:
                used[name].add(task)
    return {name: frozenset(tasks) for name, tasks in used.items()}


def chain() -> list[Task]:
    """c sees b, b sees a; d sees c without a gradient."""
    first, *others = (
        replace(one_task()[0], name=name, target="value", depends_on=depends)
        for name, depends in (
            ("a", {}),
            ("b", {"a": "logits"}),
            ("c", {"b": "logits"}),
            ("d", {"c": "detached"}),
        )
    )
    return [first, *others]


CASES = {
    "hard": Case(),
    "residual": Case(sharing=Residual(hidden=(3,))),
    "one task": Case(tasks=one_task()),
    "one task, residual": Case(tasks=one_task(), sharing=Residual()),
    "logits": funnel("logits"),
    "detached": funnel("detached"),
    "chain": Case(tasks=chain()),
    "chain, residual": Case(tasks=chain(), sharing=Residual()),
    "residual funnel": replace(funnel("logits"), sharing=Residual()),
}


@pytest.mark.parametrize("name", CASES)
def test_the_sharing_map_is_what_gradients_say(name: str) -> None:
    model = CASES[name].model()
    assert model.sharing_map() == measured_map(model)


@pytest.mark.parametrize("name", CASES)
def test_shared_and_private_parameters_are_all_parameters(name: str) -> None:
    model = CASES[name].model()
    shared = [id(p) for p in model.shared_parameters()]
    private = [id(p) for task in model.tasks for p in model.task_parameters(task)]
    assert sorted(shared + private) == sorted(id(p) for p in model.parameters())


def test_parameters_of_an_unknown_task() -> None:
    with pytest.raises(InputError, match="did you mean 'a_label'"):
        Case().model().task_parameters("a_lable")


def test_residual_by_hand() -> None:
    case = Case(sharing=Residual(scale=0.5))
    model = case.model()
    features = model.backbone(FIELDS).example
    named = dict(model.named_parameters())

    def linear(name: str) -> Tensor:
        return features @ named[f"{name}.weight"].T + named[f"{name}.bias"]

    expected = linear("sharing.common.Regression_1") + 0.5 * linear("heads.a_value_head")
    torch.testing.assert_close(model(FIELDS)["a_value"], expected)


@pytest.mark.parametrize("sharing", [Hard(), Residual(hidden=(3,))])
@pytest.mark.parametrize("task", ["a_label", "a_value"])
def test_a_single_task_model_starts_from_the_same_numbers(
    sharing: SharingOptions, task: str
) -> None:
    case = Case(sharing=sharing)
    multi, single = weights(case.model()), weights(case.model([task]))
    assert set(single) < set(multi)
    assert_equal(single, {name: multi[name] for name in single})


def test_heads_of_two_seeds_and_of_two_tasks_differ() -> None:
    tasks = [replace(one_task()[0], name=name, target="value") for name in ("a", "b")]
    first = weights(Case(tasks=tasks).model())
    other = weights(Case(tasks=tasks, seed=1).model())
    assert not torch.equal(first["heads.a_head.weight"], first["heads.b_head.weight"])
    assert not torch.equal(first["heads.a_head.weight"], other["heads.a_head.weight"])


def test_making_a_model_draws_nothing_from_the_user() -> None:
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    tasks = Case(sharing=Residual()).fitted()
    with initialised(0, "sharing"):
        Residual().build(4, tasks)
    assert torch.equal(torch.rand(3), expected)


class Own(nn.Module):
    """A user's own network that reads two fields and gives words too."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(WIDTH, 3)

    def forward(self, fields: Mapping[str, Tensor]) -> Features:
        x = self.layer(fields["numeric"])
        return Features(x, x[:, None].expand(-1, 2, -1))


def test_any_module_is_a_backbone() -> None:
    tasks = Case().fitted()
    plain = nn.Sequential(nn.Linear(WIDTH, 3), nn.ReLU())
    model = MultiTaskModel(ModuleBackbone(plain, width=3, field="numeric"), tasks)
    assert model(FIELDS)["a_label"].shape == (5, 2)
    whole = MultiTaskModel(ModuleBackbone(Own(), width=3), tasks)
    assert whole.backbone(FIELDS).words is not None
    assert whole.sharing_map() == measured_map(whole)


def test_a_module_that_does_not_fit() -> None:
    layer = nn.Linear(WIDTH, 3)
    with pytest.raises(InputError, match=r"\[B, 4\], got \[5, 3\]"):
        ModuleBackbone(layer, width=4, field="numeric")(FIELDS)
    with pytest.raises(InputError, match="no field 'text', there are"):
        ModuleBackbone(layer, width=3, field="text")(FIELDS)
    with pytest.raises(InputError, match="do not hold"):
        ModuleBackbone(nn.Sequential(layer, nn.Linear(3, 3)), width=3, blocks=[layer])


def test_words_need_an_input_of_words() -> None:
    with pytest.raises(InputError, match="split into words"):
        Features(torch.zeros(2, 3)).at("word")


def test_regression_of_vectors_shares_by_size() -> None:
    tasks = Case(tasks=one_task(Regression(loss="mae")), sharing=Residual()).model()
    assert "sharing.common.Regression_1.bias" in dict(tasks.named_parameters())
