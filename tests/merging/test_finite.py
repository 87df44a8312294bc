"""NaN and infinities are seen wherever they are."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from polytask.errors import InputError
from polytask.merging import prepare_state_dicts
from polytask.merging.engine.finite import all_finite

DTYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_largest_numbers_are_finite(dtype: torch.dtype) -> None:
    info = torch.finfo(dtype)
    values = torch.tensor([info.max, info.min, 0.0, -0.0, info.tiny, -info.tiny], dtype=dtype)
    assert all_finite(values)
    assert all_finite(values[:0])
    assert all_finite(values.requires_grad_())


@given(
    dtype=st.sampled_from(DTYPES),
    values=st.lists(st.floats(-1e4, 1e4), max_size=20),
    bad=st.sampled_from(["nan", "-nan", "inf", "-inf"]),
    place=st.integers(0, 20),
)
def test_one_value_that_is_not_finite(
    dtype: torch.dtype, values: list[float], bad: str, place: int
) -> None:
    found = torch.tensor([*values, 0.0], dtype=dtype)
    assert all_finite(found)
    found[min(place, len(values))] = float(bad)
    assert not all_finite(found)


def test_a_prepared_direction_checks_its_results() -> None:
    base, tuned = {"w": torch.ones(3)}, {"w": torch.tensor([1.0, 2.0, torch.nan])}
    line = prepare_state_dicts("task_arithmetic", base=base, models=[tuned])
    with pytest.raises(InputError, match=r"models\[0\]: tensor 'w' holds NaN or infinities"):
        line.apply(0.5)
    half = {"w": torch.tensor([4e4], dtype=torch.float16)}
    zero = {"w": torch.zeros(1, dtype=torch.float16)}
    line = prepare_state_dicts("task_arithmetic", base=zero, models=[half])
    with pytest.raises(InputError, match=r"the result is not finite in torch.float16"):
        line.apply(2.0)
    with pytest.raises(InputError, match="scale: must be finite, got nan"):
        line.apply(float("nan"))
