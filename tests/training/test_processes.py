"""Two processes with half the batch each are one process with the whole batch."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
import torch.multiprocessing as mp
from tests.training.made import assert_close, assert_equal
from tests.training.workers import CASES, work

from polytask.training.weights import read_tensors

COUNT = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two processes wrote."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        (folder / "port").write_text(str(free.getsockname()[1]))
    mp.spawn(work, args=(COUNT, folder), nprocs=COUNT)
    return folder


def test_all_of_it_ran(folder: Path) -> None:
    assert (folder / "done").exists()


@pytest.mark.parametrize("name", CASES)
def test_two_processes_are_one(folder: Path, name: str, tmp_path: Path) -> None:
    first, second = (read_tensors(folder / f"{name}-{rank}.safetensors") for rank in range(COUNT))
    assert_equal(first, second)
    assert_close(first, CASES[name].trained(tmp_path))
