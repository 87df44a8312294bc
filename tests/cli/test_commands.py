"""Every command once, from data files to predictions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.cli.conftest import Command


def test_train_writes_a_whole_run_and_prints_a_verdict(project: Path, polytask: Command) -> None:
    answer = polytask("train", "recipe.yaml", "--out", "run")
    assert answer.code == 0, answer.err
    assert "passed" in answer.out
    assert "report.html" in answer.out
    run = project / "run"
    for name in ("recipe.yaml", "environment.json", "data.json", "metrics.json", "report.html"):
        assert (run / name).is_file(), name
    for folder in ("multi/seed-0", "single/passed/seed-0", "single/score/seed-0"):
        assert (run / folder / "run.json").is_file(), folder
    comparison = json.loads((run / "metrics.json").read_text())
    assert [task["name"] for task in comparison["tasks"]] == ["passed", "score"]


def test_evaluate_gives_the_metrics_that_training_gave(run: Path, polytask: Command) -> None:
    answer = polytask("evaluate", str(run))
    expected = json.loads((run / "multi/seed-0/test.json").read_text())
    assert json.loads(answer.out)["passed"] == pytest.approx(expected["passed"])
    other = polytask("evaluate", str(run), "--data", "exams=train.csv")
    assert json.loads(other.out) != json.loads(answer.out)


def test_predict_reads_lines_of_json_and_tables(run: Path, polytask: Command) -> None:
    lines = '{"hours": 7, "sleep": 8, "school": "A"}\n{"hours": 1, "sleep": 5, "school": "A"}\n'
    answers = [
        json.loads(line) for line in polytask("predict", str(run), stdin=lines).out.splitlines()
    ]
    assert [set(answer) for answer in answers] == [{"passed", "score"}] * 2
    assert answers[0]["passed"] in ("yes", "no")
    assert answers[0]["score"] > answers[1]["score"]
    from_file = polytask("predict", str(run), "test.csv", "--task", "passed", "--scores").out
    assert len(from_file.splitlines()) == 40
    first = json.loads(from_file.splitlines()[0])["passed"]
    assert sum(first["scores"]) == pytest.approx(1, abs=1e-5)


def test_report_and_compare(run: Path, polytask: Command) -> None:
    before = (run / "metrics.json").read_text()
    assert polytask("report", str(run)).code == 0
    assert (run / "metrics.json").read_text() == before
    arguments = (
        "--out",
        "other",
        "--set",
        "training.learning_rate=0.0001",
        "--set",
        "baselines=none",
    )
    assert polytask("train", "recipe.yaml", *arguments).code == 0
    answer = polytask("compare", str(run), "other")
    assert answer.code == 0, answer.err
    assert "passed" in answer.out
    assert "score" in answer.out


def test_resume_goes_on_and_a_finished_run_stays_as_it_is(run: Path, polytask: Command) -> None:
    weights = run / "multi/seed-0/model/model.safetensors"
    before = weights.read_bytes(), weights.stat().st_mtime_ns
    arguments = ("--out", "run", "--set", "training.epochs=12", "--resume")
    answer = polytask("train", "recipe.yaml", *arguments)
    assert answer.code == 0, answer.err
    assert (weights.read_bytes(), weights.stat().st_mtime_ns) == before


def test_check_and_init(project: Path, polytask: Command) -> None:
    assert polytask("check", "recipe.yaml").code == 0
    assert json.loads(polytask("check", "recipe.yaml", "--json").out)["ok"] is True
    answer = polytask("init", "train.csv", "--out", "guessed.yaml")
    assert answer.code == 0, answer.err
    assert polytask("check", "guessed.yaml").code == 0


def test_list_has_a_sentence_for_every_block(polytask: Command) -> None:
    lines = polytask("list").out.splitlines()
    blocks = [line for line in lines if line.startswith("  ")]
    assert len(blocks) > 30
    assert all(line.rstrip().endswith(".") and len(line.split()) > 3 for line in blocks)
    assert polytask("list", "outputs").out.splitlines()[0] == "outputs:"
    assert polytask("list", "output").code == 2


def test_evaluate_reads_another_file_as_training_was_read(run: Path, polytask: Command) -> None:
    lines = (run.parent / "test.csv").read_text().splitlines()
    kept = [lines[0], *(line for line in lines[1:] if line.split(",")[4])]
    (run.parent / "whole.csv").write_text("\n".join(kept).replace(",A,", ",1,"))
    answer = polytask("evaluate", str(run), "--data", "exams=whole.csv")
    assert answer.code == 0, answer.err


def test_null_and_nan_are_no_labels(project: Path, polytask: Command) -> None:
    text = (project / "train.csv").read_text().replace(",no,", ",NaN,", 9)
    (project / "train.csv").write_text(text.replace(",no,", ",null,", 9))
    assert polytask("train", "recipe.yaml", "--out", "run", "--set", "baselines=none").code == 0
    data = json.loads((project / "run/data.json").read_text())
    assert data["tasks"]["passed"]["outputs"] == 2
    assert data["tasks"]["passed"]["train labels"] == 80 - 18
