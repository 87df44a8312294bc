"""A score that the user writes down: arithmetic on the metrics of the tasks, nothing else."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

from polytask.errors import InputError, unknown

__all__ = ["Formula"]

OPERATORS: dict[type[ast.AST], Callable[..., float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}
FUNCTIONS: dict[str, Callable[..., float]] = {"min": min, "max": max, "abs": abs}


class Formula:
    """Arithmetic on metrics: ``0.7 * intent.accuracy + 0.3 * slots.f1``.

    A metric is written ``task.metric``; what is no letter, digit or ``_`` in the name of a task is
    written ``_``. There are ``+ - * / **``, numbers, ``min``, ``max`` and ``abs``.

    Args:
        text: the formula.

    Raises:
        InputError: it cannot be read, or has more than arithmetic in it.

    Example:
        >>> Formula("(a.f1 + b.f1) / 2").value({"a": {"f1": 0.5}, "b": {"f1": 1.0}})
        0.75
    """

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            self._tree = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise InputError(f"select.formula: {text!r} cannot be read: {error}") from error
        _check(self._tree, text)

    def value(self, metrics: Mapping[str, Mapping[str, float]]) -> float:
        """The score of an evaluation.

        Raises:
            InputError: a task or metric that does not exist, or a division by zero.
        """
        named = {_identifier(task): found for task, found in metrics.items()}
        try:
            return float(_value(self._tree, named))
        except (ZeroDivisionError, OverflowError, TypeError) as error:
            raise InputError(f"select.formula: {self.text!r}: {error}") from error


def _identifier(task: str) -> str:
    return "".join(c if c.isalnum() or c == "_" else "_" for c in task)


def _check(node: ast.AST, text: str) -> None:
    """Refuse everything that is no arithmetic on metrics."""
    match node:
        case ast.BinOp(left, op, right) if type(op) in OPERATORS:
            children: list[ast.AST] = [left, right]
        case ast.UnaryOp(op, operand) if type(op) in OPERATORS:
            children = [operand]
        case ast.Call(ast.Name(name), arguments, []) if name in FUNCTIONS and arguments:
            children = list(arguments)
        case ast.Constant(int() | float() as number) if not isinstance(number, bool):
            children = []
        case ast.Attribute(ast.Name(), _):
            children = []
        case _:
            part = ast.unparse(node)
            raise InputError(
                f"select.formula: {part!r} in {text!r} is not arithmetic on task.metric"
            )
    for child in children:
        _check(child, text)


def _value(node: Any, metrics: Mapping[str, Mapping[str, float]]) -> float:
    match node:
        case ast.BinOp(left, op, right):
            return OPERATORS[type(op)](_value(left, metrics), _value(right, metrics))
        case ast.UnaryOp(op, operand):
            return OPERATORS[type(op)](_value(operand, metrics))
        case ast.Call(ast.Name(name), arguments):
            return FUNCTIONS[name](*(_value(argument, metrics) for argument in arguments))
        case ast.Attribute(ast.Name(task), metric):
            return _metric(metrics, task, metric)
        case _:
            return float(node.value)


def _metric(metrics: Mapping[str, Mapping[str, float]], task: str, metric: str) -> float:
    if task not in metrics:
        raise unknown("task", task, metrics, where="select.formula")
    if metric not in metrics[task]:
        raise unknown("metric", metric, metrics[task], where=f"select.formula: {task}")
    return metrics[task][metric]
