"""The promises that every balancer makes, as tests."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import deepcopy

import torch
from torch import Tensor

from polytask.balance import Balancer
from polytask.testing.problem import NAMES, Problem

__all__ = ["BalancerContract"]


class BalancerContract(ABC):
    """Tests that any balancer must pass; pytest finds them in your subclass.

    What looks at gradients must pass `GradientContract` too.

    Example:
        >>> from polytask.balance import Equal
        >>> class TestMine(BalancerContract):
        ...     def balancer(self) -> Balancer:
        ...         return Equal()
        >>> TestMine().test_state_makes_a_resumed_run_equal()
    """

    symmetric: bool = True
    """Whether the order of the tasks makes no difference; not where it is used for drawing."""

    @abstractmethod
    def balancer(self) -> Balancer:
        """The balancer under test: at each call a new one that has seen nothing."""

    def test_a_step_fills_every_gradient(self) -> None:
        """Every parameter has a finite gradient, and the step was counted."""
        balancer, problem = self.balancer(), Problem()
        info = problem.differentiate(balancer, *problem.losses())
        assert info.tasks == NAMES
        assert problem.gradients().keys() == dict(problem.named_parameters()).keys()
        assert_finite(problem)
        assert int(balancer.steps) == 1

    def test_the_scale_of_a_gradient_scaler_changes_nothing_else(self) -> None:
        """Losses times a power of two give gradients times the same, bit for bit."""
        first, second = Problem(), Problem()
        first.differentiate(self.balancer(), *first.losses())
        second.differentiate(self.balancer(), *second.losses(), scale=1024.0)
        for name, gradient in second.gradients().items():
            torch.testing.assert_close(gradient, 1024 * first.gradients()[name])

    def test_an_overflow_is_passed_on_and_forgotten(self) -> None:
        """A loss that is not finite: nor is ``.grad``, nothing is raised, the state stays.

        Whether its gradient is finite makes no difference.
        """
        for factor, term in ((torch.inf, 0.0), (1.0, torch.inf)):
            balancer, problem = self.balancer(), Problem()
            problem.train_on(balancer, 2)
            before = deepcopy(balancer.state_dict())
            losses, features = problem.losses()
            losses["east"] = losses["east"] * factor + term
            problem.differentiate(balancer, losses, features)
            assert not problem.gradients()["trunk.0.weight"].isfinite().all()
            assert_equal(balancer.state_dict(), before)

    def test_state_makes_a_resumed_run_equal(self) -> None:
        """A balancer that was given the state of another goes on bit for bit as that one."""
        balancer, problem = self.balancer(), Problem()
        problem.train_on(balancer, 3)
        state = balancer.state_dict()
        assert all(isinstance(value, Tensor) for value in state.values())
        resumed, same = self.balancer(), deepcopy(problem)
        resumed.load_state_dict(deepcopy(state))
        problem.train_on(balancer, 3)
        same.train_on(resumed, 3)
        assert_equal(dict(problem.state_dict()), dict(same.state_dict()))
        assert_equal(balancer.state_dict(), resumed.state_dict())

    def test_the_state_of_an_absent_task_stands_still(self) -> None:
        """Steps without a task change nothing that is kept of it."""
        balancer, problem = self.balancer(), Problem()
        problem.train_on(balancer, 2)
        before = deepcopy(balancer.state_dict())
        problem.train_on(balancer, 2, names=NAMES[:-1])
        after = balancer.state_dict()
        assert_equal(*({k: v for k, v in x.items() if NAMES[-1] in k} for x in (before, after)))

    def test_the_order_of_the_tasks_makes_no_difference(self) -> None:
        """The same losses in another order give the same gradients."""
        found = []
        for names in (NAMES, NAMES[::-1]) if self.symmetric else ():
            problem, balancer = Problem(), self.balancer()
            problem.train_on(balancer, 2, names=names)
            problem.differentiate(balancer, *problem.losses(names))
            found.append(problem.gradients())
        for name, gradient in found[0].items() if found else ():
            torch.testing.assert_close(gradient, found[1][name], rtol=1e-4, atol=1e-5)

    def test_half_precision(self) -> None:
        """Parameters in bfloat16, and bfloat16 by autocast: finite gradients of their dtype."""
        half, mixed = Problem(torch.bfloat16), Problem()
        for problem, cast in ((half, False), (mixed, True)):
            with torch.autocast("cpu", torch.bfloat16, enabled=cast):
                losses, features = problem.losses()
            problem.differentiate(self.balancer(), losses, features)
            assert_finite(problem)


def assert_finite(problem: Problem) -> None:
    """Fail where a gradient is not finite or has another dtype than its parameter."""
    for name, parameter in problem.named_parameters():
        gradient = problem.gradients()[name]
        assert gradient.dtype == parameter.dtype
        assert gradient.isfinite().all(), name


def assert_equal(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    """Fail where two dictionaries of tensors are not equal bit for bit."""
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(value, second[name], rtol=0, atol=0, equal_nan=True)
