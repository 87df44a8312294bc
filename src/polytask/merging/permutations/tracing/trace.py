"""From a module to the permutations that leave what it computes as it is."""

from __future__ import annotations

import copy
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from polytask.errors import InputError
from polytask.merging.permutations.axis import Axis
from polytask.merging.permutations.permute import permute_state_dict
from polytask.merging.permutations.spec import Axes, PermutationSpec
from polytask.merging.permutations.tracing.attention import ATTENTION
from polytask.merging.permutations.tracing.elementwise import ELEMENTWISE
from polytask.merging.permutations.tracing.layers import LAYERS
from polytask.merging.permutations.tracing.norms import NORMS
from polytask.merging.permutations.tracing.parts import PARTS
from polytask.merging.permutations.tracing.shapes import SHAPES
from polytask.merging.permutations.tracing.tracer import Rule, Tracer, tensors_in

__all__ = ["permutation_spec"]

RULES: Mapping[str, Rule] = {**ELEMENTWISE, **SHAPES, **PARTS, **LAYERS, **NORMS, **ATTENTION}

ALLOWED = 1e-4
"""Norm of what another order of units may change of an output, as a share of its norm: rounding."""

logger = logging.getLogger(__name__)

Inputs = Tensor | tuple[Any, ...] | Mapping[str, Any]


def permutation_spec(module: nn.Module, example_inputs: Inputs) -> PermutationSpec:
    """Find the hidden units of a module that may change places, by watching what it computes.

    Every function of PyTorch that the module calls says which axes of tensors move together:
    residual connections tie the outputs of several layers, heads of attention are blocks, inputs
    and outputs keep their order. Units that meet an unknown function keep theirs too; the spec
    names it, and a warning. At the end units are shuffled, and the module must compute the same.
    All of this is done with a copy, in float64 and in evaluation mode.

    Args:
        module: in evaluation mode it computes the same for the same inputs. All tensors that it
            returns keep their order: a module that returns its hidden states keeps theirs.
        example_inputs: a tensor, arguments as a tuple, or named arguments.

    Returns:
        The permutations, each named after the first axis of a tensor that it moves.

    Raises:
        InputError: it is no module, returns no tensor, or computes something else with shuffled
            units, because it does something with them that PyTorch does not tell.
    """
    if not isinstance(module, nn.Module):
        raise InputError(f"module: expected a module, got {type(module).__name__}")
    module = copy.deepcopy(module).double().eval()
    inputs = _double(example_inputs)
    state = module.state_dict(keep_vars=True)
    tracer = Tracer(RULES)
    for tensor in state.values():
        if tensor.is_floating_point():
            tracer.follow(tensor, tuple(tracer.orders.new() for _ in tensor.shape))
    with torch.no_grad(), _named(module, tracer), tracer:
        output = _call(module, inputs)
    if not tensors_in(output):
        raise InputError(f"{type(module).__name__}: returns no tensor")
    tracer.fix(output, [tensor for tensor in state.values() if not tracer.used(tensor)])
    spec = PermutationSpec(_axes(tracer, state), unknown=tuple(tracer.unknown))
    _check(module, inputs, output, spec)
    if spec.unknown:
        logger.warning("units keep their order that meet: %s", ", ".join(spec.unknown))
    return spec


def _axes(tracer: Tracer, state: Mapping[str, Tensor]) -> dict[str, Axes]:
    """Tensor -> its axes, for those that something moves."""
    names: dict[str, str] = {}
    found = {}
    for name, tensor in state.items():
        axes = tracer.axes(tensor)
        for dim, axis in enumerate(axes):
            if axis is not None:
                names.setdefault(axis.permutation, f"{name}[{dim}]")
        if any(axes):
            found[name] = tuple(a and Axis(names[a.permutation], a.repeat, a.block) for a in axes)
    return found


@contextmanager
def _named(module: nn.Module, tracer: Tracer) -> Iterator[None]:
    """While entered, a tracer knows which part of a module computes."""
    outer: list[str] = []
    handles = []
    for name, part in module.named_modules():

        def enter(_part: nn.Module, _args: object, name: str = name) -> None:
            outer.append(tracer.module)
            tracer.module = name

        def leave(_part: nn.Module, _args: object, _output: object) -> None:
            tracer.module = outer.pop()

        handles += [part.register_forward_pre_hook(enter), part.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def _check(module: nn.Module, inputs: Inputs, expected: object, spec: PermutationSpec) -> None:
    """Refuse a spec that does not leave what a module computes as it is."""
    state = module.state_dict()
    random = torch.Generator().manual_seed(0)
    units = spec.units({name: tuple(tensor.shape) for name, tensor in state.items()})
    shuffled = {name: _cycle(count, random) for name, count in units.items()}
    module.load_state_dict(permute_state_dict(state, spec, shuffled))
    outputs = zip(tensors_in(expected), tensors_in(_call(module, inputs)), strict=True)
    for one, other in outputs:
        if (one.double() - other.double()).norm() > ALLOWED * one.double().norm():
            raise InputError(
                f"{type(module).__name__}: computes something else with its units in another order:"
                " it does something with them that cannot be followed; give a PermutationSpec"
            )


def _cycle(count: int, random: torch.Generator) -> Tensor:
    """A random order in which every unit moves."""
    order = torch.randperm(count, generator=random)
    return torch.empty_like(order).scatter_(0, order, order.roll(1))


def _call(module: nn.Module, inputs: Inputs) -> object:
    if isinstance(inputs, Mapping):
        return module(**inputs)
    return module(*inputs) if isinstance(inputs, tuple) else module(inputs)


def _double(inputs: Any) -> Any:
    """Inputs in float64, where they are floating-point numbers."""
    if isinstance(inputs, Tensor):
        return inputs.double() if inputs.is_floating_point() else inputs
    if isinstance(inputs, Mapping):
        return {key: _double(value) for key, value in inputs.items()}
    return tuple(map(_double, inputs)) if isinstance(inputs, tuple) else inputs
