"""Examples of one data set's validation or test that another data set trains on."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence

from polytask.data.check.examined import Examined
from polytask.data.check.finding import Finding
from polytask.data.check.overlap import EXAMPLES, first_rows, shared_example
from polytask.data.check.wording import percent

__all__ = ["find"]


def find(examined: Sequence[Examined]) -> Iterator[Finding]:
    """A shared model has seen these inputs, though for other tasks. Texts are compared folded."""
    training = {one.name: first_rows(_keys(one).get("train", ())) for one in examined}
    for judged in examined:
        for trained in examined:
            if judged is not trained and len(judged.columns) == len(trained.columns):
                yield from _between(judged, trained, training[trained.name])


def _keys(examined: Examined) -> Mapping[str, Sequence[Hashable | None]]:
    return examined.folded or examined.keys


def _between(
    judged: Examined, trained: Examined, known: Mapping[Hashable, int]
) -> Iterator[Finding]:
    for split, table in judged.others.items():
        keys = _keys(judged).get(split, ())
        rows = {row: known[key] for row, key in enumerate(keys) if key in known}
        if not rows:
            continue
        column = judged.columns[0]
        examples = [
            shared_example(table, row, trained.train, other, column)
            for row, other in list(rows.items())[:EXAMPLES]
        ]
        yield Finding(
            level="warning",
            kind="across",
            message=(
                f"{len(rows):,} of {len(table):,} examples ({percent(len(rows), len(table))}) are "
                f"in the training split of {trained.name}: {'; '.join(examples)}"
            ),
            data=judged.name,
            split=split,
            details={"shared": len(rows), "with": trained.name, "examples": examples},
        )
