"""A merge that is ready to be computed: its inputs are open, and fit each other and the method."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from polytask.errors import InputError
from polytask.merging.adapters.heads import Head
from polytask.merging.engine.merger import Merger
from polytask.merging.engine.settings_fit import unused_rules
from polytask.merging.engine.threads import Threads
from polytask.merging.inputs import Input, open_inputs
from polytask.merging.other_tasks import Apart, apart
from polytask.merging.output.assets import check_assets
from polytask.merging.plan import Plan
from polytask.merging.statistics.checks import notes_on
from polytask.merging.statistics.opened import OpenStatistics, open_statistics
from polytask.merging.tokens.tokenizers import check_tokenizers

__all__ = ["Prepared", "prepare"]


@dataclass(frozen=True)
class Prepared:
    """A merge whose inputs are open and fit each other; nothing is computed yet.

    Args:
        plan: what is done.
        inputs: the base, if there is one, and the models.
        merger: of them.
        notes: what differs beside the weights.
        statistics: of each model, if the method needs them.
        heads: name and tensor of what only some models have.
    """

    plan: Plan
    inputs: Sequence[Input]
    merger: Merger
    notes: Sequence[str]
    statistics: Sequence[OpenStatistics]
    heads: Sequence[tuple[str, Head]] = ()


def prepare(plan: Plan, out: Path, *, other_tasks: bool = False) -> Prepared:
    """Open and check all that a plan names.

    Args:
        plan: what is done.
        out: where the result goes.
        other_tasks: whether models of polytask may differ in their tasks.

    Raises:
        InputError: the inputs do not fit the method or each other, or ``out`` exists.
    """
    if out.exists():
        raise InputError(f"{out}: exists already; choose another folder")
    inputs = open_inputs(plan.base, plan.models, tokenizer=plan.tokenizer, tokens=plan.tokens)
    found = Apart(inputs, ())
    if other_tasks:
        found = apart(inputs, base=plan.base is not None, choice=plan.heads)
    inputs = [*found.inputs]
    base, models = (None, inputs) if plan.base is None else (inputs[0], inputs[1:])
    notes = _compare(plan, inputs)
    statistics = [open_statistics(file) for file in plan.statistics]
    # Like all that follows: products that are split over threads may differ in their last bits.
    [merger] = Threads(1)(
        lambda method: Merger(
            method,
            base=None if base is None else base.source,
            models=[model.source for model in models],
            seed=plan.seed,
            statistics=statistics,
        ),
        [plan.method],
    )
    notes += notes_on(statistics, merger.reference.entries)
    notes += unused_rules(plan.method, merger.reference.entries)
    return Prepared(plan, inputs, merger, notes, statistics, found.heads)


def _compare(plan: Plan, inputs: Sequence[Input]) -> list[str]:
    """Notes on what differs beside the weights, after a look that it may."""
    locations = [location for model in inputs for location in model.locations]
    reference, *others = dict.fromkeys(locations)
    matched = dict.fromkeys(note for model in inputs for note in model.notes)
    if plan.tokenizer == "same":
        matched |= dict.fromkeys(check_tokenizers(reference, others))
    whole = [location for location in others if location.layout not in ("adapter", "compressed")]
    joined = inputs[0].description is not None
    return [*matched, *check_assets(reference, whole, changed=inputs[0].config, joined=joined)]
