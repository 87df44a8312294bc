"""The files beside the weights: configuration and tokenizer, compared and copied."""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from polytask.errors import InputError
from polytask.files import write_json
from polytask.merging.sources.locate import Location, read_json
from polytask.merging.tokens.new_tokenizer import NewTokenizer

__all__ = ["NESTED", "check_assets", "copy_assets", "read_config", "vocabulary_size"]

COPIED = ("*.json", "*.jinja", "*.txt", "*.model", "*.vocab")
"""Names of files that a merged model takes over from the base or the first model."""

FOLDERS = ("assets", "additional_chat_templates")
"""Folders that it takes over as a whole."""

LEFT_OUT = (
    "*.safetensors.index.json",
    "*.bin.index.json",
    "manifest.json",
    "merge.json",
    "trainer_state.json",
    "all_results.json",
    "*_results.json",
    "requirements*.txt",
)
"""Names of files that describe something else: old weights, a training run."""

OF_TOKENIZER = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "vocab.*",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
)
"""Names of files that define tokens or say how they are used."""

NESTED = "text_config"
"""The part of the configuration of a model of images and text that describes the text."""

UNIMPORTANT = {"_name_or_path", "transformers_version", "torch_dtype", "dtype", "use_cache"}
"""Keys of configurations that do not change what a model computes."""


def check_assets(
    reference: Location,
    others: Sequence[Location],
    *,
    changed: Collection[str],
    joined: bool = False,
) -> list[str]:
    """Compare what lies beside the weights.

    Args:
        reference: whose files are kept.
        others: the other models.
        changed: keys of ``config.json`` that are nobody's in the result.
        joined: whether descriptions of polytask models have become one.

    Returns:
        A sentence for every difference between configurations.

    Raises:
        InputError: weights are quantised, or descriptions of polytask models differ.
    """
    for location in (reference, *others):
        if _is_quantised(location):
            raise InputError(f"{location.folder}: its weights are quantised: they cannot be merged")
    for other in () if joined else others:
        _check_descriptions(reference, other)
    return [*_left(reference), *_configurations(reference, others, changed)]


def _configurations(
    reference: Location, others: Sequence[Location], changed: Collection[str]
) -> Iterator[str]:
    """A sentence for every difference between configurations, or one for a missing one."""
    config, found = read_config(reference), [(other, read_config(other)) for other in others]
    having = [other for other, its in found if its]
    if not config and having:
        yield f"{reference.path} has no config.json, so the result has none; {having[0].path} has"
        return
    for other, its in found:
        differing = [key for key in _differences(config, its) if key not in changed] if its else []
        for key in differing:
            yield f"config.json of {other.path} differs at {key}; that of {reference.path} is kept"


def _left(reference: Location) -> list[str]:
    """A sentence for each folder of a module behind the model whose weights are left out."""
    if reference.layout == "file":
        return []
    parts = [reference.folder / name for name in _parts(reference.folder)]
    weights = ("*.safetensors", "*.bin")
    return [
        f"{part}: its weights are not merged and are left out"
        for part in parts
        if any(file for glob in weights for file in part.glob(glob))
    ]


def _is_quantised(location: Location) -> bool:
    """Whether a description beside the weights says so."""
    file = location.folder / "config.json"
    config = _mapping(file) if file.is_file() else {}
    described = [config.get(key) for key in ("quantization_config", "compression_config")]
    return described != [None, None] or (location.folder / "quantize_config.json").is_file()


def copy_assets(
    reference: Location,
    folder: Path,
    dtype: torch.dtype,
    config: Mapping[str, Any],
    tokenizer: NewTokenizer | None,
    description: Mapping[str, Any] | None = None,
) -> None:
    """Copy configuration and tokenizer.

    Args:
        reference: where they are.
        folder: where they go.
        dtype: what most of the merged weights are stored in.
        config: keys of ``config.json`` with other values.
        tokenizer: that takes the place of the one that is there.
        description: that takes the place of ``model.json``.

    Raises:
        OSError: one cannot be copied.
    """
    if reference.layout == "file":
        return
    for file in _assets(reference.folder):
        if tokenizer is not None and any(file.match(pattern) for pattern in OF_TOKENIZER):
            continue
        copy = folder / file.relative_to(reference.folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    if tokenizer is not None:
        tokenizer.write(folder)
    if description is not None:
        write_json(folder / "model.json", description)
    if (folder / "config.json").is_file():
        _update(folder / "config.json", str(dtype).removeprefix("torch."), config)


def vocabulary_size(location: Location) -> int | None:
    """How many rows embeddings of tokens have, if the configuration says so."""
    config = read_config(location)
    text = config.get("text_config")
    found = config.get("vocab_size", text.get("vocab_size") if isinstance(text, dict) else None)
    return found if isinstance(found, int) else None


def _differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Keys of two configurations with different values that matter."""
    keys = sorted({*one, *other} - UNIMPORTANT)
    return [key for key in keys if one.get(key) != other.get(key)]


def _assets(folder: Path) -> Iterator[Path]:
    for pattern in COPIED:
        for file in sorted(folder.glob(pattern)):
            if file.is_file() and not any(file.match(left_out) for left_out in LEFT_OUT):
                yield file
    for name in FOLDERS:
        yield from sorted(file for file in (folder / name).rglob("*") if file.is_file())
    for name in _parts(folder):
        yield from sorted(file for file in (folder / name).glob("*.json") if file.is_file())


def _parts(folder: Path) -> list[str]:
    """The folders of modules of the sentence-transformers library behind the model."""
    file = folder / "modules.json"
    found = read_json(file) if file.is_file() else []
    parts = [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []
    paths = [part.get("path") for part in parts]
    named = [path for path in paths if isinstance(path, str) and Path(path).name == path]
    return [path for path in named if path not in ("", "..")]


def read_config(location: Location) -> dict[str, Any]:
    """What ``config.json`` says; nothing if there is none.

    Raises:
        InputError: it is no mapping.
    """
    file = location.folder / "config.json"
    return {} if location.layout == "file" or not file.is_file() else _mapping(file)


def _mapping(file: Path) -> dict[str, Any]:
    found = read_json(file)
    if not isinstance(found, dict):
        raise InputError(f"{file}: is no mapping")
    return found


def _check_descriptions(reference: Location, other: Location) -> None:
    """Refuse polytask models that read inputs or name classes differently."""
    both = [location.folder / "model.json" for location in (reference, other)]
    if reference.layout != "polytask" or other.layout != "polytask":
        return
    one, two = map(_mapping, both)
    if keys := _differences(one, two):
        raise InputError(f"{both[1]}: differs from {both[0]} at {', '.join(keys)}")


def _update(file: Path, dtype: str, changes: Mapping[str, Any]) -> None:
    """Let a configuration tell the truth, also about what the weights are stored in."""
    config = read_json(file)
    stored = {key: dtype for key in ("dtype", "torch_dtype") if config.get(key, dtype) != dtype}
    changed = {**config, **stored, **_of_part(config, changes)}
    if NESTED in config and isinstance(config[NESTED], dict):
        changed[NESTED] = {**config[NESTED], **_of_part(config[NESTED], changes)}
    if changed != config:
        file.write_text(json.dumps(changed, indent=2) + "\n", encoding="utf-8")


def _of_part(part: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The changes of keys that a part of a configuration has."""
    return {key: value for key, value in changes.items() if key in part}
