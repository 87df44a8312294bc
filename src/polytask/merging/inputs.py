"""From paths to inputs that are checked and can be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polytask.errors import InputError
from polytask.merging.alignment import align
from polytask.merging.content import ContentHash
from polytask.merging.plan import Change
from polytask.merging.sources.adapter import Adapter
from polytask.merging.sources.base import Source
from polytask.merging.sources.checkpoint import Checkpoint
from polytask.merging.sources.difference import Difference
from polytask.merging.sources.locate import Location, is_adapter, locate
from polytask.merging.tokenizers import TokenizerChoice
from polytask.merging.vocabulary import Model, by_token

__all__ = ["Input", "open_inputs"]


@dataclass(frozen=True)
class Input:
    """An input of a merge.

    Args:
        location: the files of the model.
        source: what is merged.
        contents: the hash of each model that it is made of.
        notes: what a reader should know of it.
        config: hash of what the configuration of an adapter says about its change.
    """

    location: Location
    source: Source
    contents: tuple[ContentHash, ...]
    notes: tuple[str, ...] = ()
    config: str = ""


def open_inputs(
    base: Path | None, models: Sequence[Path | Change], *, tokenizer: TokenizerChoice
) -> list[Input]:
    """Open the base, if there is one, and models, changes and adapters; each only once.

    Args:
        base: path of the base; tokens are those of it, or of the first model.
        models: paths of the others.
        tokenizer: whether rows of embeddings are matched by token.

    Raises:
        InputError: there is no model, its files are truncated or contradict themselves, or an
            adapter has no base or another one.
    """
    opened: dict[tuple[Path, ...], Input] = {}
    first = [] if base is None else [_open_model(base, opened, tokenizer)]
    return [*first, *(_open(path, base, opened, tokenizer) for path in models)]


def _open(
    path: Path | Change, base: Path | None, opened: dict[tuple[Path, ...], Input], choice: str
) -> Input:
    if isinstance(path, Change):
        if is_adapter(path.model):
            return _open(path.model, path.base, opened, choice)
        model, start = (_open_model(one, opened, choice) for one in (path.model, path.base))
        align(start.source, [model.source])
        difference = Difference(model.source, start.source)
        contents, notes = model.contents + start.contents, model.notes + start.notes
        return Input(model.location, difference, contents, notes)
    if not is_adapter(path):
        return _open_model(path, opened, choice)
    if base is None:
        raise InputError(f"{path}: is an adapter: give the base model that it changes")
    return _open_adapter(path, _open_model(base, opened, choice), opened)


def _open_model(path: Path, opened: dict[tuple[Path, ...], Input], choice: str) -> Input:
    location = locate(path)
    if location.layout == "adapter":
        raise InputError(f"{path}: is an adapter: a model is wanted here")
    files = tuple(file.resolve() for file in location.files)
    if files not in opened:
        checkpoint = Checkpoint(str(path), location.files)
        source, notes = _matched(Model(location, checkpoint), list(opened.values()), choice)
        opened[files] = Input(location, source, (ContentHash(checkpoint),), notes)
    return opened[files]


def _open_adapter(path: Path, base: Input, opened: dict[tuple[Path, ...], Input]) -> Input:
    location = locate(path)
    files = tuple(file.resolve() for file in (*location.files, *base.location.files))
    if files not in opened:
        source = Adapter(location, base.source)
        contents, config = (ContentHash(source.tensors),), source.config.digest()
        opened[files] = Input(location, source, contents, config=config)
    return opened[files]


def _matched(model: Model, opened: Sequence[Input], choice: str) -> tuple[Source, tuple[str, ...]]:
    """The tensors of a model as the first one that was opened needs them, and notes."""
    if choice == "same" or not opened:
        return model.source, ()
    return by_token(Model(opened[0].location, opened[0].source), model)
