"""The report as an object, as JSON and as a table; and how long it takes."""

import json
import time

import numpy as np
from rich.console import Console
from tests.data.check.examples import numbers, report, texts

from polytask.data.check import CheckReport, Finding, Level
from polytask.data.check.render import check_view, print_check


def finding(level: Level, message: str = "said") -> Finding:
    return Finding(level=level, kind="sizes", message=message, data="mail")


def test_errors_come_first_and_decide() -> None:
    result = CheckReport([finding("note"), finding("error"), finding("warning"), finding("error")])
    levels = [item.level for item in result.findings]
    assert levels == ["error", "error", "warning", "note"]
    assert not result.ok
    assert CheckReport([finding("warning"), finding("note")]).ok


def test_the_place_names_what_matters() -> None:
    item = Finding(level="note", kind="k", message="m", data="mail", split="test", task="intent")
    assert item.place == "mail, test, task intent"


def test_json_holds_everything_and_no_nan() -> None:
    columns = {"x": [1.0, 2.0, np.nan], "label": ["a", "b", None]}
    result = report(numbers("x", train=columns, test=columns))
    plain = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert plain["counts"]["error"] == result.count("error")
    assert [item["message"] for item in plain["findings"]] == [f.message for f in result.findings]


def shown(result: CheckReport, **options: bool) -> str:
    console = Console(width=120, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(check_view(result, **options))
    console.file.close()
    return console.export_text()


def test_the_table_shows_markup_as_text_and_folds_notes() -> None:
    notes = [finding("note", f"note {i}") for i in range(50)]
    text = shown(CheckReport([*notes, finding("error", "[bold]x[/bold]")]))
    assert "[bold]x[/bold]" in text
    assert "1 error, 0 warnings, 50 notes" in text
    assert "... and 10 more notes" in text
    assert "note 49" in shown(CheckReport(notes), every_note=True)


def test_printing(capsys) -> None:
    print_check(CheckReport([finding("note")]))
    assert "The data can be trained on" in capsys.readouterr().out


def test_many_texts_take_seconds() -> None:
    rng = np.random.default_rng(0)
    words = np.array([f"word{i}" for i in range(5000)])
    rows = [" ".join(words[rng.integers(0, 5000, 12)]) for _ in range(57_790)]
    labels = [f"class{i % 7}" for i in range(len(rows))]
    cut = 50_000
    data = texts(
        train={"text": rows[:cut], "label": labels[:cut]},
        test={"text": rows[cut:], "label": labels[cut:]},
    )
    started = time.process_time()
    assert report(data).ok
    assert time.process_time() - started < 10  # about 2 on one core; the margin is for a busy one
