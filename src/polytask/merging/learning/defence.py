"""Merging that leaves out what backdoors in some of the models need."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from torch import Tensor

from polytask.merging.learning.changes import Changes, detached
from polytask.merging.learning.checks import check_number
from polytask.merging.learning.experts import Experts
from polytask.merging.learning.inner_level import InnerLevel
from polytask.merging.learning.losses import entropy
from polytask.merging.learning.masked import Masked
from polytask.merging.learning.masked_merge import MaskedMerge
from polytask.merging.learning.masks import ConcreteMask
from polytask.merging.learning.perturbations import Perturb, Perturbations
from polytask.merging.learning.training import Loss, backward

__all__ = ["defend"]


def defend(
    experts: Experts,
    perturb: Perturb,
    *,
    shape: Sequence[int],
    weight: float = 0.1,
    perturbation_rate: float = 1e-4,
    inner: InnerLevel | None = None,
    scale: float = 0.3,
    initial_logits: float = 0.0,
    temperature: float = 0.5,
    steps: int = 1000,
    rate: float = 1e-3,
    binary: bool = False,
    seed: int = 0,
    loss: Loss = entropy,
) -> Masked:
    """Mask task vectors so that a perturbation of the inputs changes little (DAM).

    A model that somebody else finetuned may answer what an attacker wants as soon as a trigger is
    in its input, and so may what is merged of it. As in `concrete` one mask is learned on
    unlabelled batches, here by L_perf + weight * L_safe: the entropy of the predictions, and that
    with a perturbation added to the inputs. It stands for the trigger, which nobody knows: one for
    all inputs of a task, it takes a step of Adam before each step of the mask and raises the cross
    entropy to what the merged model says without it.

    Source: Yang et al., "Mitigating the Backdoor Effect for Multi-Task Model Merging via
    Safety-Aware Subspace", 2024. The paper describes two masks, one for what tasks share and one
    for what backdoors need. The authors' code, which this follows, has one mask under the sum of
    both losses. Its defaults are those here, with ``InnerLevel()``: masked AdaMerging, which looks
    at clean inputs alone. It differs in four ways. It clamps perturbed inputs to 0..1 for the mask
    and not for the perturbation; here ``perturb`` does as it likes, for both. Its bound
    ``trigger_norm`` is never used: a perturbation moves by the rate in each step, so 1000 steps
    reach 0.1. Its inner step is Adam's, see `concrete`, and its gradient still holds that of the
    step of the mask before. There is no code for masked task arithmetic, only its options.

    How much is gained depends on the attack, and much may come from the mask alone: where one of
    two classifiers of digits was poisoned, `concrete` did as well (``benchmarks/backdoor.py``).
    Compare both by `attack_success_rate` with a trigger of your own.

    Args:
        experts: the models, and unlabelled batches of each task.
        perturb: ``perturb(batch, perturbation)``: the batch with it added to the input of every
            row. Gradients pass through it.
        shape: of the perturbation of a task: that of one row of the inputs, or what adds to it.
        weight: of the loss on perturbed inputs.
        perturbation_rate: of learning of the perturbations, in units of the inputs.
        inner: how coefficients adapt to a mask; None leaves them alone.
        scale: all coefficients, or where they start.
        initial_logits: of the mask: 0 keeps one half of the elements.
        temperature: of the masks, the lower the nearer to 0 and 1.
        steps: of the mask and of the perturbations.
        rate: of learning of the logits.
        binary: whether the mask that stays is 0 or 1; else it is as those that were learned.
        seed: of all masks.
        loss: other than the entropy.

    Raises:
        InputError: an option is out of its range, a task has no batches or no model, no model
            differs from the base, outputs are no logits or differ in shape with a perturbation, or
            a loss is not finite.
    """
    check_number("weight", weight, least=0)
    changes = Changes(experts)
    mask = ConcreteMask(changes, initial_logits=initial_logits, temperature=temperature, seed=seed)
    merge = MaskedMerge(experts, changes, mask, scale=scale, inner=inner, loss=loss)
    added = Perturbations(
        experts, perturb, shape=shape, rate=perturbation_rate, device=changes.device
    )
    with_and_without = replace(experts, outputs=added.outputs)

    def total(outputs: Tensor, task: str, batch: Any) -> Tensor:
        clean, perturbed = outputs
        return loss(clean, task, batch) + weight * loss(perturbed, task, batch)

    def backward_of(state: dict[str, Tensor]) -> float:
        added.step(detached(state), merge.streams)
        return backward(with_and_without, state, total, merge.streams)

    losses = merge.learn_mask(backward_of, steps=steps, rate=rate)
    return merge.finish(losses, binary=binary)
