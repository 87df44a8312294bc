"""Stored results that were altered: a message that names the file, exit code 2."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from tests.cli.conftest import Command

FILES = {
    "evidence": "multi/seed-0/test/passed.npz",
    "single-task evidence": "single/score/seed-0/test/score.npz",
    "checksums": "multi/seed-0/test/manifest.json",
    "weights": "multi/seed-0/model/model.safetensors",
    "recipe": "recipe.yaml",
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["report", "compare", "evaluate"])
def test_a_truncated_file_is_named(name: str, command: str, run: Path, polytask: Command) -> None:
    other = shutil.copytree(run, run.with_name("other"))
    file = run / FILES[name]
    file.write_bytes(file.read_bytes()[:-9])
    arguments = [str(run), str(other)] if command == "compare" else [str(run)]
    answer = polytask(command, *arguments)
    assert "Traceback" not in answer.err
    reads = {
        "report": {"evidence", "single-task evidence", "checksums", "weights"},
        "compare": {"evidence", "checksums", "weights"},
        "evaluate": {"weights"},
    }
    if name in reads[command]:
        assert answer.code == 2
        assert FILES[name] in answer.err


@pytest.mark.parametrize("seed", range(4))
def test_a_report_of_altered_files_is_written_or_refused(
    seed: int, run: Path, polytask: Command
) -> None:
    """A bit in every file that has no checksum, at random places."""
    rng = random.Random(seed)
    for file in sorted(run.rglob("*")):
        if file.is_file() and not {"model", "test"} & set(file.parent.parts[-1:]):
            content = bytearray(file.read_bytes())
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
            file.write_bytes(content)
    answer = polytask("report", str(run))
    assert answer.code in (0, 2), answer
    assert "Traceback" not in answer.err
