"""HTML as text: nothing enters a page without being escaped, unless it is `Markup` already."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

__all__ = ["Markup", "details", "join", "section", "table", "tag", "text", "tree"]


class Markup(str):
    """HTML that is safe to put into a page as it is."""

    __slots__ = ()


def text(value: object) -> Markup:
    """Any value as escaped text; `Markup` unchanged."""
    return value if isinstance(value, Markup) else Markup(escape(str(value), quote=True))


def join(parts: Sequence[object]) -> Markup:
    """Parts one after the other, each escaped unless it is `Markup`."""
    return Markup("\n".join(text(part) for part in parts))


def tag(name: str, *content: object, **attributes: str) -> Markup:
    """An element; an underscore at the end of an attribute's name is dropped (``class_``)."""
    given = "".join(f' {key.rstrip("_")}="{text(value)}"' for key, value in attributes.items())
    return Markup(f"<{name}{given}>{''.join(text(part) for part in content)}</{name}>")


def table(head: Sequence[object], rows: Sequence[Sequence[object]], **attributes: str) -> Markup:
    """A table; the first cell of each row is its heading. It scrolls where it is too wide."""
    top = tag("tr", *[tag("th", cell, scope="col") for cell in head])
    body = [
        tag("tr", tag("th", row[0], scope="row"), *[tag("td", cell) for cell in row[1:]])
        for row in rows
    ]
    whole = tag("table", tag("thead", top), tag("tbody", *body), **attributes)
    return tag("div", whole, class_="scroll")


def details(summary: str, *content: object) -> Markup:
    """A part of the page that opens on a click."""
    return tag("details", tag("summary", summary), *content)


def section(heading: str, *content: object) -> Markup:
    """A heading and what is below it."""
    return join([tag("h2", heading), *content])


def tree(value: Any) -> Markup:
    """Any JSON value: mappings of mappings as a table, other mappings as a list of names."""
    if isinstance(value, Mapping):
        return _table_of(value) if _is_table(value) else _list_of(value)
    if isinstance(value, list | tuple):
        simple = not any(isinstance(item, Mapping | list | tuple) for item in value)
        return text(", ".join(map(_plain, value))) if simple else join([tree(x) for x in value])
    return text(_plain(value))


def _is_table(value: Mapping[str, Any]) -> bool:
    """Whether all entries are mappings of one kind: they share a key, and none is nested deeper."""
    rows = list(value.values())
    if len(rows) < 2 or not all(isinstance(row, Mapping) for row in rows):
        return False
    flat = not any(isinstance(cell, Mapping) for row in rows for cell in row.values())
    return flat and bool(set.intersection(*(set(row) for row in rows)))


def _table_of(value: Mapping[str, Mapping[str, Any]]) -> Markup:
    columns = list(dict.fromkeys(key for row in value.values() for key in row))
    rows = [[name, *[tree(row.get(key, "")) for key in columns]] for name, row in value.items()]
    return table(["", *[key.replace("_", " ") for key in columns]], rows)


def _list_of(value: Mapping[str, Any]) -> Markup:
    pairs = [(str(key).replace("_", " "), tree(item)) for key, item in value.items()]
    return tag("dl", *[part for key, item in pairs for part in (tag("dt", key), tag("dd", item))])


def _plain(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
