"""A look at the data of a recipe before anything is trained on it."""

from __future__ import annotations

from pathlib import Path

from polytask.data.check import CheckReport, check
from polytask.data.mixtures import MIXTURES
from polytask.models import BACKBONES, SHARING
from polytask.recipe.balance import read_balancing
from polytask.recipe.data import read_unfitted
from polytask.recipe.schema import Recipe
from polytask.recipe.tasks import expand_tasks

__all__ = ["check_recipe"]


def check_recipe(recipe: Recipe, folder: Path = Path(), trust: bool = False) -> CheckReport:
    """Read the data of a recipe as training does, and report all that is wrong with it, not one.

    Args:
        recipe: the recipe.
        folder: relative paths start here.
        trust: the recipe may name the user's own code (``python:`` and the source ``function``).

    Raises:
        InputError: a file cannot be read, or the recipe names something that does not exist: then
            there is nothing to report on.

    See Also:
        polytask.data.check.check: the same for data sets and tasks of your own.
    """
    _check_names(recipe, trust=trust)
    data = read_unfitted(recipe, folder=folder, trust=trust)
    tasks = expand_tasks(recipe, data, trust=trust)
    groups = {
        name: spec.split.group
        for name, spec in recipe.data.items()
        if spec.split is not None and spec.split.group is not None
    }
    return check(data, tasks, groups=groups)


def _check_names(recipe: Recipe, *, trust: bool) -> None:
    """Refuse blocks that do not exist before time is spent on reading data."""
    BACKBONES.build(recipe.model.backbone, where="model.backbone", trust=trust)
    SHARING.build(recipe.model.sharing, where="model.sharing", trust=trust)
    MIXTURES.build(recipe.mixture, where="mixture", trust=trust)
    read_balancing(recipe.balance, seed=0, trust=trust)
