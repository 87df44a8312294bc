"""An experiment that is killed again and again equals one that never was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def test_kills_change_nothing(tmp_path: Path) -> None:
    """The seed of the moments is new each time; the message of a failure holds all that is said."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.experiment.kills", str(tmp_path), "14"],
        cwd=CHECKOUT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIGKILL" in done.stdout
