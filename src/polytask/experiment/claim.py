"""Whether an experiment may write into a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from polytask.errors import InputError
from polytask.files import is_partial
from polytask.recipe import Recipe, read_recipe, recipe_text
from polytask.training.snapshot import FREE

__all__ = ["claim"]


def claim(out: Path, recipe: Recipe, *, resume: bool) -> None:
    """Refuse a folder that is not this experiment's own; writes nothing.

    Args:
        out: the folder.
        recipe: of the experiment. It may differ from the one in the folder by training options that
            do not change what is computed, and by more to train: further seeds, or single-task
            models where there were none.
        resume: go on with an experiment that is there, or add to it.

    Raises:
        InputError: it is a file, holds something else or another recipe, or this one and
            ``resume`` is not given.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file, not a folder")
    if not (out / "recipe.yaml").exists():
        if out.is_dir() and not all(is_partial(path) for path in out.iterdir()):
            raise InputError(f"{out}: is not empty and holds no polytask run; choose another --out")
        return
    now = _comparable(recipe_text(recipe))
    before = _grown(_read(out / "recipe.yaml"), now)
    if before != now:
        raise InputError(
            f"{out}: holds a run of another recipe ({_difference(before, now)}); "
            "choose another --out"
        )
    if not resume:
        raise InputError(f"{out}: already holds a run of this recipe; --resume goes on with it")


def _read(file: Path) -> dict[str, Any]:
    try:
        # Through Recipe, so that an option that did not exist then has its default now.
        return _comparable(recipe_text(read_recipe(file)[0]))
    except (OSError, InputError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: cannot be read: {error}") from error


def _comparable(text: str) -> dict[str, Any]:
    """A recipe as plain values, without the options that may change."""
    values: dict[str, Any] = yaml.safe_load(text)
    training = values["training"].items()
    return {**values, "training": {key: value for key, value in training if key not in FREE}}


def _grown(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The recipe of a folder with the runs that may be added: they leave the others as they are."""
    grown = dict(before)
    if set(before["seeds"]) <= set(now["seeds"]):
        grown["seeds"] = now["seeds"]
    if before["baselines"] == "none":
        grown["baselines"] = now["baselines"]
    return grown


def _difference(before: Any, now: Any, path: str = "") -> str:
    """The first place at which two recipes differ."""
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        for key in [*before, *now]:
            if before.get(key) != now.get(key):
                place = f"{path}.{key}" if path else str(key)
                return _difference(before.get(key), now.get(key), place)
    return f"{path} was {before!r}, is {now!r}"
