"""Corrections of features."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.merging.learning.digits import BACKBONE, HELD_OUT, Digits, digits
from tests.merging.learning.problems import line, problem
from torch import Tensor

from polytask.errors import InputError
from polytask.merging import Correction, Experts, Surgery, surgery

SHIFTED = {"weight": torch.tensor([1.5, 0.5])}


def features_of(found: Digits) -> Experts:
    """What goes into the head."""
    return replace(
        found.experts,
        outputs=lambda model, task, batch: model[:BACKBONE](batch),  # type: ignore[index]
    )


def test_a_correction_by_hand() -> None:
    correction = Correction(2, 1)
    correction.load_state_dict(
        {"down.weight": torch.tensor([[1.0, 0.0]]), "up.weight": torch.tensor([[2.0], [-1.0]])}
    )
    features = torch.tensor([[[3.0, 5.0]], [[-3.0, 5.0]]])
    wanted = torch.tensor([[[-3.0, 8.0]], [[-3.0, 5.0]]])
    assert torch.equal(correction(features), wanted)
    assert correction(features.bfloat16()).dtype == torch.bfloat16


def test_a_shift_is_removed() -> None:
    found = surgery(line([0.0, 0.0], a=[1.0, 0.0]), SHIFTED, steps=100, rate=1e-2)
    assert found.before == {"a": 0.5}
    assert found.losses[0] == 0.5
    assert found.after["a"] < 0.05


def test_the_bias_is_the_mean_over_all_elements() -> None:
    experts = replace(
        line([0.0], a=[1.0]),
        batches={"a": [torch.tensor([[1.0]]), torch.tensor([[2.0], [-2.0], [2.0]])]},
        outputs=lambda model, task, batch: batch * model(),
    )
    found = surgery(experts, {"weight": torch.tensor([3.0])}, steps=0)
    assert found.before["a"] == pytest.approx((2 + 3 * 4) / 4)
    assert found.losses == []


def test_without_steps_nothing_changes() -> None:
    found = digits(0)
    done = surgery(features_of(found), found.plain, steps=0)
    assert done.after == done.before
    for correction in done.corrections.values():
        features = torch.randn(5, 32)
        assert torch.equal(correction(features), features)


@pytest.mark.parametrize("seed", [0, 1])
def test_heads_of_experts_read_corrected_features(seed: int) -> None:
    found = digits(seed)
    experts = features_of(found)
    before = {name: value.clone() for name, value in found.plain.items()}
    done = surgery(experts, found.plain, steps=60, rate=1e-2)
    assert all(torch.equal(value, before[name]) for name, value in found.plain.items())
    assert done.losses[-1] < 0.7 * done.losses[0]
    assert all(done.after[task] < 0.8 * bias for task, bias in done.before.items())
    gains = []
    for task, correction in done.corrections.items():
        found.net.load_state_dict(experts.models[task])
        head = found.net[BACKBONE]
        with torch.no_grad():
            features = experts.call(found.plain, task, found.rows(task, HELD_OUT))
            corrected = found.share_right(task, head(correction(features)))
            gains.append(corrected - found.share_right(task, head(features)))
    assert sum(gains) / len(gains) > 0.15
    assert min(gains) > 0.05


def test_a_task_has_a_correction_of_its_own() -> None:
    experts = problem().experts
    state = experts.base
    both = surgery(experts, state, steps=3)
    swapped = replace(experts, batches={task: experts.batches[task] for task in "ba"})
    one, other = both.corrections, surgery(swapped, state, steps=3).corrections
    for task in "ab":
        assert torch.equal(one[task].up.weight, other[task].up.weight)
        assert torch.equal(one[task].down.weight, other[task].down.weight)
    drawn = surgery(experts, state, steps=3, seed=1).corrections
    assert not torch.equal(one["a"].down.weight, drawn["a"].down.weight)
    assert not torch.equal(one["a"].down.weight, one["b"].down.weight)


def test_saved_and_loaded(tmp_path: Path) -> None:
    done = surgery(line([0.0, 0.0], **{"a": [1.0, 0.0], "b/c.d": [0.0, 1.0]}), SHIFTED, steps=4)
    done.save(tmp_path / "surgery")
    with pytest.raises(InputError, match="surgery: exists already; choose another folder"):
        done.save(tmp_path / "surgery")
    again = Surgery.load(tmp_path / "surgery")
    assert (again.before, again.after, again.losses) == (done.before, done.after, done.losses)
    for task, correction in done.corrections.items():
        assert_same(correction.state_dict(), again.corrections[task].state_dict())


def assert_same(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert [*one] == [*other]
    assert all(torch.equal(value, other[name]) for name, value in one.items())


def test_folders_that_are_not_whole(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the folder is not whole"):
        Surgery.load(tmp_path)
    folder = tmp_path / "surgery"
    surgery(line([0.0, 0.0], a=[1.0, 0.0]), SHIFTED, steps=1).save(folder)
    (folder / "surgery.json").write_text(json.dumps({"tasks": []}))
    with pytest.raises(InputError, match=r"surgery\.json: truncated or altered"):
        Surgery.load(folder)


def by_norm(model: Any, task: str, batch: Any) -> Tensor:
    """Features of another width for another model."""
    return torch.ones(int(model().abs().sum()) + 1)


@pytest.mark.parametrize(
    ("changed", "options", "message"),
    [
        ({"batches": {"a": [None], "c": [None]}}, {}, "unknown task 'c'"),
        ({"batches": {"a": [None]}}, {}, "those of task 'b' are missing"),
        ({"batches": {"a": [], "b": [None]}}, {}, "task 'a': there are none"),
        ({"outputs": lambda model, task, batch: model()[0]}, {}, "'a' they are .* scalar, not"),
        ({"outputs": lambda model, task, batch: model().int()}, {}, "they are torch.int32 2, not"),
        ({"outputs": lambda model, task, batch: model()[:0]}, {}, "they are torch.float32 0, not"),
        ({"outputs": by_norm}, {}, r"task 'a': .* \[3\], those of its expert \[2\]"),
        ({"outputs": lambda model, task, batch: model() * torch.nan}, {}, "loss of task 'a'"),
        ({}, {"rank": 0}, "rank: must be an integer of at least 1"),
        ({}, {"rank": 17}, "rank: must be at most 16 for features of width 2 .task 'a'., got 17"),
        ({}, {"steps": -1}, "steps"),
        ({}, {"rate": 0.0}, "rate: must be positive"),
        ({}, {"seed": -1}, "seed must not be negative"),
    ],
)
def test_what_cannot_be_corrected(
    changed: dict[str, Any], options: dict[str, Any], message: str
) -> None:
    experts: Experts = replace(line([0.0, 0.0], a=[1.0, 0.0], b=[0.0, 1.0]), **changed)
    with pytest.raises(InputError, match=message):
        surgery(experts, SHIFTED, **{"steps": 1, **options})


def test_wide_features_may_have_as_many_units() -> None:
    experts, state = line([0.0] * 20, a=[1.0] * 20), {"weight": torch.zeros(20)}
    done = surgery(experts, state, rank=20, steps=0)
    assert done.corrections["a"].down.weight.shape == (20, 20)
    with pytest.raises(InputError, match="rank: must be at most 20 for features of width 20"):
        surgery(experts, state, rank=21, steps=0)


def test_a_merged_model_that_does_not_fit() -> None:
    with pytest.raises(InputError, match="nearest is 'weight'"):
        surgery(line([0.0], a=[1.0]), {"weigth": torch.ones(1)})


def test_features_of_another_width() -> None:
    with pytest.raises(InputError, match=r"features: are 4 x 3, this correction takes \[..., 2\]"):
        Correction(2, 1)(torch.ones(4, 3))
