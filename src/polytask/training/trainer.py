"""The training loop: steps, evaluations, checkpoints, and a clean stop at any moment."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from polytask.data import EncodedSplit, Loader, Step, evaluation_batches
from polytask.errors import InputError, RunError
from polytask.evaluation import Aggregate, collect, evaluate_evidence
from polytask.models import MultiTaskModel
from polytask.randomness import seed_all
from polytask.training.checkpoint import Checkpoints, load_optimizer, load_weights, optimizer_state
from polytask.training.interrupt import Interrupts
from polytask.training.log import Log
from polytask.training.losses import batch_losses
from polytask.training.optimizer import make_optimizer, set_rate
from polytask.training.options import TrainingOptions
from polytask.training.processes import Processes
from polytask.training.schedule import rate_factor

__all__ = ["Observer", "Trainer"]


class Observer(Protocol):
    """Is told what happens; for progress displays and trackers."""

    def step(self, step: int, total: int, losses: Mapping[str, float]) -> None:
        """Losses of a step that is done (of the last one since the call before)."""

    def evaluated(
        self, step: int, metrics: Mapping[str, Mapping[str, float]], score: float
    ) -> None:
        """Metrics on the validation split."""


@dataclass
class Progress:
    """Where a run stands; what a checkpoint holds beside tensors.

    Args:
        step: number of steps that are done.
        best_score: best validation score so far.
        best_step: the step at which it was reached.
        worse: evaluations since then.
        finished: no step is left, or patience is spent.
    """

    step: int = 0
    best_score: float | None = None
    best_step: int = 0
    worse: int = 0
    finished: bool = False


class Trainer:
    """Trains a multi-task model and leaves, at any moment, a folder from which it can go on.

    Args:
        model: to train.
        loader: gives the steps.
        options: see `TrainingOptions`.
        folder: of the run.
        validation: data set -> split that chooses the best weights; without one the last weights are kept.
        select: how validation metrics become one score.
        seed: of the noise of the steps.
        processes: made from ``options.device`` by default.
        observers: are told what happens.

    Raises:
        InputError: options that do not fit the model or the machine.
    """

    def __init__(
        self,
        model: MultiTaskModel,
        loader: Loader,
        options: TrainingOptions,
        folder: Path,
        *,
        validation: Mapping[str, EncodedSplit] | None = None,
        select: Aggregate | None = None,
        seed: int = 0,
        processes: Processes | None = None,
        observers: tuple[Observer, ...] = (),
    ) -> None:
        self.processes = processes or Processes(options.device)
        self.device = self.processes.device
        self.model, self.loader, self.options, self.seed = (
            model.to(self.device),
            loader,
            options,
            seed,
        )
        self.validation, self.select, self.observers = (
            validation or {},
            select or Aggregate(),
            observers,
        )
        self.folder = folder
        per_epoch = loader.stream.steps_per_epoch
        self.total = options.total_steps(per_epoch)
        self.evaluate_every = options.evaluate_every or per_epoch
        self.checkpoint_every = options.checkpoint_every or self.evaluate_every
        self.optimizer = make_optimizer(model, options)
        self.scaler = torch.amp.GradScaler(self.device.type, enabled=options.precision == "fp16")
        if options.precision == "fp16" and self.device.type == "cpu":
            raise InputError("training.precision: fp16 needs an accelerator; use bf16 or fp32")
        self.checkpoints = Checkpoints(folder / "checkpoints", keep=options.keep)
        self.progress = Progress()
        self.best: dict[str, Tensor] = {}
        self._trained = [p for p in model.parameters() if p.requires_grad]
        self._pending: list[tuple[int, float, dict[str, Tensor]]] = []

    def resume(self) -> bool:
        """Continue from the newest whole checkpoint, if there is one.

        Raises:
            InputError: there are checkpoints, but none is whole; names what is wrong with the newest.
        """
        wrong: InputError | None = None
        for step in reversed(self.checkpoints.steps()):
            try:
                tensors, state = self.checkpoints.load(step)
            except InputError as error:
                wrong = wrong or error
                continue
            self._restore(tensors, state)
            return True
        if wrong is not None:
            raise wrong
        return False

    def fit(self) -> Progress:
        """Train until the last step, until patience is spent, or until asked to stop.

        Raises:
            RunError: a loss is NaN or infinite, a file cannot be written, or the run was interrupted; the
                last good checkpoint stays and the run can be resumed from it.
        """
        self.log = (
            Log(self.folder / "metrics.jsonl", after=self.progress.step)
            if self.processes.is_main
            else None
        )
        self.model.train()
        with Interrupts() as interrupts:
            if not self.progress.finished:
                self._run(interrupts)
        self._use_best()
        return self.progress

    def _run(self, interrupts: Interrupts) -> None:
        for step in self.loader:
            stop = self._step(step, stop=interrupts.asked)
            done = self.progress.step = step.index + 1
            last = done >= self.total
            if len(self._pending) >= self.options.log_every:
                self._flush()
            if last or done % self.evaluate_every == 0:
                self._evaluate()
            out_of_patience = (
                self.options.patience is not None and self.progress.worse >= self.options.patience
            )
            self.progress.finished = last or out_of_patience
            if stop or self.progress.finished or done % self.checkpoint_every == 0:
                self._flush()
                self.save()
            if self.progress.finished:
                return
            if stop:
                raise RunError(f"stopped at step {done} of {self.total}; resume to go on")

    def _step(self, step: Step, *, stop: bool) -> bool:
        """One optimiser step; tells whether any process was asked to stop."""
        if not step.totals:
            return False
        seed_all(self.seed, "step", self.processes.rank, step.index)
        factor = rate_factor(step.index, self.total, self.options)
        set_rate(self.optimizer, factor)
        losses = self._backward(step)
        stop = self.processes.add_gradients(self._trained, stop=stop)
        self.scaler.unscale_(self.optimizer)
        if self.options.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._trained, self.options.clip_norm)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad(set_to_none=True)
        self._pending.append((step.index, factor, losses))
        return stop

    def _backward(self, step: Step) -> dict[str, Tensor]:
        """Add up the gradients of this process; returns its share of each task's loss."""
        losses = {name: torch.zeros((), device=self.device) for name in step.totals}
        for cpu_batch in step.batches:
            batch = cpu_batch.to(self.device)
            with self._autocast():
                outputs = self.model(batch.fields, batch.rows)
            found = batch_losses(outputs, batch, self.model.tasks, step.totals)
            if not found:
                continue
            weighted = [loss * self.model.tasks[name].weight for name, loss in found.items()]
            self.scaler.scale(sum(weighted[1:], weighted[0])).backward()
            for name, loss in found.items():
                losses[name] += loss.detach()
        return losses

    def _autocast(self) -> AbstractContextManager[Any]:
        kinds = {"bf16": torch.bfloat16, "fp16": torch.float16}
        if self.options.precision not in kinds:
            return nullcontext()
        return torch.autocast(self.device.type, dtype=kinds[self.options.precision])

    def _flush(self) -> None:
        """Write the losses of the steps since the last time, after checking that they are numbers."""
        if not self._pending:
            return
        values = torch.cat([torch.stack(list(losses.values())) for _, _, losses in self._pending])
        numbers = iter(self.processes.add(values).tolist())
        records: list[dict[str, Any]] = []
        for index, factor, losses in self._pending:
            record = {name: next(numbers) for name in losses}
            for name, value in record.items():
                if value != value or value in (float("inf"), float("-inf")):
                    raise RunError(f"the loss of task {name!r} is {value} at step {index + 1}")
            rate = factor * self.options.learning_rate
            records.append(
                {"step": index + 1, "kind": "train", "learning_rate": rate, "loss": record}
            )
        self._pending = []
        if self.log is not None:
            self.log.append(records)
            for observer in self.observers:
                observer.step(records[-1]["step"], self.total, records[-1]["loss"])

    def _evaluate(self) -> None:
        """Validate; remember the weights if they are the best so far."""
        self._flush()
        if not self.validation:
            return
        metrics = self.evaluate(self.validation)
        score = self.select.score(self.model.tasks, metrics)
        progress = self.progress
        if progress.best_score is None or score > progress.best_score:
            progress.best_score, progress.best_step, progress.worse = score, progress.step, 0
            self.best = {
                name: value.detach().cpu().clone()
                for name, value in self.model.state_dict().items()
            }
        else:
            progress.worse += 1
        if self.log is not None:
            self.log.append(
                [{"step": progress.step, "kind": "validation", "score": score, "metrics": metrics}]
            )
            for observer in self.observers:
                observer.evaluated(progress.step, metrics, score)

    def evaluate(self, splits: Mapping[str, EncodedSplit]) -> dict[str, dict[str, float]]:
        """Task -> metric -> value on splits (data set -> split)."""
        metrics: dict[str, dict[str, float]] = {}
        for split in splits.values():
            found = collect(
                self.model, self.model.tasks, evaluation_batches(split), device=self.device
            )
            metrics.update(evaluate_evidence(self.model.tasks, found))
        return {name: metrics[name] for name in self.model.tasks if name in metrics}

    def save(self) -> None:
        """Write a checkpoint of the present moment."""
        if self.processes.is_main:
            tensors = {
                "model": self.model.state_dict(),
                "optimizer": optimizer_state(self.optimizer, self.model),
                "best": self.best,
            }
            state = {
                "progress": vars(self.progress),
                "loader": self.loader.state_dict(),
                "scaler": self.scaler.state_dict(),
            }
            self.checkpoints.save(self.progress.step, tensors, state)
        self.processes.wait()

    def _restore(
        self, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
    ) -> None:
        where = str(self.checkpoints.folder)
        load_weights(self.model, tensors["model"], where=where)
        load_optimizer(self.optimizer, self.model, tensors["optimizer"])
        self.best = dict(tensors["best"])
        self.progress = Progress(**state["progress"])
        self.loader.load_state_dict(state["loader"])
        self.scaler.load_state_dict(state["scaler"])

    def _use_best(self) -> None:
        if self.best:
            load_weights(self.model, self.best, where="best weights")
