"""The multi-task model: backbone -> sharing -> heads.

Shapes: B rows of a batch, R rows that carry a task, D width, O outputs of a head.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from polytask.models.backbones.base import Backbone
from polytask.models.features import Features
from polytask.models.sharing.base import Sharing
from polytask.models.sharing.hard import HardSharing
from polytask.randomness import initialised
from polytask.tasks import TaskSet

__all__ = ["MultiTaskModel"]


class MultiTaskModel(nn.Module):
    """One model for several tasks.

    Args:
        backbone: reads the fields of a batch.
        tasks: the fitted tasks.
        sharing: stands between backbone and heads; hard sharing by default.
        seed: of the initial heads. A head starts from the same numbers whichever other tasks there
            are, so that a single-task model is matched to it.

    Example:
        >>> model = MultiTaskModel(backbone, tasks)  # doctest: +SKIP
        >>> outputs = model(batch.fields, batch.rows)  # doctest: +SKIP
    """

    def __init__(
        self, backbone: Backbone, tasks: TaskSet, *, sharing: Sharing | None = None, seed: int = 0
    ) -> None:
        super().__init__()
        self.backbone, self.tasks = backbone, tasks
        self.sharing = sharing or HardSharing(backbone.width)
        self.heads = nn.ModuleDict()
        for name, task in tasks.items():
            width = self.sharing.width + sum(tasks[other].output.size for other in task.depends_on)
            with initialised(seed, name):
                self.heads[_key(name)] = task.output.head(width, task.head)
        self._needed = {other for task in tasks.values() for other in task.depends_on}

    def forward(
        self, fields: Mapping[str, Tensor], rows: Mapping[str, Tensor | None] | None = None
    ) -> dict[str, Tensor]:
        """The outputs of the tasks that a batch carries.

        Args:
            fields: field -> ``[B, ...]``.
            rows: task -> rows ``[R]`` that carry it, None for all rows; every task on all rows by
                default.

        Returns:
            Task -> output ``[R, O]`` or ``[R, W, O]`` of its head, in the order of ``rows``.
        """
        return self.outputs(self.backbone(fields), rows)

    def outputs(
        self, shared: Features, rows: Mapping[str, Tensor | None] | None = None
    ) -> dict[str, Tensor]:
        """The second half of `forward`: from the features of the backbone to outputs.

        Args:
            shared: of all B rows.
            rows: as in `forward`.
        """
        wanted = dict.fromkeys(self.tasks) if rows is None else rows
        computed = self._with_dependencies(wanted)
        features = self.sharing(shared, computed)
        outputs: dict[str, Tensor] = {}
        for name in self._order(computed):
            x = features[name].at(self.tasks[name].output.level)
            outputs[name] = self._output(name, x, outputs, computed)
        return {
            name: outputs[name] if computed[name] is chosen else outputs[name][chosen]
            for name, chosen in wanted.items()
        }

    def _order(self, names: Mapping[str, Tensor | None]) -> Iterable[str]:
        """These tasks, a task after all that it depends on."""
        if not self._needed:
            return names
        return [name for name in self.tasks.order if name in names]

    def _with_dependencies(self, wanted: Mapping[str, Tensor | None]) -> dict[str, Tensor | None]:
        """The rows on which each head runs: all rows for a task that another one needs."""
        if not self._needed:
            return dict(wanted)
        computed = dict(wanted)
        for name in reversed(self.tasks.order):
            if name in computed:
                computed.update(dict.fromkeys(self.tasks[name].depends_on))
        return computed

    def _output(
        self, name: str, x: Tensor, outputs: Mapping[str, Tensor], rows: Mapping[str, Tensor | None]
    ) -> Tensor:
        """``[R, ..., O]`` of a head that sees features ``x [R, ..., D]`` and what it depends on."""
        for other, what in self.tasks[name].depends_on.items():
            logits = outputs[other] if rows[name] is None else outputs[other][rows[name]]
            x = torch.cat([x, logits.detach() if what == "detached" else logits], dim=-1)
        return self.sharing.output(name, x, self.heads[_key(name)](x))

    def sharing_map(self) -> dict[str, frozenset[str]]:
        """Parameter name -> the tasks whose outputs depend on it (with a gradient)."""
        everyone = frozenset(self.tasks)
        users = {
            f"sharing.{name}": frozenset().union(*map(self._dependents, used))
            for name, used in self.sharing.users().items()
        }
        for name, owner in self._heads():
            users[name] = self._dependents(owner)
        return {name: users.get(name, everyone) for name, _ in self.named_parameters()}

    def owners(self) -> dict[str, str]:
        """Parameter name -> its task, for heads and for what one of several tasks alone uses."""
        alone = {
            name: next(iter(users))
            for name, users in self.sharing_map().items()
            if len(users) == 1 and len(self.tasks) > 1
        }
        return {**alone, **dict(self._heads())}

    def head_prefix(self, task: str) -> str:
        """The start of the names of the parameters of a task's head.

        Raises:
            InputError: there is no such task.
        """
        return f"heads.{_key(self.tasks[task].name)}."

    def _heads(self) -> Iterator[tuple[str, str]]:
        """The parameter names of the heads, each with its task."""
        for name in self.tasks:
            for parameter, _ in self.heads[_key(name)].named_parameters():
                yield self.head_prefix(name) + parameter, name

    def _dependents(self, name: str) -> frozenset[str]:
        """A task and all tasks whose heads see its logits with a gradient."""
        found = {name}
        for other in self.tasks.order:
            links = self.tasks[other].depends_on.items()
            if any(source in found and what == "logits" for source, what in links):
                found.add(other)
        return frozenset(found)

    def shared_parameters(self) -> list[nn.Parameter]:
        """The parameters that more than one task uses; all but the head if there is one task."""
        users, named = self.sharing_map(), dict(self.named_parameters())
        alone = len(self.tasks) == 1
        return [
            parameter
            for name, parameter in named.items()
            if len(users[name]) > 1 or (alone and not name.startswith("heads."))
        ]

    def task_parameters(self, task: str) -> list[nn.Parameter]:
        """The parameters that only this task uses.

        Raises:
            InputError: there is no such task.
        """
        own = frozenset([self.tasks[task].name])
        shared = {id(parameter) for parameter in self.shared_parameters()}
        users = self.sharing_map()
        return [
            parameter
            for name, parameter in self.named_parameters()
            if users[name] == own and id(parameter) not in shared
        ]

    def last_shared_block(self) -> list[nn.Parameter]:
        """The trained shared parameters of the deepest part that has any."""
        shared = {id(p) for p in self.shared_parameters() if p.requires_grad}
        for block in reversed(self.blocks()):
            found = [p for p in block.parameters() if id(p) in shared]
            if found:
                return found
        return []

    def blocks(self) -> Sequence[nn.Module]:
        """The parts in the order of depth: the backbone's blocks, sharing, heads."""
        return [*self.backbone.blocks(), self.sharing, self.heads]


def _key(name: str) -> str:
    """A task's name as that of its head; the ending keeps clear of the names that modules have."""
    return f"{name}_head"
