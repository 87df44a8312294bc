"""Merges that need batches: training texts, without their classes unless it says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch
from encoder import Encoder
from size import Size
from torch import Tensor
from torch.nn import functional

from polytask import merging
from tasks import Examples

__all__ = ["Adaptation"]

State = Mapping[str, Tensor]


class Adaptation:
    """The experts of one seed, and batches for them.

    Args:
        encoder: that all weights are of.
        heads: task -> means of its classes.
        examples: task -> training texts.
        base: weights before finetuning.
        models: task -> weights after it.
        size: of the study.
        seed: of random numbers.
    """

    def __init__(
        self,
        encoder: Encoder,
        heads: Mapping[str, Tensor],
        examples: Mapping[str, Examples],
        base: State,
        models: Mapping[str, State],
        size: Size,
        seed: int,
    ) -> None:
        self.encoder, self.heads, self.size, self.seed = encoder, heads, size, seed
        self.batches = {
            name: encoder.batches(texts.first(size.batches * size.rows), size.rows, seed)
            for name, texts in examples.items()
        }
        self.few = {name: texts.first(size.fisher).texts for name, texts in examples.items()}
        self.experts = merging.Experts(
            model=encoder.model,
            base=base,
            models=models,
            batches=self.batches,
            outputs=lambda model, task, batch: encoder.logits(batch.texts, heads[task]),
        )
        self.embedded = replace(
            self.experts, outputs=lambda model, task, batch: encoder.sentences(batch.texts)
        )

    def single(self) -> dict[str, Callable[[], State]]:
        """Method -> one model for all tasks, from texts without classes."""
        encoder, steps, rate = self.encoder, self.size.adaptation, 1e-2
        return {
            "adamerging": lambda: merging.adamerging(self.experts, steps=steps, rate=rate).state,
            "adamerging++": lambda: (
                merging.adamerging(self.experts, steps=steps, rate=rate, density=0.2).state
            ),
            "adamerging_task": lambda: (
                merging.adamerging(self.experts, steps=steps, rate=rate, each="task").state
            ),
            "concrete": lambda: (
                merging.concrete(self.experts, steps=steps, rate=0.1, seed=self.seed).state
            ),
            "fisher": lambda: self._with_statistics("fisher", self._fisher),
            "regmean": lambda: self._with_statistics("regmean", self._gramians),
            "regmean++": lambda: merging.regmean_plus_plus(
                self.embedded, mask=lambda batch: encoder.mask(batch.texts)
            ),
        }

    def labelled(self) -> dict[str, Callable[[], State]]:
        """Method -> one model for all tasks, from a few texts with their classes."""
        steps = self.size.adaptation
        return {
            "atlas": lambda: merging.atlas(self.experts, _cross_entropy, steps=steps).state,
            "self_positioning": lambda: (
                merging.self_positioning(self.experts, _cross_entropy, steps=steps).state
            ),
        }

    def tinting(self) -> merging.Tinted:
        """The end of the last block for each task alone, from texts without classes."""
        last = self.encoder.model.config.num_hidden_layers - 1
        layer = f"encoder.layer.{last}.output"
        return merging.tinting(self.experts, layer, steps=self.size.adaptation, rate=3e-4)

    def surgery(self, state: State) -> merging.Surgery:
        """What corrects the sentences of a merged model, from texts without classes."""
        return merging.surgery(self.embedded, state, steps=self.size.adaptation, rate=1e-2)

    def _with_statistics(
        self, method: str, collect: Callable[[str], merging.Statistics]
    ) -> dict[str, Tensor]:
        models = self.experts.models
        statistics = [collect(task) for task in models]
        return merging.merge_state_dicts(method, models=[*models.values()], statistics=statistics)

    def _fisher(self, task: str) -> merging.Statistics:
        self.encoder.model.load_state_dict(self.experts.models[task])
        return merging.collect_fisher(
            self.encoder.model,
            self.few[task],
            forward=lambda model, text: self.encoder.logits([text], self.heads[task]),
            labels="sampled",
            seed=self.seed,
        )

    def _gramians(self, task: str) -> merging.Statistics:
        self.encoder.model.load_state_dict(self.experts.models[task])
        return merging.collect_gramians(
            self.encoder.model,
            self.batches[task],
            forward=lambda model, batch: self.encoder.sentences(batch.texts),
            mask=lambda batch: self.encoder.mask(batch.texts),
        )


def _cross_entropy(logits: Tensor, task: str, batch: Any) -> Tensor:
    return functional.cross_entropy(logits, torch.from_numpy(batch.labels))
