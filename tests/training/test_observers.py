"""The log and the display."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console
from tests.training.made import Case, Crash, Recorder, one_task

from polytask.training.journal import check_finite
from polytask.training.log import Log, read_log
from polytask.training.progress import Display


def test_the_log_has_every_step_and_evaluation(tmp_path: Path) -> None:
    Case().trained(tmp_path)
    records = read_log(tmp_path / "metrics.jsonl")
    train = [record for record in records if record["kind"] == "train"]
    assert [record["step"] for record in train] == list(range(1, 13))
    assert all(set(record["loss"]) == {"a_label", "a_value"} for record in train)
    validation = [record for record in records if record["kind"] == "validation"]
    assert [record["step"] for record in validation] == [4, 8, 12]
    assert train[0]["learning_rate"] == 1e-3


def test_the_logged_loss_is_the_mean_over_the_measured_rows(tmp_path: Path) -> None:
    case = Case(tasks=one_task(), options={"micro_batches": 3})
    trainer = case.trainer(tmp_path)
    step = next(iter(case.trainer(tmp_path / "b").loader))
    total, count = 0.0, 0
    for batch in step.batches:
        output = trainer.model.tasks["value"].output
        values = output.losses(
            trainer.model(batch.fields, batch.rows)["value"], batch.targets["value"]
        )
        mask = batch.masks["value"]
        total, count = total + values[mask].sum().item(), count + int(mask.sum())
    trainer.fit()
    logged = read_log(tmp_path / "metrics.jsonl")[0]["loss"]["value"]
    assert logged == pytest.approx(total / count, rel=1e-5)


def test_a_metric_that_is_not_defined_is_null(tmp_path: Path) -> None:
    log = Log(tmp_path / "log")
    log.append([{"step": 1, "metrics": {"a": {"auroc": float("nan")}}}])
    assert json.loads((tmp_path / "log").read_text(), parse_constant=pytest.fail) == {
        "step": 1,
        "metrics": {"a": {"auroc": None}},
    }


def test_a_line_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "log").write_text('{"step": 1}\n{"step": 2}\n{"st')
    assert [record["step"] for record in read_log(tmp_path / "log")] == [1, 2]
    Log(tmp_path / "log", after=1)
    assert (tmp_path / "log").read_text() == '{"step": 1}\n'


def test_finite_losses_pass() -> None:
    check_finite({"a": 0.0, "b": -3.0}, step=1)


def test_observers_are_told_everything_and_closed(tmp_path: Path) -> None:
    recorder = Recorder()
    Case().trained(tmp_path, observers=[recorder])
    assert recorder.started == [(0, 12)]
    assert recorder.steps == list(range(1, 13))
    assert len(recorder.scores) == 3
    assert recorder.closed == ["finished"]


def test_observers_are_closed_after_a_crash(tmp_path: Path) -> None:
    recorder = Recorder(fail_after=3)
    with pytest.raises(Crash):
        Case().trained(tmp_path, observers=[recorder])
    assert recorder.closed == ["failed"]


def test_the_display_is_quiet_without_a_terminal(tmp_path: Path) -> None:
    text = io.StringIO()
    Case().trained(tmp_path, observers=[Display("a+b seed 0", console=Console(file=text))])
    lines = text.getvalue().splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("a+b seed 0: step 4 of 12, score 0.")
    assert "a_label" in lines[0]


def test_the_display_on_a_terminal(tmp_path: Path) -> None:
    text = io.StringIO()
    console = Console(file=text, force_terminal=True, width=120)
    Case().trained(tmp_path, observers=[Display("run [1]", console=console)])
    assert "12/12" in text.getvalue()
    assert "a_value" in text.getvalue()


def test_more_tasks_than_fit() -> None:
    text = io.StringIO()
    display = Display("many", console=Console(file=text, width=400))
    display.start(0, 9)
    display.step(1, 9, {f"t{i}": float(i) for i in range(7)})
    display.evaluated(1, {}, 0.5)
    display.close("finished")
    assert "t6 6.000  t5 5.000  t4 4.000  t3 3.000  and 3 more" in text.getvalue()


def test_nothing_optional_is_imported_until_it_is_used() -> None:
    program = (
        "import sys, polytask, polytask.training.trackers, polytask.experiment; "
        "print([n for n in ('tensorboard', 'mlflow', 'rdkit', 'sklearn', 'transformers') "
        "if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "[]", done.stderr
