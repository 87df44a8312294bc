"""The part of a report about balancing, from the logs of runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from polytask.report.balance_section import balance_section

STEPS: list[dict[str, Any]] = [
    {
        "tasks": ["a", "b", "c"],
        "weights": [1.0, 2.0, 3.0],
        "norms": [1.0, 1.0, 4.0],
        "cosines": [[-0.5, 0.5], [-0.25], []],
    },
    {"tasks": ["b"], "weights": [4.0]},  # weights that were kept: no cosines in this step
]


def write(run: Path, steps: list[dict[str, Any]]) -> None:
    folder = run / "multi" / "seed-0"
    folder.mkdir(parents=True)
    records = [
        {"step": index + 1, "kind": "train", "loss": {}, "balance": step}
        for index, step in enumerate(steps)
    ]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))


def test_means_ends_and_conflicts(tmp_path: Path) -> None:
    write(tmp_path, STEPS)
    (tmp_path / "recipe.yaml").write_text("balance: pcgrad\n")
    html = str(balance_section(tmp_path))
    assert "Method: pcgrad." in html
    rows = [
        re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row)
        for row in html.split("<tbody>")[1].split("<tr>")[1:]
    ]
    assert [row[0] for row in rows] == ["a", "b", "c"]
    assert rows[1][1:3] == ["3.000", "4.000"]  # the mean of 2 and 4, and the last
    assert rows[2][3] == "4.000"
    assert [row[4:] for row in rows] == [["0.000", "50%"], ["−0.375", "100%"], ["0.125", "50%"]]


def test_nothing_without_balancing(tmp_path: Path) -> None:
    write(tmp_path, [])
    assert str(balance_section(tmp_path)) == ""
