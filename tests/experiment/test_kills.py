"""An experiment that is killed again and again equals one that never was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(("kind", "kills"), [("plain", 12), ("reference", 8)])
def test_kills_change_nothing(kind: str, kills: int, tmp_path: Path) -> None:
    """The seed of the moments is new each time; the message of a failure holds all that is said."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.experiment.kills", str(tmp_path), kind, str(kills)],
        cwd=CHECKOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIGKILL" in done.stdout
