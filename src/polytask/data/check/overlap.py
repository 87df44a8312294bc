"""Examples that are both in training and in another split."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding
from polytask.data.check.wording import percent, place, quoted
from polytask.data.inputs.features import Features
from polytask.data.table import Table

__all__ = ["find", "first_rows", "shared_example"]

EXAMPLES = 3
"""Examples in a message."""

REPEATED = 0.5
"""Repetitions within training, relative to the overlap, from which the overlap is no surprise."""


def find(examined: Examined) -> Iterator[Finding]:
    """The rows of other splits whose input is in training too, exactly or with texts folded."""
    if not examined.keys:
        return
    exact, folded = first_rows(examined.keys["train"]), first_rows(examined.folded.get("train", ()))
    for split in examined.others:
        keys, near_keys = examined.keys[split], examined.folded.get(split, ())
        same = {row: exact[key] for row, key in enumerate(keys) if key in exact}
        near = {
            row: folded[key]
            for row, key in enumerate(near_keys)
            if key in folded and row not in same
        }
        if same or near:
            yield _finding(examined, split, same, near)


def first_rows(keys: Sequence[Hashable | None]) -> dict[Hashable, int]:
    """Key -> the first row that has it."""
    found: dict[Hashable, int] = {}
    for row, key in enumerate(keys):
        if key is not None:
            found.setdefault(key, row)
    return found


def shared_example(table: Table, row: int, train: Table, other: int, column: str) -> str:
    """Where two equal rows stand, and the first column of them."""
    where = f"{place(table, row)} and {place(train, other)}"
    value = table.columns[column][row]
    return f"{quoted(value)} in {where}" if isinstance(value, str | list | tuple) else where


def _finding(
    examined: Examined, split: str, same: Mapping[int, int], near: Mapping[int, int]
) -> Finding:
    table = examined.data.tables[split]
    chosen = list({**same, **near}.items())[:EXAMPLES]
    examples = [
        shared_example(table, row, examined.train, other, examined.columns[0])
        for row, other in chosen
    ]
    shared = len(same) + len(near)
    natural = _is_natural(examined, shared / len(table))
    differing = f", {len(near):,} of them but for case and punctuation" if near else ""
    hint = "; as often as within training: rows of few values agree by chance" if natural else ""
    return Finding(
        level="note" if natural else "warning",
        kind="overlap",
        message=(
            f"{shared:,} of {len(table):,} examples ({percent(shared, len(table))}) are in "
            f"training too{differing}{hint}: {'; '.join(examples)}"
        ),
        data=examined.name,
        split=split,
        details={
            "exact": len(same),
            "folded": len(near),
            "rows": len(table),
            "examples": examples,
        },
    )


def _is_natural(examined: Examined, share: float) -> bool:
    """Whether rows are those of a table in which equal rows are common within training as well."""
    if not isinstance(examined.data.input, Features):
        return False
    counts = Counter(examined.keys["train"])
    repeated = sum(count for count in counts.values() if count > 1)
    return repeated > REPEATED * share * len(examined.train)
