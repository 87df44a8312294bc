"""Processes that ``torchrun`` starts find each other, also without an accelerator."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path


def test_two_processes_find_each_other(tmp_path: Path) -> None:
    script = tmp_path / "count.py"
    script.write_text(
        "from polytask.training import Processes\n"
        "p = Processes()\n"
        f"open({str(tmp_path)!r} + f'/{{p.rank}}-of-{{p.count}}', 'w').close()\n"
    )
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", str(script)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    subprocess.run(command, check=True, capture_output=True, timeout=180, env=environment)
    assert sorted(file.name for file in tmp_path.glob("*-of-*")) == ["0-of-2", "1-of-2"]
