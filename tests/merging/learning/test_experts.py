"""How finetuned models are called, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from tests.merging.learning.problems import line, narrow, problem
from torch import Tensor, nn

from polytask import merging
from polytask.errors import InputError
from polytask.merging import Experts, adamerging, entropy
from polytask.merging.learning.changes import Changes
from polytask.merging.learning.training import backward


def test_names_of_one_weight_may_be_missing_but_not_differ() -> None:
    found = problem(Tied).experts
    lacking = {name: value for name, value in found.base.items() if name != "second.weight"}
    again = replace(found, base=lacking, models={"a": found.models["a"], "b": lacking})
    assert torch.equal(again.base["second.weight"], lacking["first.weight"])
    assert adamerging(again, steps=0).state.keys() == found.base.keys()
    wrong = {**found.base, "second.weight": torch.eye(8)}
    with pytest.raises(InputError, match=r"models\['b'\]: tensors 'second.weight' and 'first.we"):
        replace(found, models={"a": found.models["a"], "b": wrong})


def test_weights_are_used_in_the_dtypes_of_the_module() -> None:
    found = problem().experts
    stored = {
        task: {name: value.bfloat16() for name, value in state.items()}
        for task, state in found.models.items()
    }
    experts = replace(found, models=stored)
    assert experts.expert_outputs("a", found.batches["a"][0]).dtype == torch.float32  # type: ignore[index]
    assert adamerging(experts, steps=2).state["0.weight"].dtype == torch.float32


@pytest.mark.parametrize(
    "outputs",
    [
        lambda model, task, batch: torch.ones(4, 3),
        lambda model, task, batch: nn.Linear(8, 3)(batch),
        lambda model, task, batch: model(batch).detach(),
    ],
)
def test_outputs_that_do_not_call_the_model(outputs: Any) -> None:
    with pytest.raises(InputError, match="task 'a': its loss does not depend on the weights"):
        adamerging(replace(problem().experts, outputs=outputs), steps=1)


def test_heads_outside_get_no_gradients() -> None:
    found, head = problem().experts, nn.Linear(3, 3)
    experts = replace(found, outputs=lambda model, task, batch: head(model(batch)))
    with torch.no_grad():  # of the caller
        learned = adamerging(experts, steps=2)
    assert learned.losses[1] < learned.losses[0]
    assert head.weight.grad is None


@pytest.mark.parametrize("method", ["adamerging", "atlas", "self_positioning", "concrete"])
def test_results_that_are_no_numbers(method: str) -> None:
    """The loss is finite, but has no finite gradient."""
    found = replace(
        problem().experts, outputs=lambda model, task, batch: (model(batch).mean() * 0).sqrt()
    )

    def loss(outputs: Tensor, task: str, batch: Any) -> Tensor:
        return outputs

    given = (found,) if method in ("adamerging", "concrete") else (found, loss)
    options = {"loss": loss} if len(given) == 1 else {}
    with pytest.raises(InputError, match=r"tensor '\S+': what was learned is NaN or infinite"):
        getattr(merging, method)(*given, steps=1, **options)


class Normed(nn.Sequential):
    def __init__(self) -> None:
        super().__init__(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.Linear(16, 3))


def test_what_a_reader_should_know_is_told(caplog: pytest.LogCaptureFixture) -> None:
    experts = problem(Normed).experts
    models = {
        task: {**state, "1.num_batches_tracked": torch.tensor(number)}
        for number, (task, state) in enumerate(experts.models.items())
    }
    adamerging(replace(experts, models=models), steps=1)
    told = [record.getMessage() for record in caplog.records]
    assert [text.rpartition(":")[0] for text in told] == [
        "statistics of BatchNorm are the mean of those of the experts, not those of the merged "
        "model: measure them again on data",
        "integers that are not the same in all experts are those of the base",
    ]
    assert told[0].endswith(": 1.running_mean, 1.running_var")
    assert told[1].endswith(": 1.num_batches_tracked")


def test_what_rounding_costs_is_told(caplog: pytest.LogCaptureFixture) -> None:
    found = problem().experts
    adamerging(found, steps=1)
    assert not caplog.records
    wide = adamerging(found, steps=0, start=1e-3).state
    stored = {name: value.bfloat16() for name, value in found.base.items()}
    state = adamerging(replace(found, base=stored), steps=0, start=1e-3).state
    exact = {name: value.bfloat16().float() for name, value in stored.items()}
    [told] = caplog.records
    assert "rounding to the dtypes of the base changed the update by" in told.getMessage()
    assert any(not torch.equal(state[n].float(), wide[n]) for n in exact)


def test_a_call_has_the_weights_that_it_gets() -> None:
    found = problem()
    rows = found.data["a"][0]
    before = {name: value.clone() for name, value in found.model.state_dict().items()}
    called = found.experts.call(found.experts.models["b"], "a", rows)
    assert all(torch.equal(value, before[n]) for n, value in found.model.state_dict().items())
    found.model.load_state_dict(found.experts.models["b"])
    assert torch.equal(called, found.model(rows))


def test_walking_back_task_by_task_is_walking_back_the_sum() -> None:
    found = problem()
    changes = Changes(found.experts)
    factors = torch.tensor([0.3, 0.6], requires_grad=True)
    streams = {task: found.experts.endless(task) for task in found.experts.batches}
    state = changes.merged(lambda name: changes.scaled(name, factors))
    total = backward(found.experts, state, entropy, streams)
    got = factors.grad
    factors.grad = None
    state = changes.merged(lambda name: changes.scaled(name, factors))
    batches = {task: found.data[task][0][:64] for task in "ab"}
    losses = [entropy(found.experts.call(state, t, batch), t) for t, batch in batches.items()]
    sum(losses, torch.zeros(())).backward()
    assert got is not None
    assert factors.grad is not None
    torch.testing.assert_close(got, factors.grad)
    assert total == pytest.approx(sum(loss.item() for loss in losses))


def test_modes_are_as_before() -> None:
    found = problem(lambda: nn.Sequential(nn.Linear(8, 3), nn.Dropout(0.9)))
    found.model.train()
    found.model[1].eval()  # type: ignore[index]
    first = adamerging(found.experts, steps=3)
    assert [module.training for module in found.model.modules()] == [True, True, False]
    assert adamerging(found.experts, steps=3).losses == first.losses


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8, bias=False)
        self.second = nn.Linear(8, 8, bias=False)
        self.second.weight = self.first.weight
        self.last = nn.Linear(8, 3)

    def forward(self, rows: Tensor) -> Any:
        return self.last(self.second(torch.tanh(self.first(rows))))


def test_tied_weights_stay_tied() -> None:
    learned = adamerging(problem(Tied).experts, steps=2)
    assert learned.state["first.weight"] is learned.state["second.weight"]
    assert [*learned.coefficients["a"]] == ["first.weight", "last.weight", "last.bias"]


def test_what_holds_no_weights() -> None:
    found = problem(lambda: nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Linear(8, 3)))
    learned = adamerging(found.experts, steps=2)
    means = [state["1.running_mean"] for state in found.experts.models.values()]
    torch.testing.assert_close(learned.state["1.running_mean"], (means[0] + means[1]) / 2)
    assert learned.state["1.num_batches_tracked"] == 0
    assert "1.running_mean" not in learned.coefficients["a"]


def test_what_no_expert_changed_has_no_coefficient() -> None:
    experts = problem().experts
    models = {t: {**state, "0.bias": experts.base["0.bias"]} for t, state in experts.models.items()}
    learned = adamerging(replace(experts, models=models), steps=1)
    assert "0.bias" not in learned.coefficients["a"]
    assert torch.equal(learned.state["0.bias"], experts.base["0.bias"])


def test_narrow_weights_stay_narrow() -> None:
    experts = narrow(problem(lambda: nn.Linear(8, 3)).experts)
    learned = adamerging(experts, steps=20, rate=1e-2)
    assert {value.dtype for value in learned.state.values()} == {torch.bfloat16}
    assert learned.losses[-1] < learned.losses[0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"models": {}}, "models: there is no task"),
        ({"batches": {}}, "batches: there is no task"),
        ({"models": {"a": {"weight": torch.ones(3)}}}, "differs in shape"),
        ({"models": {"a": {"weigth": torch.ones(2)}}}, "nearest is 'weight'"),
        ({"models": {"a": {"weight": torch.tensor([1.0, float("nan")])}}}, "a: .*'weight' holds"),
        ({"base": {"weight": torch.tensor([1.0, float("inf")])}}, "base: .*'weight' holds"),
        ({"model": nn.Linear(1, 2)}, "model: its tensors are not those of base"),
        ({"model": {"weight": torch.ones(2)}}, "model: expected a module, got dict"),
        ({"model": nn.Linear}, "model: expected a module, got type"),
        ({"outputs": None}, "outputs: expected a function of model, task and batch, got NoneType"),
    ],
)
def test_models_that_do_not_fit(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(line([0.0, 0.0], a=[1.0, 2.0]), **changed)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"batches": {"a": [None], "c": [None]}}, "unknown task 'c'"),
        ({"batches": {"a": [None]}}, "those of task 'b' are missing"),
        ({"batches": {"a": [None], "b": []}}, "task 'b': there are none"),
        ({"batches": {"a": iter([None]), "b": [None]}}, "task 'a': there are none .or no more"),
        ({"outputs": lambda model, task, batch: (model(),)}, "returned tuple for 'a'"),
        ({"outputs": lambda model, task, batch: model()[0]}, "two classes .* outputs are scalar"),
        ({"outputs": lambda model, task, batch: model() * torch.nan}, "loss of task 'a'"),
        ({"outputs": lambda model, task, batch: model().int()}, "'a': .* outputs are torch.int32"),
    ],
)
def test_batches_that_do_not_fit(changed: dict[str, Any], message: str) -> None:
    experts: Experts = replace(line([0.0, 0.0], a=[1.0, 2.0], b=[0.0, 1.0]), **changed)
    with pytest.raises(InputError, match=message):
        adamerging(experts, steps=2)
