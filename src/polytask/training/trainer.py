"""The training loop: steps, evaluations, checkpoints, and a clean stop at any moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from polytask.data import EncodedSplit, Loader, evaluation_batches
from polytask.errors import InputError, RunError
from polytask.evaluation import Aggregate, collect, evaluate_evidence
from polytask.models import MultiTaskModel
from polytask.training.balancing import Balancing
from polytask.training.checkpoint import Checkpoints
from polytask.training.interrupt import Interrupts
from polytask.training.journal import Journal
from polytask.training.log import Log
from polytask.training.observer import Observer, Outcome
from polytask.training.options import TrainingOptions
from polytask.training.processes import Processes
from polytask.training.schedule import rate_factor
from polytask.training.snapshot import Snapshot
from polytask.training.state import Best, Moment, RunState
from polytask.training.update import Update
from polytask.training.validation_losses import validation_losses

__all__ = ["Trainer"]


class Trainer:
    """Trains a multi-task model and leaves, at any moment, a folder from which it can go on.

    Args:
        model: to train.
        loader: gives the steps.
        options: see `TrainingOptions`.
        folder: of the run.
        validation: data set -> split that chooses the best weights; without one the last weights
            are kept.
        select: how validation metrics become one score.
        seed: of the noise of the steps.
        processes: made from ``options.device`` by default.
        observers: are told what happens.
        balancing: how the losses of a step become one update; their sum by default.

    Raises:
        InputError: options that do not fit the model, the data or the machine.

    Example:
        >>> trainer = Trainer(model, loader, TrainingOptions(steps=100), folder)  # doctest: +SKIP
        >>> trainer.resume()  # doctest: +SKIP
        >>> trainer.fit()  # doctest: +SKIP
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
        observers: Sequence[Observer] = (),
        balancing: Balancing | None = None,
    ) -> None:
        self.processes = processes or Processes(options.device)
        self.device = self.processes.device
        self.model, self.loader, self.options = model.to(self.device), loader, options
        self.validation, self.select = validation or {}, select or Aggregate()
        if options.patience is not None and not self.validation:
            raise InputError("training.patience: there is no validation split to wait for")
        if balancing is not None and balancing.balancer.observes and not self.validation:
            raise InputError(
                "balance: the method follows validation losses; there is no such split"
            )
        self.folder, self.observers, self.balancing = folder, observers, balancing
        per_epoch = loader.stream.steps_per_epoch
        self.total = options.total_steps(per_epoch)
        self.evaluate_every = options.evaluate_every or per_epoch
        self.checkpoint_every = options.checkpoint_every or self.evaluate_every
        self.processes.equalise(model)
        self.update = Update(model, options, self.processes, seed=seed, balancing=balancing)
        self.checkpoints = Checkpoints(folder / "checkpoints", keep=options.keep)
        self.state, self.best = RunState(), Best()
        self.journal = Journal(self.total, self.processes)
        self._snapshot = Snapshot(self.update, loader, self.best)
        self._since = Moment.now()

    def resume(self) -> bool:
        """Continue from the newest whole checkpoint, if there is one.

        Raises:
            InputError: there are checkpoints, but none is whole, or they are of another run.
        """
        checkpoint = self.checkpoints.newest()
        if checkpoint is not None:
            where = f"{self.checkpoints.folder}, step {checkpoint.step}"
            self.state = self._snapshot.restore(checkpoint, where=where)
        return checkpoint is not None

    def fit(self) -> RunState:
        """Train until the last step, until patience is spent, or until asked to stop.

        Afterwards the model has the best weights and is in evaluation mode.

        Raises:
            InputError: the folder holds checkpoints, and `resume` was not called.
            RunError: a loss is NaN or infinite, a file cannot be written, or the run was
                interrupted; the last good checkpoint stays and the run can be resumed from it.
        """
        if self.state.step == 0 and self.checkpoints.steps():
            raise InputError(f"{self.folder}: holds a run already; resume() goes on with it")
        self._since = Moment.now()
        self._open()
        outcome: Outcome = "failed"
        try:
            with Interrupts() as interrupts:
                stopped = not self.state.finished and self._run(interrupts)
            outcome = "stopped" if stopped else "finished"
        except KeyboardInterrupt:
            outcome = "stopped"
            raise
        finally:
            for observer in self.journal.observers:
                observer.close(outcome)
        if stopped:
            raise RunError(f"stopped {self._place()}; the run can be resumed from {self.folder}")
        self.best.use(self.model)
        self.model.eval()
        return self.state

    def _open(self) -> None:
        if self.processes.is_main:
            self.journal.log = Log(self.folder / "metrics.jsonl", after=self.state.step)
            self.journal.observers = self.observers
            for observer in self.observers:
                observer.start(self.state.step, self.total)

    def _place(self) -> str:
        if self.state.finished:
            return f"after its last step, {self.state.step}, before its results were written"
        return f"at step {self.state.step} of {self.total}"

    def _run(self, interrupts: Interrupts) -> bool:
        """Steps until the end, or until any process was asked to stop; tells which."""
        self.model.train()
        stop = False
        for step in self.loader:
            factor = rate_factor(step.index, self.total, self.options)
            losses, stop, balanced = self.update(step, factor, stop=interrupts.asked)
            self.state.step = step.index + 1
            rate = factor * self.options.learning_rate
            self.journal.add(self.state.step, rate, losses, balanced)
            self._after_step(stop)
            if stop or self.state.finished:
                break
        return stop or self.processes.any(interrupts.asked)

    def _after_step(self, stop: bool) -> None:
        """Whatever is due: the log, an evaluation, a checkpoint."""
        done, state = self.state.step, self.state
        if len(self.journal) >= self.options.log_every:
            self.journal.flush()
        if done >= self.total or done % self.evaluate_every == 0:
            self._validate()
        patience = self.options.patience
        out_of_patience = patience is not None and state.worse >= patience
        state.finished = done >= self.total or out_of_patience
        if stop or state.finished or done % self.checkpoint_every == 0:
            self.save()

    def _validate(self) -> None:
        """Evaluate on the validation split; remember the weights if they are the best so far."""
        self.journal.flush()
        metrics = self.evaluate(self.validation)
        if not metrics:
            return
        score = self.processes.from_main(self.select.score(self.model.tasks, metrics))
        if self.state.scored(score):
            self.best.keep(self.model)
        self.journal.evaluated(self.state.step, metrics, score)
        self._observe()

    def _observe(self) -> None:
        """Tell the balancer the validation losses, if it follows them."""
        if self.balancing is not None and self.balancing.balancer.observes:
            found = validation_losses(self.model, self.validation, device=self.device)
            shared = {name: self.processes.from_main(loss) for name, loss in found.items()}
            self.balancing.balancer.observe(shared)

    def evaluate(self, splits: Mapping[str, EncodedSplit]) -> dict[str, dict[str, float]]:
        """Task -> metric -> value on splits (data set -> split)."""
        metrics: dict[str, dict[str, float]] = {}
        for split in splits.values():
            batches = evaluation_batches(split)
            found = collect(self.model, self.model.tasks, batches, device=self.device)
            metrics.update(evaluate_evidence(self.model.tasks, found))
        return {name: metrics[name] for name in self.model.tasks if name in metrics}

    def save(self) -> None:
        """Write a checkpoint of the present moment.

        Raises:
            RunError: a loss or a parameter is no number, or the disk is full; earlier checkpoints
                stay.
        """
        self.journal.flush()
        self._since = self.state.spent(self._since)
        error: RunError | None = None
        try:
            checkpoint = self._snapshot.take(self.state)
            if self.processes.is_main:
                self.journal.sync()
                self.checkpoints.save(checkpoint)
        except RunError as caught:
            error = caught
        if self.processes.any(error is not None):
            raise error or RunError("another process could not write the checkpoint")
