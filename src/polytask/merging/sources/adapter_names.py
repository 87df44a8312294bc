"""From the modules of an adapter to the tensors of its base.

The same encoder has other names alone (``encoder.layer.0...``) than under a head
(``bert.encoder.layer.0...``), and adapters are trained on either.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from polytask.errors import InputError

__all__ = ["Naming", "find_naming"]


@dataclass(frozen=True)
class Naming:
    """How names of an adapter become names of its base.

    Args:
        without: prefix that is taken away.
        added: prefix that is put before the rest.
    """

    without: str = ""
    added: str = ""

    def inner(self, name: str) -> str:
        """The name in the base, of a tensor that is part of the encoder."""
        return self.added + name.removeprefix(self.without)

    def find(self, name: str, known: Collection[str]) -> str | None:
        """The name in the base, of a tensor that may be beside the encoder too; None if absent."""
        return next((found for found in (self.inner(name), name) if found in known), None)


def find_naming(label: str, names: Collection[str], base: str, known: Collection[str]) -> Naming:
    """The naming that finds all tensors in the base.

    Args:
        label: of the adapter.
        names: of tensors that the adapter changes, all of them parts of the encoder.
        base: label of the base.
        known: names of the tensors of the base.

    Raises:
        InputError: there is none: the adapter belongs to another base.
    """
    for naming in _candidates(names, known):
        if all(name.startswith(naming.without) and naming.inner(name) in known for name in names):
            return naming
    missing = sorted(name for name in names if name not in known)
    near = difflib.get_close_matches(missing[0], known, n=1, cutoff=0.5)
    hint = f", nearest is {near[0]!r}" if near else ""
    raise InputError(
        f"{label}: is an adapter for another base than {base}: it changes {len(missing)} tensors "
        f"that are not there ({missing[0]!r}{hint})"
    )


def _candidates(names: Iterable[str], known: Iterable[str]) -> Iterator[Naming]:
    """The same names; or what makes the first one a name of the base, the shortest prefix first."""
    yield Naming()
    first = min(names, default="")
    found = [Naming(added=name.removesuffix(first)) for name in known if name.endswith(f".{first}")]
    found += [Naming(without=first.removesuffix(n)) for n in known if first.endswith(f".{n}")]
    yield from sorted(found, key=lambda naming: (len(naming.added + naming.without), naming.added))
