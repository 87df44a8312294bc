"""From paths to inputs that are checked and can be read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from polytask.errors import InputError
from polytask.merging.compression.source import CompressedModel
from polytask.merging.engine.alignment import align
from polytask.merging.engine.content import ContentHash
from polytask.merging.engine.identity import fingerprint
from polytask.merging.layers.stack import Stack
from polytask.merging.layers.stacking import restack
from polytask.merging.model import Model
from polytask.merging.opened_models import (
    Input,
    Models,
    kind_of_change,
    open_models,
    with_tokens,
)
from polytask.merging.plan import Change
from polytask.merging.sources.adapter import Adapter
from polytask.merging.sources.difference import Difference
from polytask.merging.sources.locate import is_change, is_compressed, locate
from polytask.merging.tokens.rows import TokenRow
from polytask.merging.tokens.tokenizers import TokenizerChoice

__all__ = ["Input", "open_inputs"]


Adapters = dict[tuple[Path, ...], Input]


def open_inputs(
    base: Path | Stack | None,
    models: Sequence[Path | Change | Stack],
    *,
    tokenizer: TokenizerChoice | Path,
    tokens: Mapping[str, TokenRow] | None = None,
) -> list[Input]:
    """Open the base, if there is one, and models, changes and adapters; each only once.

    Args:
        base: path of the base, or its layers; tokens are those of it, or of the first model.
        models: paths of the others, changes between two, or layers of several.
        tokenizer: of the result: rows of embeddings are matched by its tokens.
        tokens: where rows of certain tokens come from.

    Raises:
        InputError: there is no model, its files are truncated or contradict themselves, it does not
            have the layers or tokens that are wanted, or an adapter has no base or another one.
    """
    first = [] if base is None else [base]
    paths = [base] if isinstance(base, Path) else [path for one in first for path in _paths(one)]
    paths += [path for one in models for path in _paths(one)]
    opened = with_tokens(open_models(paths), tokenizer, tokens or {}, isinstance(base, Path))
    adapters: Adapters = {}
    return [_open(one, base, opened, adapters) for one in (*first, *models)]


def _paths(one: Path | Change | Stack) -> Iterator[Path]:
    """The models that an input is made of, without adapters."""
    if isinstance(one, Stack):
        yield from (layers.model for layers in one.ranges())
        return
    both = (one.model, one.base) if isinstance(one, Change) else (one,)
    yield from (path for path in both if not is_change(path))


def _open(
    one: Path | Change | Stack, base: Path | Stack | None, models: Models, adapters: Adapters
) -> Input:
    if isinstance(one, Stack):
        return _open_stack(one, models)
    if isinstance(one, Change):
        if is_change(one.base):
            raise InputError(
                f"{one.base}: is {kind_of_change(one.base)}: a change has a model as base"
            )
        if is_change(one.model):
            return _open(one.model, one.base, models, adapters)
        model, start = models[one.model], models[one.base]
        align(start.source, [model.source])
        difference = Difference(model.source, start.source)
        contents, notes = model.contents + start.contents, model.notes + start.notes
        return replace(model, source=difference, contents=contents, notes=notes)
    if one in models:
        return models[one]
    if not isinstance(base, Path):
        raise InputError(f"{one}: is {kind_of_change(one)}: give the base model that it changes")
    if models[base].tokenizer is not None:
        raise InputError(f"{one}: is {kind_of_change(one)}: it needs the tokens of its base")
    if is_compressed(one):
        return _open_compressed(one, models[base])
    return _open_adapter(one, models[base], adapters)


def _open_stack(stack: Stack, models: Models) -> Input:
    parts = {layers.model: models[layers.model] for layers in stack.ranges()}
    opened = {path: Model(part.location, part.source) for path, part in parts.items()}
    source, config = restack(stack, opened)
    return Input(
        tuple(part.location for part in parts.values()),
        source,
        tuple(content for part in parts.values() for content in part.contents),
        tuple(note for part in parts.values() for note in part.notes),
        config={**next(iter(parts.values())).config, **config},
        tokenizer=next(iter(parts.values())).tokenizer,
    )


def _open_compressed(path: Path, base: Input) -> Input:
    source = CompressedModel(path.parent, path.name)
    align(base.source, [source])
    other = source.base != fingerprint(base.source)
    notes = (f"{path}: was made from another base than {base.source.label}",) if other else ()
    return Input((locate(path),), source, (ContentHash(source),), notes)


def _open_adapter(path: Path, base: Input, opened: Adapters) -> Input:
    location = locate(path)
    files = tuple(file.resolve() for file in (*location.files, *base.location.files))
    if files not in opened:
        source = Adapter(location, base.source)
        contents, digest = (ContentHash(source.tensors),), source.config.digest()
        notes = _other_base(path, source.config.values.get("base_model_name_or_path"), base)
        opened[files] = Input((location,), source, contents, notes, digest=digest)
    return opened[files]


def _other_base(path: Path, named: object, base: Input) -> tuple[str, ...]:
    """A sentence on the base that an adapter names, if that is another one.

    A name that is no path here may be that of the same model elsewhere: then its last part counts.
    """
    if not isinstance(named, str) or not named:
        return ()
    given = base.location.path.resolve()
    same = (
        Path(named).resolve() == given if Path(named).exists() else Path(named).name == given.name
    )
    return () if same else (f"{path}: names {named!r} as its base, not {base.location.path}",)
