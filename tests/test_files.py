"""Folders that are whole or not there, when several write at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from polytask.errors import RunError
from polytask.files import whole_folder

WRITE = """
import sys
from pathlib import Path
from polytask.files import whole_folder
with whole_folder(Path(sys.argv[1])) as folder:
    (folder / "a").write_text("theirs")
    print("writing", flush=True)
    sys.stdin.read()
"""


def test_two_processes_do_not_write_one_folder(tmp_path: Path) -> None:
    path = tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    with pytest.raises(RunError, match="out: somebody else is writing it"), whole_folder(path):
        raise AssertionError
    process.communicate("")
    assert process.returncode == 0
    assert (path / "a").read_text() == "theirs"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_two_writers_in_one_process(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with whole_folder(path) as folder:
        (folder / "a").write_text("first")
        with pytest.raises(RunError, match="somebody else"), whole_folder(path):
            raise AssertionError
    assert (path / "a").read_text() == "first"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


def test_a_folder_that_appears_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "out"
    late = whole_folder(path, replace=False)
    (late.__enter__() / "a").write_text("late")
    path.mkdir()
    with pytest.raises(RunError, match="out: it has come to exist meanwhile"):
        late.__exit__(None, None, None)
    assert not list(path.iterdir())
    with whole_folder(path) as folder:
        (folder / "a").write_text("later")
    assert (path / "a").read_text() == "later"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("left", ["file", "folder"])
def test_what_a_process_left_behind_is_removed(left: str, tmp_path: Path) -> None:
    partial = tmp_path / ".out.partial"
    if left == "file":
        partial.write_text("half")
    else:
        (partial / "more").mkdir(parents=True)
        (partial / "half").write_text("half")
        (partial / "link").symlink_to(tmp_path)
    with whole_folder(tmp_path / "out", checksums=False) as folder:
        (folder / "a").write_text("whole")
    assert [entry.name for entry in tmp_path.iterdir()] == ["out"]
    assert [entry.name for entry in (tmp_path / "out").iterdir()] == ["a"]
