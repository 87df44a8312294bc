"""The examples in docstrings do what they say."""

import doctest
import importlib
import pkgutil

import pytest

import polytask.data.check
import polytask.recipe

MODULES = [
    module.name
    for package in (polytask.data.check, polytask.recipe)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    assert doctest.testmod(importlib.import_module(name)).failed == 0
