"""The options of a recipe, as far as they make sense for a run of some of its tasks."""

from __future__ import annotations

from dataclasses import replace

from polytask.evaluation import Aggregate
from polytask.models import MultiTaskModel
from polytask.training import TrainingOptions
from polytask.training.parameter_groups import starts

__all__ = ["narrowed_options", "narrowed_select"]


def narrowed_options(
    options: TrainingOptions, model: MultiTaskModel, *, validated: bool
) -> TrainingOptions:
    """Training options without those about parameters that the model does not have.

    Args:
        options: of the recipe.
        model: of some of the tasks.
        validated: whether its tasks have validation examples; else there is nothing to wait for.
    """
    names = [name for name, _ in model.named_parameters()]

    def there(start: str) -> bool:
        return any(starts(name, start) for name in names)

    return replace(
        options,
        freeze=[start for start in options.freeze if there(start)],
        learning_rates={k: v for k, v in options.learning_rates.items() if there(k)},
        patience=options.patience if validated else None,
    )


def narrowed_select(select: Aggregate) -> Aggregate:
    """The rule for the best weights without what is about other models.

    That is a formula, which may name their tasks, and the reference ``single_task``.
    """
    reference = {} if select.reference == "single_task" else select.reference
    return replace(select, formula=None, reference=reference)
