"""Where the tensors of an adapter belong in its base, by their names and shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from polytask.errors import InputError
from polytask.merging.sources.adapter_config import AdapterConfig
from polytask.merging.sources.adapter_file import Content, Factors, read_names
from polytask.merging.sources.adapter_names import find_naming
from polytask.merging.sources.base import Source

__all__ = ["AdapterLayout", "Target", "find_layout"]

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Target:
    """A weight of the base that an adapter has factors for.

    Args:
        module: its name in the adapter.
        factors: of it.
        transposed: whether the weight is input x output.
    """

    module: str
    factors: Factors
    transposed: bool


@dataclass(frozen=True)
class AdapterLayout:
    """Where the tensors of an adapter belong.

    Args:
        targets: weight of the base -> what has factors for it.
        whole: tensor of the base -> its name in the adapter, if that holds it whole.
        heads: name -> name in the adapter, of whole tensors that the base does not have.
    """

    targets: Mapping[str, Target]
    whole: Mapping[str, str]
    heads: Mapping[str, str]


def find_layout(tensors: Source, config: AdapterConfig, base: Source) -> AdapterLayout:
    """Find for each tensor of an adapter the tensor of the base that it changes.

    Raises:
        InputError: a tensor cannot be understood or contradicts the configuration, a factor holds
            integers, or the adapter is one for another base: a tensor is absent there or has
            another shape.
    """
    content = read_names(tensors.label, tensors.entries)
    for module, factors in content.factors.items():
        _check_rank(tensors, config, module, factors)
        _check_numbers(tensors, factors)
    weights = {f"{module}.weight": module for module in content.factors}
    if not weights:
        raise InputError(f"{tensors.label}: holds no factors of LoRA")
    naming = find_naming(tensors.label, weights, base.label, base.entries)
    modules = {naming.inner(name): module for name, module in weights.items()}
    transposed = _transposed(
        tensors, base, {name: content.factors[modules[name]] for name in modules}, config
    )
    found = {name: naming.find(name, base.entries) for name in content.whole}
    return AdapterLayout(
        targets={
            name: Target(module, content.factors[module], transposed[name])
            for name, module in modules.items()
        },
        whole=_whole(tensors, base, content, found),
        heads={name: content.whole[name] for name in found if found[name] is None},
    )


def _check_rank(tensors: Source, config: AdapterConfig, module: str, factors: Factors) -> None:
    down, up = _shape(tensors, factors.down), _shape(tensors, factors.up)
    rank = config.rank_of(module)
    if len(down) < 2 or len(up) < 2 or (down[0], *up[1:]) != (rank, rank, *[1] * (len(up) - 2)):
        raise InputError(
            f"{tensors.label}: module {module!r} has rank {rank} by {config.file.name}, but "
            f"factors of shapes {_shown(down)} and {_shown(up)}"
        )


def _check_numbers(tensors: Source, factors: Factors) -> None:
    for key in (factors.down, factors.up, factors.magnitude, factors.bias):
        if key is not None and not tensors.entries[key].dtype.is_floating_point:
            raise InputError(
                f"{tensors.label}: tensor {key!r} is {tensors.entries[key].dtype}: factors are "
                "floating-point numbers"
            )


def _whole(
    tensors: Source, base: Source, content: Content, found: Mapping[str, str | None]
) -> dict[str, str]:
    """Tensor of the base -> its name in the adapter, after a look at the shapes."""
    whole = {inner: content.whole[name] for name, inner in found.items() if inner is not None}
    for inner, key in whole.items():
        if _shape(tensors, key) != base.entries[inner].shape:
            raise _other_shape(tensors, base, inner, _shape(tensors, key))
    return whole


def _transposed(
    tensors: Source, base: Source, factors: Mapping[str, Factors], config: AdapterConfig
) -> dict[str, bool]:
    """Whether each weight is input x output.

    The configuration has one answer for all modules, and peft lets the last module of a model
    decide. So shapes decide, and for square weights those of all others.
    """
    fits = {name: _fitting(tensors, base, name, found) for name, found in factors.items()}
    linear = [name for name, found in factors.items() if not found.embedding]
    seen = {next(iter(fits[name])) for name in linear if len(fits[name]) == 1}
    square = [name for name in linear if len(fits[name]) == 2]
    if square and len(seen) == 2:
        raise InputError(
            f"{tensors.label}: whether {square[0]!r} is input x output cannot be told: it is "
            "square, and of the other weights some are and some are not"
        )
    usual = next(iter(seen), config.fan_in_fan_out)
    return {name: usual if len(fit) == 2 else next(iter(fit)) for name, fit in fits.items()}


def _fitting(tensors: Source, base: Source, name: str, factors: Factors) -> set[bool]:
    """The answers, for one weight, that its shape allows."""
    shape = base.entries[name].shape
    made = (_shape(tensors, factors.up)[0], *_shape(tensors, factors.down)[1:])
    fits = {False} if shape == made and not factors.embedding else set()
    if len(shape) == 2 and shape == made[::-1]:
        fits.add(True)
    if not fits:
        raise _other_shape(tensors, base, name, made)
    return fits


def _shape(tensors: Source, key: str) -> Shape:
    return tensors.entries[key].shape


def _shown(shape: Shape) -> str:
    return " x ".join(map(str, shape)) or "scalar"


def _other_shape(tensors: Source, base: Source, name: str, own: Shape) -> InputError:
    return InputError(
        f"{tensors.label}: is an adapter for another base than {base.label}: tensor {name!r} is "
        f"{_shown(base.entries[name].shape)} there, {_shown(own)} in the adapter"
    )
