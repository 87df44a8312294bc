"""Two processes with half the rows each take the steps of one process with all rows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from safetensors.torch import load_file
from tests.balance.workers import CASES, COUNT, REFUSED, ROWS, two_steps, work


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote."""
    folder = tmp_path_factory.mktemp("balance")
    mp.spawn(work, args=(folder,), nprocs=COUNT)
    return folder


@pytest.mark.parametrize("name", CASES)
def test_two_processes_are_one(folder: Path, name: str) -> None:
    first, second = (load_file(folder / f"{name}-{rank}.safetensors") for rank in range(COUNT))
    whole = two_steps(CASES[name], slice(0, ROWS), shard="")
    assert first.keys() == second.keys() == whole.keys()
    for key, value in first.items():
        torch.testing.assert_close(value, second[key], rtol=0, atol=0, equal_nan=True, msg=key)
        expected = whole[key]
        torch.testing.assert_close(value, expected, rtol=1e-4, atol=2e-6, equal_nan=True, msg=key)


@pytest.mark.parametrize("name", REFUSED)
def test_all_processes_refuse(folder: Path, name: str) -> None:
    """If one raised alone, the others would wait for it."""
    for rank in range(COUNT):
        assert re.search(REFUSED[name][1], (folder / f"{name}-{rank}.txt").read_text())
