"""Where the weights of a model are: a safetensors file, a folder, or a run of polytask."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from polytask.errors import InputError

__all__ = [
    "Layout",
    "Location",
    "is_adapter",
    "is_change",
    "is_compressed",
    "locate",
    "read_json",
]

Layout = Literal["file", "folder", "polytask", "adapter", "compressed"]
"""A single file; a folder as the transformers library writes it; a model folder of polytask; an
adapter as the peft library writes it; one of several models in a folder of compressed task
vectors."""

VECTORS = "vectors.safetensors"
INDEX = ".safetensors.index.json"
PICKLED = {".bin", ".pt", ".pth", ".ckpt", ".pkl"}
"""Ends of names of files that run code when they are read."""


@dataclass(frozen=True)
class Location:
    """The files of a model.

    Args:
        path: as the user gave it.
        folder: that holds the files.
        files: with the weights.
        layout: what kind of folder it is.
        index: tensor -> name of its file, as the folder says it.
    """

    path: Path
    folder: Path
    files: tuple[Path, ...]
    layout: Layout
    index: Mapping[str, str] = field(default_factory=dict, compare=False)


def locate(path: Path) -> Location:
    """Find the weights of a model.

    Raises:
        InputError: there are none, several sets of them, or only pickled ones.
    """
    if is_compressed(path):
        return Location(path, path.parent, (path.parent / VECTORS,), "compressed")
    if path.is_file():
        if path.suffix != ".safetensors":
            raise _pickled(path) if path.suffix in PICKLED else _no_model(path)
        return Location(path, path.parent, (path,), "file")
    if (path / VECTORS).is_file():
        raise InputError(
            f"{path}: holds compressed task vectors: name one of its models, {path}/NAME"
        )
    if not path.is_dir():
        near = ", ".join(sorted(item.name for item in path.absolute().parent.glob("*"))[:10])
        raise InputError(f"{path}: no such model" + (f" (there are: {near})" if near else ""))
    if is_adapter(path):
        return Location(path, path, (_adapter_file(path),), "adapter")
    folder = _model_folder(path)
    layout: Layout = "polytask" if (folder / "model.json").is_file() else "folder"
    files, index = _weights(folder)
    return Location(path, folder, files, layout, index)


def is_adapter(path: Path) -> bool:
    """Whether a folder holds an adapter, not a model."""
    return (path / "adapter_config.json").is_file()


def is_compressed(path: Path) -> bool:
    """Whether a path names one of the models in a folder of compressed task vectors."""
    return not path.exists() and (path.parent / VECTORS).is_file()


def is_change(path: Path) -> bool:
    """Whether a path is no model by itself, but a change of a base."""
    return is_adapter(path) or is_compressed(path)


def read_json(file: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: it cannot be read, or is no JSON.
    """
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error


def _model_folder(path: Path) -> Path:
    """The folder itself, or the model folder in the folder of a run."""
    runs = ["model/model.json", "multi/seed-*/model/model.json"]
    found = [] if (path / "model.json").is_file() else [f for glob in runs for f in path.glob(glob)]
    if len(found) > 1:
        shown = ", ".join(sorted(str(file.parent) for file in found))
        raise InputError(f"{path}: holds several models, name one of them: {shown}")
    return found[0].parent if found else path


def _weights(folder: Path) -> tuple[tuple[Path, ...], dict[str, str]]:
    """The files with the weights, and what an index says is in them."""
    indices = sorted(folder.glob(f"*{INDEX}"))
    files = sorted(folder.glob("*.safetensors"))
    if folder / "model.safetensors" in files:  # before an index, as in the transformers library
        return (folder / "model.safetensors",), {}
    if len(indices) == 1:
        index = _index(indices[0])
        return tuple(folder / name for name in sorted({*index.values()})), index
    if len(files) == 1:
        return (files[0],), {}
    if files or indices:
        shown = ", ".join(file.name for file in [*files, *indices][:10])
        raise InputError(f"{folder}: holds several sets of weights, name one file: {shown}")
    pickled = [file for file in sorted(folder.glob("*")) if file.suffix in PICKLED]
    raise _pickled(pickled[0]) if pickled else _no_model(folder)


def _adapter_file(folder: Path) -> Path:
    file = folder / "adapter_model.safetensors"
    if file.is_file():
        return file
    pickled = folder / "adapter_model.bin"
    if pickled.is_file():
        raise _pickled(pickled)
    raise InputError(f"{folder}: is an adapter without {file.name}")


def _index(file: Path) -> dict[str, str]:
    """Tensor -> name of the file beside this one that holds it.

    Raises:
        InputError: it is no index, or names a file elsewhere.
    """
    found = read_json(file)
    names = found.get("weight_map") if isinstance(found, dict) else None
    if not isinstance(names, dict) or not names:
        raise InputError(f"{file}: no index: weight_map is missing")
    index = {str(tensor): str(name) for tensor, name in names.items()}
    for name in sorted({*index.values()}):
        if Path(name).name != name:
            raise InputError(f"{file}: names {name!r}, which is not a file beside it")
    return index


def _pickled(file: Path) -> InputError:
    return InputError(
        f"{file}: is pickled, and reading it would run code; convert it to safetensors"
    )


def _no_model(path: Path) -> InputError:
    return InputError(f"{path}: no weights (a .safetensors file, or a folder that holds some)")
