"""Whether linear layers are cheaper by what goes in and comes back than by gradients."""

from __future__ import annotations

__all__ = ["factors_pay", "heads_pay"]

WRITING = 16
"""Multiplications in the time in which one number of a gradient is stored and read again."""


def factors_pay(
    shape: tuple[int, int], positions: int, pairs: int, tasks: int, *, lean: bool = False
) -> bool:
    """Whether a layer is kept by factors, by an estimate of the multiplications of each way.

    Gradients of their own cost a product for each task, and then as many numbers to store and
    compare. Factors cost the Gramian of the inputs in double precision and its root, a product of
    that with the output gradients of each task, and one product for the update.

    Args:
        shape: outputs and inputs of the layer.
        positions: of all uses together.
        pairs: of a position and a task whose loss depends on it.
        tasks: of the step.
        lean: factors count as cheaper where they are fewer numbers.
    """
    outputs, inputs = shape
    if positions >= inputs or lean:
        return positions < inputs
    factored = positions * (positions * (2 * inputs + positions) + (pairs + inputs) * outputs)
    return factored < inputs * outputs * (pairs + tasks * (tasks + WRITING))


def heads_pay(shape: tuple[int, int], outputs: int, tasks: int) -> bool:
    """Whether gradients at features are kept by weights and output gradients of linear heads.

    By an estimate of the multiplications of the Gramian, as in `factors_pay`.

    Args:
        shape: examples and features.
        outputs: of all heads together.
        tasks: of the step.
    """
    examples, features = shape
    return outputs**2 * (examples + features) < tasks * (tasks + WRITING) * examples * features
