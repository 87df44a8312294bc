"""What did the user ask for? From a YAML file to the objects of the other rooms."""

from polytask.recipe.prepare import Prepared, prepare, read_data
from polytask.recipe.read import override, parse_assignments, read_recipe, recipe_from, recipe_text
from polytask.recipe.schema import DataSpec, ModelSpec, Recipe, TaskSpec

__all__ = [
    "DataSpec",
    "ModelSpec",
    "Prepared",
    "Recipe",
    "TaskSpec",
    "override",
    "parse_assignments",
    "prepare",
    "read_data",
    "read_recipe",
    "recipe_from",
    "recipe_text",
]
