"""Whole models, each opened once, with the tokens of the result."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from polytask.errors import InputError, unknown
from polytask.merging.engine.content import ContentHash
from polytask.merging.given import as_path
from polytask.merging.model import Model
from polytask.merging.sources.base import Source
from polytask.merging.sources.checkpoint import Checkpoint
from polytask.merging.sources.locate import Location, is_compressed, locate
from polytask.merging.tokens.new_tokenizer import NewTokenizer
from polytask.merging.tokens.rows import TokenRow
from polytask.merging.tokens.tokenizers import TokenizerChoice
from polytask.merging.tokens.vocabulary import Matched, by_token, match, new_tokenizer

__all__ = ["Input", "Models", "kind_of_change", "open_models", "with_tokens"]


QUANTISED = (".SCB", ".qweight", ".qzeros", ".absmax", ".quant_map")
"""Ends of names beside quantised weights, of bitsandbytes, GPTQ and AWQ."""


@dataclass(frozen=True)
class Input:
    """An input of a merge.

    Args:
        locations: the files of the model, or of the models whose layers it has.
        source: what is merged.
        contents: the hash of each model that it is made of.
        notes: what a reader should know of it.
        digest: hash of what the configuration of an adapter says about its change.
        config: keys of the first ``config.json`` with other values: other layers, other tokens.
        tokenizer: of the result, if it is not that of the first model.
        description: ``model.json`` of the result, if it is not that of the first model.
    """

    locations: tuple[Location, ...]
    source: Source
    contents: tuple[ContentHash, ...]
    notes: tuple[str, ...] = ()
    digest: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    tokenizer: NewTokenizer | None = None
    description: Mapping[str, Any] | None = None

    @property
    def location(self) -> Location:
        """The files of the model, or of the first one."""
        return self.locations[0]


Models = Mapping[Path, Input]


def open_models(paths: Iterable[Path]) -> Models:
    """Path -> whole model; paths of the same files share one.

    Raises:
        InputError: there is no model, or its files are truncated or contradict themselves.
    """
    opened: dict[tuple[str, ...], Input] = {}
    found: dict[Path, Input] = {}
    for path in dict.fromkeys(paths):
        location = locate(path)
        if location.layout in ("adapter", "compressed"):
            raise InputError(f"{path}: is {kind_of_change(path)}: a model is wanted here")
        # Path.resolve raises on a link to itself, before an error can say which file that is.
        files = tuple(os.path.realpath(file) for file in location.files)
        if files not in opened:
            checkpoint = Checkpoint(str(path), location.files)
            _check_model(checkpoint, location)
            opened[files] = Input((location,), checkpoint, (ContentHash(checkpoint),))
        found[path] = opened[files]
    return found


def _check_model(checkpoint: Checkpoint, location: Location) -> None:
    """Refuse files that hold something else than the weights of a model."""
    for name, file in location.index.items():
        entry = checkpoint.entries.get(name)
        if entry is None or Path(entry.file).name != file:
            raise InputError(
                f"{checkpoint.label}: tensor {name!r} is not in {file}, where its index has it"
            )
    kinds = {metadata.get("kind") for metadata in checkpoint.metadata}
    if found := kinds & {"fisher", "gramian"}:
        raise InputError(f"{checkpoint.label}: holds {found.pop()} statistics, not a model")
    for name in checkpoint.entries:
        if name.endswith(QUANTISED):
            raise InputError(
                f"{checkpoint.label}: tensor {name!r} is of quantised weights: they cannot be "
                "merged"
            )
        if ".lora_A." in name or ".lora_B." in name:
            raise InputError(
                f"{checkpoint.label}: tensor {name!r} is a factor of an adapter: name the folder "
                "that holds its adapter_config.json"
            )


def with_tokens(
    opened: Models, choice: TokenizerChoice | Path, tokens: Mapping[str, TokenRow], base: bool
) -> Models:
    """The same models, with rows of embeddings in the order of the tokens of the result.

    Args:
        opened: path -> model; the first one is the reference.
        choice: whose tokens these are.
        tokens: where rows of certain tokens come from.
        base: whether the first model is the base.

    Raises:
        InputError: a model has no tokens that can be matched, or not the row that it is to give; or
            tokens are no mapping of texts to rows.
    """
    _check_tokens(tokens)
    inputs = list({id(one): one for one in opened.values()}.values())
    models = [Model(one.location, one.source) for one in inputs]
    if choice == "same" or not models:
        return opened
    tokenizer = new_tokenizer(models, choice, list(tokens))
    if tokenizer is None:
        matched = [Matched(models[0].source), *(by_token(models[0], one) for one in models[1:])]
    else:
        chosen = {token: (_index(row, opened, inputs), row) for token, row in tokens.items()}
        matched = match(models, tokenizer, chosen, 0 if base else None)
    config = {} if tokenizer is None else {"vocab_size": max(tokenizer.tokens.values()) + 1}
    new = {
        id(one): replace(one, source=source, notes=notes, config=config, tokenizer=tokenizer)
        for one, (source, notes) in zip(inputs, matched, strict=True)
    }
    return {path: new[id(one)] for path, one in opened.items()}


def _check_tokens(tokens: object) -> None:
    if not isinstance(tokens, Mapping):
        raise InputError(f"tokens: expected token -> TokenRow, got {type(tokens).__name__}")
    for token, row in tokens.items():
        if not isinstance(token, str) or not token:
            raise InputError(f"tokens: {token!r} is no token: give its text")
        if not isinstance(row, TokenRow):
            raise InputError(f"tokens: {token!r}: expected a TokenRow, got {type(row).__name__}")


def _index(row: TokenRow, opened: Models, inputs: Sequence[Input]) -> int | None:
    """Which input gives a row."""
    if row.model is None:
        return None
    path = as_path("tokens", row.model)
    if path not in opened:
        raise unknown("model", path, opened, where="tokens")
    return next(at for at, one in enumerate(inputs) if one is opened[path])


def kind_of_change(path: Path) -> str:
    """What a path is that is a change of a base, for messages."""
    return "a compressed task vector" if is_compressed(path) else "an adapter"
