"""Wrong examples: exit code 2, a message with the place, nothing printed, nothing written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.cli.trained import refused

HEADER = b"hours,sleep,school\n"
WRONG: dict[str, tuple[str, bytes | None, Sequence[str], str]] = {
    "missing": ("nwe.csv", None, (), r"nwe\.csv: no such file.*did you mean 'new\.csv'"),
    "empty": ("new.csv", b"", (), r"new\.csv: the file is empty"),
    "no rows": ("new.csv", HEADER, (), r"new\.csv: there are no rows"),
    "wrong columns": (
        "new.csv",
        b"hour,sleep,school\n1,2,A\n",
        (),
        r"new\.csv: unknown column 'hours'; did you mean 'hour'.*\(read as csv, as in the recipe",
    ),
    "ragged": ("new.csv", HEADER + b"1,2,A\n1,2\n", (), r"new\.csv, line 3: expected 3 cells"),
    "undecodable": ("new.csv", HEADER + b"1,2,\xff\n", (), r"new\.csv, line 2: byte 0xff"),
    "no number": (
        "new.csv",
        HEADER + b"1,2,A\n1,two,A\n",
        (),
        r"new\.csv, line 3, column 'sleep': expected a number \(as in training\), got 'two'",
    ),
    "missing number": ("new.csv", HEADER + b"1,,A\n", (), r"new\.csv, line 2: column 'sleep'"),
    "another ending": (
        "new.npz",
        b"PK",
        (),
        r"new\.npz: not an \.npz file.*read as npz, by its ending",
    ),
    "unknown format": ("new.csv", HEADER, ("--format", "cvs"), r"--format: unknown source 'cvs'"),
    "no format": ("new.csv", HEADER, ("--format", "7"), r"--format: expected lines, recipe, or"),
    "wrong option": (
        "new.csv",
        HEADER,
        ("--format", "{type: csv, delimeter: x}"),
        r"--format: unknown option .*'delimeter'; did you mean 'delimiter'",
    ),
    "not json": ("new.jsonl", b'{"hours": \n', (), r"new\.jsonl, line 1: not JSON"),
    "not json lines": (
        "new.txt",
        b'{"hours": \n',
        ("--format", "lines"),
        r"new\.txt, line 1: not valid JSON",
    ),
    "plain text": ("new.txt", b"seven\n", ("--format", "lines"), r"line 1: lacks \['hours',"),
    "code": (
        "new.csv",
        HEADER,
        ("--format", "{type: function, function: 'os:remove', trust: true}"),
        r"os:remove runs code; pass --trust",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_files(case: str, run: Path, polytask: Command) -> None:
    name, content, options, expected = WRONG[case]
    (run.parent / (name if content is not None else "new.csv")).write_bytes(
        HEADER if content is None else content
    )
    refused(polytask, run, name, options, expected)


def test_a_folder_in_place_of_a_file(run: Path, polytask: Command) -> None:
    (run.parent / "new.csv").mkdir()
    refused(polytask, run, "new.csv", (), r"new\.csv: expected a file, this is a folder")
