"""The errors that polytask raises, and the one way to suggest the nearest valid choice."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["InputError", "PolytaskError", "RunError", "unknown"]


class PolytaskError(Exception):
    """Base of every error that polytask raises on purpose."""


class InputError(PolytaskError, ValueError):
    """What the user gave is wrong: a recipe, a file, a column, an option. Exit code 2."""


class RunError(PolytaskError, RuntimeError):
    """A run that started well has failed: a loss became NaN, the disk is full. Exit code 1."""


def unknown(kind: str, name: object, choices: Iterable[object], *, where: str = "") -> InputError:
    """An error for a name that is not among the choices, with the nearest one.

    Args:
        kind: what is named, for example ``"column"``.
        name: the name that was given.
        choices: the names that exist.
        where: the place, for example a file or the path of a recipe key.
    """
    names = sorted(str(choice) for choice in choices)
    place = f"{where}: " if where else ""
    near = difflib.get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    shown = ", ".join(names[:20]) + (f", ... ({len(names)} in all)" if len(names) > 20 else "")
    return InputError(f"{place}unknown {kind} {str(name)!r}{hint} (there are: {shown or 'none'})")
