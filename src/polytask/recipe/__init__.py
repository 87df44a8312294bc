"""What did the user ask for? From a YAML file to the objects of the other rooms."""

from polytask.recipe.check import check_recipe
from polytask.recipe.data import make_source, read_data
from polytask.recipe.guess import guess_recipe
from polytask.recipe.prepare import Prepared, prepare
from polytask.recipe.read import override, parse_assignments, read_recipe, recipe_from, recipe_text
from polytask.recipe.schema import DataSpec, ModelSpec, Recipe, StepSpec, TaskSpec

__all__ = [
    "DataSpec",
    "ModelSpec",
    "Prepared",
    "Recipe",
    "StepSpec",
    "TaskSpec",
    "check_recipe",
    "guess_recipe",
    "make_source",
    "override",
    "parse_assignments",
    "prepare",
    "read_data",
    "read_recipe",
    "recipe_from",
    "recipe_text",
]
