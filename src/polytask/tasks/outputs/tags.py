"""Rows of tags as numbers.

Shapes: N rows, W words of a row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from polytask.errors import InputError
from polytask.fields import Ragged, Targets
from polytask.tasks.metrics.spans import PREFIXES, split_tag
from polytask.tasks.outputs.base import Place
from polytask.tasks.outputs.labels import Label, encode_labels, is_missing

__all__ = ["check_tags", "encode_tags", "tag_rows", "unseen_tags"]

UNSEEN = "<unseen>"
"""Stands for every entity type, or plain tag, that training does not have."""


def tag_rows(values: np.ndarray, place: Place) -> list[Sequence[Any]]:
    """The tags of each row; an empty sequence where the row is missing.

    Raises:
        InputError: a cell is no list.
    """
    return [_row(cell, place, row) for row, cell in enumerate(values)]


def _row(cell: Any, place: Place, row: int) -> Sequence[Any]:
    if is_missing(cell):
        return ()
    if isinstance(cell, str) or not isinstance(cell, Sequence | np.ndarray):
        raise InputError(f"{place(row)}: expected a list of tags, one per word, got {cell!r}")
    return list(cell)


def check_tags(tags: Sequence[Label], scheme: str, *, where: str) -> None:
    """Refuse tags that are not of the scheme.

    Raises:
        InputError: names the tag and the tags of the scheme.
    """
    for tag in tags:
        try:
            split_tag(str(tag), scheme)
        except InputError as error:
            raise InputError(f"{where}: {error}") from error


def unseen_tags(classes: Sequence[Label], scheme: str) -> list[str]:
    """The tags that training does not have but other splits may, in the order of their numbers.

    For entity schemes: each known type with each prefix that it was not seen with, and all unknown
    types as one. So an unseen ``I-city`` still ends the entity where it ends in truth; were it
    read as O, predicting only its ``B-city`` would count as right.
    """
    if scheme == "plain":
        return [UNSEEN]
    tags = [str(tag) for tag in classes]
    kinds = dict.fromkeys(split_tag(tag, scheme)[1] for tag in tags if tag != "O")
    candidates = [_join(prefix, kind) for kind in [*kinds, UNSEEN] for prefix in PREFIXES[scheme]]
    return [tag for tag in ["O", *candidates] if tag not in tags]


def _join(prefix: str, kind: str) -> str:
    return f"{prefix}-{kind}" if kind else prefix


def encode_tags(
    values: np.ndarray, classes: Sequence[Label], unseen: Sequence[str] | None, place: Place
) -> Targets:
    """Tag numbers and their mask, one row of W per example; no words where a row is missing.

    Args:
        values: ``[N]`` lists of tags.
        classes: the tags of training; their numbers are 0 to O - 1.
        unseen: further tags, numbered from O (see `unseen_tags`); None: such a tag is an error.
        place: tells where a row stands, for messages.

    Raises:
        InputError: a cell is no list, or a tag is unknown; names the row and the word.
    """
    rows = tag_rows(values, place)
    offsets = np.cumsum([0, *(len(row) for row in rows)])

    def word(position: int) -> str:
        row = int(np.searchsorted(offsets, position, side="right")) - 1
        return f"{place(row)}, word {position - int(offsets[row]) + 1}"

    number: dict[Label, int] = {tag: index for index, tag in enumerate((*classes, *(unseen or ())))}
    tags = [tag for row in rows for tag in row]
    if unseen is not None:
        tags = [_known(tag, number) for tag in tags]
    index, mask = encode_labels(tags, number, word)
    starts = torch.from_numpy(offsets)
    return Targets(Ragged(torch.from_numpy(index), starts), Ragged(torch.from_numpy(mask), starts))


def _known(tag: Any, number: dict[Label, int]) -> Any:
    """The tag, or what stands for it if training does not have it."""
    if is_missing(tag) or tag in number:
        return tag
    of_its_prefix = f"{str(tag).partition('-')[0]}-{UNSEEN}"
    return next((known for known in (UNSEEN, of_its_prefix) if known in number), tag)
