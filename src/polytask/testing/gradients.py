"""The promises of balancers that look at gradients, as tests.

Shapes: K tasks, P numbers of a gradient.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from copy import deepcopy
from dataclasses import replace

import torch
from torch import Tensor

from polytask.balance import Cost, GradientAggregator, GramianWeighting
from polytask.balance.balancer import GradientBalancer
from polytask.balance.engine.rows import gramian_of
from polytask.errors import InputError
from polytask.testing.balancers import BalancerContract, assert_equal, assert_finite
from polytask.testing.families import gradient_families
from polytask.testing.problem import NAMES, Problem

__all__ = ["GradientContract"]

SCALES = (1e-10, 1e-3, 1.0, 1e4, 1e15)
LEARNS = 10
"""Steps after which a method that learns weights has learned something of priorities."""
LARGEST = 1e18
"""Gradients longer than this have squares that float32 cannot hold: they count as overflowed."""


class GradientContract(BalancerContract):
    """Tests that any `GramianWeighting` or `GradientAggregator` must pass.

    Example:
        >>> from polytask.balance import UPGrad
        >>> class TestMine(GradientContract):
        ...     non_conflicting = True
        ...
        ...     def balancer(self) -> UPGrad:
        ...         return UPGrad()
        >>> TestMine().test_no_task_is_hurt()
    """

    degree: float | None = 1
    """The update of gradients times s is that of the gradients times ``s ** degree``.

    None of a method whose options must fit the lengths of the gradients.
    """
    non_conflicting: bool = False
    """Whether the update never points against a task."""

    @abstractmethod
    def balancer(self) -> GradientBalancer:
        """The balancer under test: at each call a new one that has seen nothing."""

    def update(
        self,
        gradients: Tensor,
        losses: Sequence[float] | None = None,
        *,
        balancer: GradientBalancer | None = None,
    ) -> Tensor:
        """``[P]`` what a balancer makes of gradients ``[K, P]``.

        Args:
            gradients: one per row.
            losses: of the tasks, from 1 to 4; a task is known by its loss. 1, 2, ... by default.
            balancer: a new one by default.
        """
        values = list(losses or range(1, len(gradients) + 1))
        tensors = torch.tensor(values, dtype=torch.float64)
        named = {NAMES[int(value) - 1]: value for value in tensors}
        balancer = balancer or self.balancer()
        if isinstance(balancer, GradientAggregator):
            return balancer.from_gradients(gradients.clone(), named)
        assert isinstance(balancer, GramianWeighting)
        weights = balancer.from_gramian(gramian_of(gradients), named)
        return weights.to(gradients) @ gradients

    def test_the_update_is_finite_at_any_scale(self) -> None:
        """Also of gradients that are zero, equal, opposite or of very different lengths."""
        for name, gradients in gradient_families().items():
            for scale in SCALES:
                if scale * gradients.norm() < LARGEST:
                    update = self.update(scale * gradients)
                    assert update.isfinite().all(), (name, scale)

    def test_no_gradient_no_update(self) -> None:
        """The update of gradients that are zero is zero."""
        assert not self.update(torch.zeros(len(NAMES), 3)).any()

    def test_the_update_scales_with_the_gradients(self) -> None:
        """Gradients times a power of two give the update times a power of it.

        21 is a multiple of 3: with a degree of thirds too, all numbers are rounded alike.
        """
        if self.degree is None:
            return
        for name, gradients in gradient_families().items():
            update = self.update(gradients).double()
            for factor in (2.0**-21, 2.0**21):
                gap = self.update(factor * gradients) / factor**self.degree - update
                assert gap.norm() <= 1e-4 * update.norm(), (name, factor)

    def test_the_order_of_gradients_makes_no_difference(self) -> None:
        """Rows in another order, with their losses, give the same update."""
        gradients = gradient_families()["conflicts"]
        order = [2, 0, 3, 1]
        if self.symmetric:
            update = self.update(gradients[order], [index + 1 for index in order])
            torch.testing.assert_close(update, self.update(gradients), rtol=1e-4, atol=1e-5)

    def test_one_task_is_ordinary_training(self) -> None:
        """With the loss of one task, the gradients are those of that loss."""
        problem, alone = Problem(), Problem()
        losses, features = problem.losses(NAMES[:1])
        problem.differentiate(self.balancer(), losses, features)
        alone.losses(NAMES[:1])[0][NAMES[0]].backward()  # type: ignore[no-untyped-call]
        for name, gradient in alone.gradients().items():
            torch.testing.assert_close(problem.gradients()[name], gradient)

    def test_no_task_is_hurt(self) -> None:
        """The cosine of the update with any gradient is at least -1e-6, where promised."""
        for name, gradients in gradient_families().items() if self.non_conflicting else ():
            update, lengths = self.update(gradients).double(), gradients.double().norm(dim=1)
            nothing = 1e-6 * lengths.min().clamp(max=1)  # rounding of an update that is zero
            lowest = (gradients.double() @ update / lengths.clamp(min=1e-30)).min()
            assert lowest >= -torch.maximum(1e-6 * update.norm(), nothing), (name, lowest)

    def test_a_gradient_that_overflows_is_passed_on_and_forgotten(self) -> None:
        """Finite losses with a gradient that is not: ``.grad`` is not either, the state stays."""
        balancer, problem = self.balancer(), Problem()
        losses, features = problem.losses()
        losses["west"] = losses["west"] + (0 * features.sum()).sqrt()
        before = deepcopy(balancer.state_dict())
        problem.differentiate(balancer, losses, features)
        assert not problem.gradients()["trunk.0.weight"].isfinite().all()
        assert_equal(balancer.state_dict(), before)

    def test_squares_that_overflow_do_no_harm(self) -> None:
        """Gradients of 1e30: if the update is not finite the state stays, and the next one is."""
        balancer, gradients = self.balancer(), gradient_families()["plain"]
        self.update(gradients, balancer=balancer)
        before = deepcopy(balancer.state_dict())
        if not self.update(1e30 * gradients, balancer=balancer).isfinite().all():
            assert_equal(balancer.state_dict(), before)
        assert self.update(gradients, balancer=balancer).isfinite().all()

    def test_gradients_at_the_features_and_of_the_last_block(self) -> None:
        """Every cost works, but the last block only for methods that give weights.

        Independent batches are compared in all parameters, and so is what follows gradients.
        """
        costs: tuple[Cost, ...] = ("exact", "features", "last_block")
        for cost in costs:
            problem, balancer = Problem(), self.balancer()
            losses, features = problem.losses()
            try:
                problem.differentiate(balancer, losses, features, cost=cost)
            except InputError:
                vectors = cost == "last_block" and isinstance(balancer, GradientAggregator)
                parameters = isinstance(balancer, GradientAggregator) and balancer.follows
                assert vectors or (cost != "exact" and (balancer.independent or parameters))
            else:
                assert_finite(problem)

    def test_warm_up(self) -> None:
        """The first steps have weights of 1."""
        problem, balancer = Problem(), replace(self.balancer(), warm_up=2)
        for _ in range(2):
            info = problem.differentiate(balancer, *problem.losses())
            assert info.weights is not None
            assert info.weights.tolist() == [1.0] * len(NAMES)
        assert balancer.needs_gradients(NAMES)

    def test_weights_are_kept_between_updates(self) -> None:
        """With ``update_every``, weights change at every so many steps only."""
        balancer = self.balancer()
        if isinstance(balancer, GramianWeighting):
            problem, balancer = Problem(), replace(balancer, update_every=2)
            found = [problem.differentiate(balancer, *problem.losses()) for _ in range(4)]
            needed = [info.gramian is not None for info in found]
            assert needed == [True, False, True, False]
            for kept, reused in (found[:2], found[2:]):
                assert kept.weights is not None
                assert reused.weights is not None
                assert kept.weights.tolist() == reused.weights.tolist()

    def test_a_task_of_high_priority_is_helped_more(self) -> None:
        """A method refuses priorities, or its update comes closer to that task's gradient."""
        gradients, found = gradient_families()["plain"], []
        for priorities in (None, {NAMES[0]: 4.0}):
            try:
                balancer = replace(self.balancer(), priorities=priorities)
            except InputError:
                return
            update = torch.zeros_like(gradients[0])
            for _ in range(LEARNS):
                update = self.update(gradients, balancer=balancer)
                balancer.steps += 1
            found.append(update @ gradients[0] / update.norm())
        assert found[1] > 1.01 * found[0]

    def test_equal_priorities_are_none(self) -> None:
        """A method refuses priorities, or equal ones make no difference."""
        first, second = Problem(), Problem()
        try:
            equal = replace(self.balancer(), priorities=dict.fromkeys(NAMES, 3.0))
        except InputError:
            return
        first.differentiate(self.balancer(), *first.losses())
        second.differentiate(equal, *second.losses())
        for name, gradient in first.gradients().items():
            torch.testing.assert_close(gradient, second.gradients()[name])
