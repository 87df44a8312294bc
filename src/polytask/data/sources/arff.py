"""Files in the attribute-relation format of Weka."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polytask.data.sources.arff_header import Attribute, parse_header, split_values
from polytask.data.sources.base import Source, checked_table
from polytask.data.sources.cells import parse_strings
from polytask.data.sources.columns import fit
from polytask.data.sources.files import check_encoding, existing, read_lines
from polytask.data.sources.kinds import Expect, at_lines
from polytask.data.table import Table
from polytask.errors import InputError

__all__ = ["ARFF"]


@dataclass(frozen=True, kw_only=True)
class ARFF(Source):
    """Read a file of Weka, Mulan or OpenML (``.arff``, also gzipped).

    A nominal attribute becomes text, or numbers if all values it declares are integers. ``?`` is
    missing. In a sparse row (``{0 5, 3 yes}``) an attribute that is left out is 0, or the first of
    its nominal values.

    Args:
        encoding: of the text. Default ``utf-8``.

    Raises:
        InputError: unknown encoding; on reading: not an ARFF file, a row with too many or too few
            values, a value that its attribute may not have.

    Example:
        >>> ARFF().encoding
        'utf-8'

    References:
        https://waikato.github.io/weka-wiki/formats_and_processing/arff_stable/
    """

    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        check_encoding(self.encoding)

    def read(self, path: Path | None, *, like: Table | None = None) -> Table:
        """Read one file; see `Source.read`."""
        path = existing(path)
        lines = read_lines(path, encoding=self.encoding)
        attributes, start = parse_header(lines, str(path))
        numbers = [n for n in range(start + 1, len(lines) + 1) if _is_row(lines[n - 1])]
        rows = [_row(lines[n - 1].strip(), attributes, f"{path}, line {n}") for n in numbers]
        place = at_lines(str(path), numbers)
        columns = {}
        for index, attribute in enumerate(attributes):
            column = _column([row[index] for row in rows], attribute, numbers, path)
            columns[attribute.name] = fit(column, attribute.name, like=like, place=place)
        return checked_table(columns, str(path), np.array(numbers, dtype=np.int64))


def _is_row(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("%")


def _row(line: str, attributes: Sequence[Attribute], place: str) -> list[str | None]:
    if line.startswith("{"):
        return _sparse_row(line, attributes, place)
    values = split_values(line, place)
    if len(values) != len(attributes):
        wanted = f"expected {len(attributes)} values (one per attribute)"
        raise InputError(f"{place}: {wanted}, got {len(values)}")
    return values


def _sparse_row(line: str, attributes: Sequence[Attribute], place: str) -> list[str | None]:
    row: list[str | None] = [a.nominal[0] if a.nominal else "0" for a in attributes]
    inside = line.strip("{} \t")
    for item in inside.split(",") if inside else []:
        index, _, value = item.strip().partition(" ")
        if not (index.isdecimal() and int(index) < len(row) and value.strip()):
            wanted = f"expected 'position value' with a position below {len(row)}"
            raise InputError(f"{place}: {wanted}, got {item!r}")
        row[int(index)] = split_values(value, place)[0]
    return row


def _column(
    cells: list[str | None], attribute: Attribute, numbers: list[int], path: Path
) -> np.ndarray:
    place = at_lines(str(path), numbers)
    if attribute.nominal is not None:
        _check_nominal(cells, attribute, numbers, path)
    declared = f"as declared in line {attribute.line}"
    expect = Expect("number" if attribute.is_number else "text", declared)
    return parse_strings(cells, attribute.name, expect=expect, place=place)


def _check_nominal(
    cells: list[str | None], attribute: Attribute, numbers: list[int], path: Path
) -> None:
    allowed = {None, *(attribute.nominal or ())}
    for row, cell in enumerate(cells):
        if cell not in allowed:
            shown = ", ".join(attribute.nominal or ())
            place = f"{path}, line {numbers[row]}, column {attribute.name!r}"
            raise InputError(f"{place}: expected one of {{{shown[:80]}}}, got {cell!r}")
