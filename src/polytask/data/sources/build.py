"""From what a recipe says to the source that reads files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from polytask.data.sources import SOURCES, Source
from polytask.registry import import_name

__all__ = ["build_source"]


def build_source(spec: str | Mapping[str, Any], *, where: str, trust: bool = False) -> Source:
    """The source that a recipe describes: a name, or a mapping with ``type`` and options.

    Args:
        spec: what the recipe says.
        where: the place in the recipe, for example ``data.exams.source``; for messages.
        trust: the user's own code may run, which only the caller can say, never a recipe.

    Raises:
        InputError: an unknown source or option; or code of the user that is not trusted, or not
            there.
    """
    if isinstance(spec, str) or spec.get("type") != "function":
        return SOURCES.build(spec, where=where, trust=trust)
    source = SOURCES.build({**spec, "trust": trust}, where=where)
    if trust:  # now, because reading knows no place in a recipe
        import_name(spec["function"], where=f"{where}.function")
    return source
