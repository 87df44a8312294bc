"""A trained model without one of its tasks."""

from __future__ import annotations

from dataclasses import replace

from polytask.errors import InputError, unknown
from polytask.models import SHARING, MultiTaskModel
from polytask.tasks import TaskSet
from polytask.training.model_folder import SavedModel
from polytask.training.weights import load_weights

__all__ = ["drop_task"]


def drop_task(saved: SavedModel, name: str, *, trust: bool = False) -> SavedModel:
    """The same model without one of its tasks; all other outputs stay what they are.

    The head of the task goes, with whatever else only this task uses, and the input of its data set
    if no other task reads it.

    Args:
        saved: the model; it stays as it is.
        name: of the task.
        trust: the sharing module may be the user's own class.

    Raises:
        InputError: there is no such task, it is the only one, or another one depends on it.

    Example:
        >>> saved = load_model(Path("runs/atis/multi/seed-0/model"))  # doctest: +SKIP
        >>> save_model(drop_task(saved, "slots"), Path("intent"))  # doctest: +SKIP
    """
    model = saved.model
    _check(model.tasks, name)
    tasks = model.tasks.only(other for other in model.tasks if other != name)
    options = SHARING.build(saved.sharing, where="sharing", trust=trust)
    smaller = MultiTaskModel(
        model.backbone, tasks, sharing=options.build(model.backbone.width, tasks)
    )
    kept = smaller.state_dict().keys()
    weights = {key: value for key, value in model.state_dict().items() if key in kept}
    load_weights(smaller, weights, where=f"without task {name!r}")
    used = {task.data for task in tasks.values()}
    inputs = {data: item for data, item in saved.inputs.items() if data in used}
    sources = {data: source for data, source in saved.sources.items() if data in used}
    return replace(saved, model=smaller.eval(), inputs=inputs, sources=sources)


def _check(tasks: TaskSet, name: str) -> None:
    """Refuse a task that is not there, or that cannot go."""
    if name not in tasks:
        raise unknown("task", name, tasks)
    if len(tasks) == 1:
        raise InputError(f"task {name!r} cannot be dropped: it is the only one of the model")
    needing = [other for other, task in tasks.items() if name in task.depends_on]
    if needing:
        raise InputError(f"task {name!r} cannot be dropped: needed by {', '.join(needing)}")
