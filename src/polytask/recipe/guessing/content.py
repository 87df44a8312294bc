"""What kind of file a text is, judged by its lines."""

from __future__ import annotations

import json
import re
from typing import Any

from polytask.recipe.guessing.delimited import find_layout
from polytask.recipe.guessing.sniffed import Sniffed

__all__ = ["LOOKS", "blocks"]

LINES = 2000
"""Lines that are looked at."""

FEW_LABELS = 100
"""Most different first words of lines for them to be labels."""


def _marked(text: str) -> Sniffed | None:
    """Files whose first line says what they are."""
    first = next(line for line in text.splitlines() if line.strip())
    if first.lower().startswith("@relation"):
        return Sniffed({"type": "arff"})
    if first.startswith("{"):
        try:
            return Sniffed({"type": "jsonl"}) if isinstance(json.loads(first), dict) else None
        except ValueError:
            return None
    return None


def blocks(text: str) -> Sniffed | None:
    """A word and its labels per line, an empty line after each sentence."""
    lines = text.strip("\n").split("\n")[:LINES]
    comment = "-DOCSTART-" if any(line.startswith("-DOCSTART-") for line in lines) else None
    words = [line for line in lines if line.strip() and not line.startswith(("#", "-DOCSTART-"))]
    if any(len(line.split("\t")) == 10 for line in words[:1]):
        return Sniffed({"type": "conllu"})
    widths = {len(re.split("[ \t]+", line.strip(" \t"))) for line in words}
    if len(widths) != 1 or min(widths) < 2 or len(words) == len(lines):
        return None
    options: dict[str, Any] = {"type": "conll"}
    comments: list[str] = []
    if widths != {2}:
        between = [f"tags{position}" for position in range(1, min(widths))]
        options["names"] = ["words", *between]
        comments.append("Put the names of the columns here; a column called _ is not read.")
    return Sniffed({**options, **({"comment": comment} if comment else {})}, comments)


def _table(text: str) -> Sniffed | None:
    found = find_layout(text)
    return None if found is None else Sniffed(found.options, found.comments)


def _numbered(text: str) -> Sniffed | None:
    """Lines with a whole number as a label; texts with a comma each would look like a table."""
    first = {line.split(" ", 1)[0] for line in text.split("\n") if line.strip()}
    return _labelled(text) if all(re.fullmatch(r"-?\d+", word) for word in first) else None


def _labelled(text: str) -> Sniffed | None:
    """A label, a space and a text per line."""
    lines = [line for line in text.split("\n") if line.strip()]
    labels = {line.split(" ", 1)[0] for line in lines}
    texts = all(" " in line for line in lines) and any(line.count(" ") > 1 for line in lines)
    if not texts or len(lines) < 2 or len(labels) > min(FEW_LABELS, len(lines) / 2):
        return None
    return Sniffed({"type": "labelled_text"}, ["Each line is taken as a label and a text."])


LOOKS = (_marked, blocks, _numbered, _table, _labelled)
"""Each tells the source of a text, or None; the first that knows decides."""
