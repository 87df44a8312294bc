"""Which tensors an extracted adapter holds, and how: as factors, whole, or not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from polytask.errors import InputError, unknown
from polytask.merging.engine.embeddings import is_embedding
from polytask.merging.sources.adapter_file import PREFIX, Factors
from polytask.merging.sources.adapter_layout import Target

__all__ = ["find_targets", "saved_modules", "whole_tensors"]

DOUBTFUL = ("embed", "lm_head")
"""Parts of names of matrices that may be no linear layers, or share their weights with one that is
none, beside those that `is_embedding` knows. They get no factors: peft could not read those of an
embedding, while what is left out is reported. `targets` may name them all the same."""

WEIGHT = ".weight"

Shapes = Mapping[str, tuple[int, ...]]


def find_targets(
    changed: Shapes,
    targets: Sequence[str] | None,
    modules_to_save: Sequence[str],
    fan_in_fan_out: bool,
) -> dict[str, Target]:
    """Weight -> the names of its factors, for all that get some.

    Args:
        changed: tensors that differ from the base, with their shapes.
        targets: ends of names of modules; None for all linear layers.
        modules_to_save: ends of names of modules that stay whole.
        fan_in_fan_out: weights are input x output.

    Raises:
        InputError: no weight is that of a module that is named; with the nearest one.
    """
    modules = [
        name.removesuffix(WEIGHT)
        for name, shape in changed.items()
        if len(shape) == 2 and name.endswith(WEIGHT)
    ]
    for wanted in targets or ():
        if modules and not any(_ends(module, [wanted]) for module in modules):
            raise unknown("target", wanted, modules)
    chosen = [
        module
        for module in modules
        if not _ends(module, modules_to_save)
        and (_ends(module, targets) if targets is not None else _is_linear(module))
    ]
    return {module + WEIGHT: _target(module, fan_in_fan_out) for module in chosen}


def _is_linear(module: str) -> bool:
    return not is_embedding(module) and not any(part in module for part in DOUBTFUL)


def _target(module: str, transposed: bool) -> Target:
    down, up = (f"{PREFIX}{module}.lora_{factor}.weight" for factor in "AB")
    factors = Factors(down=down, up=up, magnitude=None, bias=None, embedding=False)
    return Target(module, factors, transposed)


def whole_tensors(
    changed: Shapes,
    names: Sequence[str],
    targets: Mapping[str, Target],
    modules_to_save: Sequence[str],
    bias: str,
) -> dict[str, str]:
    """Tensor -> its name in the file, for all that stay whole.

    Args:
        changed: tensors that differ from the base, with their shapes.
        names: of all tensors: peft wants whole modules, also what did not change in them.
        targets: what has factors.
        modules_to_save: ends of names of modules that stay whole.
        bias: ``all`` or ``none``.

    Raises:
        InputError: no tensor that changed is of a module that is named; with the nearest one.
    """
    modules = {name: name.rpartition(".")[0] for name in changed if name not in targets}
    for wanted in modules_to_save:
        if not any(_inside(module, wanted) for module in modules.values()):
            raise unknown("module to save", wanted, set(modules.values()))
    factored = {target.module for target in targets.values()}
    found = {}
    for name in names:
        module = name.rpartition(".")[0]
        is_bias = bias == "all" and name in modules and name.endswith("bias")
        saved = name not in targets and any(_inside(module, wanted) for wanted in modules_to_save)
        if is_bias or saved:
            under = ".base_layer" * (module in factored)
            found[name] = f"{PREFIX}{module}{under}.{name.rpartition('.')[2]}"
    return found


def saved_modules(whole: Mapping[str, str], names: Sequence[str], bias: str) -> list[str]:
    """The full names of the modules that are kept whole.

    Args:
        whole: tensor -> its name in the file.
        names: of all tensors.
        bias: ``all`` keeps biases of other modules, too.

    Raises:
        InputError: peft would take a name for that of another module, too.
    """
    parts: dict[str, set[str]] = {}
    for name in names:
        module, _, part = name.rpartition(".")
        parts.setdefault(module, set()).add(part)
    alone = {"bias"} if bias == "all" else set()
    saved = [
        module
        for module, held in parts.items()
        if held != alone and all(f"{module}.{part}" in whole for part in held)
    ]
    for module in saved:
        other = next((m for m in parts if m.endswith(module) and m not in saved), None)
        if other is not None:
            raise InputError(f"modules_to_save: peft would take {other!r} for {module!r}, too")
    return saved


def _ends(module: str, names: Sequence[str]) -> bool:
    """Whether a module is one of these, as peft takes them."""
    return any(module == name or module.endswith(f".{name}") for name in names)


def _inside(module: str, name: str) -> bool:
    """Whether a module is one of that name, or a part of it."""
    return f".{name}." in f".{module}."
