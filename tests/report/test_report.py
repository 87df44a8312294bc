"""The report of a run: one file, honest, safe, for any number of tasks."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from tests.evaluation.runs import many_runs, many_tasks, three_runs, three_tasks, write_run

from polytask.errors import InputError
from polytask.evaluation import Runs, compare, write_comparison
from polytask.report import plot_changes, write_report
from polytask.tasks import TaskSet

VOID = {"meta", "br", "hr", "img", "link", "input"}
EVIL = "<script>alert('x')</script>\"&$x_1$"


class Page(HTMLParser):
    """Checks that every element is closed in order; keeps names, attributes and visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.names: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] not in (["style"], ["title"]):
            self.text += data


def _run(folder: Path, tasks: TaskSet, multi: Runs, single: Runs | None) -> Path:
    write_run(folder, tasks, multi, single)
    found = compare(tasks, multi, single, resamples=100)
    write_comparison(found, folder / "metrics.json")
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    levels = (
        {"left": 0.75, "right": 0.86, "total": 0.5},
        {"left": 0.9, "right": 0.86, "total": 0.9},
    )
    multi, single = (three_runs(level, noise=n) for n, level in enumerate(levels))
    return _run(tmp_path_factory.mktemp("run"), three_tasks(), multi, single)


def _page(run: Path) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def test_verdict_comes_first_and_everything_is_there(run: Path) -> None:
    text = _page(run).text
    parts = [
        "Training the 3 tasks together helped 1 (total), left 1 without a clear change (right) and "
        "hurt 1 (left)",
        "Results on the test split",
        "▼ hurt",
        "▲ helped",
        "What training together changed",
        "Training curves",
        "left: validation accuracy",
        "Data",
        "npz",
        "Cost",
        "polytask train again.yaml --out again",
        "Digits & sums.",
        "2.13.0",
    ]
    places = [text.index(part) for part in parts]
    assert places[0] == min(places)


def test_nothing_is_loaded_and_nothing_runs(run: Path) -> None:
    file = write_report(run)
    page = Page(file.read_text(encoding="utf-8"))
    assert not {"script", "link", "img", "iframe", "object", "embed", "form"} & set(page.names)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    loads = [value for name, value in page.attributes if name in ("src", "href", "xlink:href")]
    assert all(value is not None and value.startswith("#") for value in loads)
    assert not re.findall(r"https?://|@import|url\((?!#)", file.read_text(encoding="utf-8"))


def test_it_is_the_same_every_time(run: Path) -> None:
    file = run / "report.html"
    first = file.read_bytes() if file.exists() else write_report(run).read_bytes()
    assert write_report(run).read_bytes() == first
    assert not list(run.glob("*.partial"))


def test_user_text_stays_text(run: Path, tmp_path: Path) -> None:
    """Names cannot hold markup in a recipe, but a metrics.json can come from anywhere."""
    for name in ("metrics.json", "data.json"):
        content = (run / name).read_text().replace("left", EVIL.replace('"', '\\"'))
        (tmp_path / name).write_text(content.replace("digits", EVIL.replace('"', '\\"')))
    (tmp_path / "recipe.yaml").write_text(f"name: |\n  {EVIL}\ndescription: |\n  {EVIL}\n")
    text = write_report(tmp_path).read_text(encoding="utf-8")
    page = Page(text)
    assert "<script" not in text
    assert "script" not in page.names
    assert page.text.count(EVIL) >= 5


def test_without_baseline_no_gain_is_claimed(tmp_path: Path) -> None:
    levels = {"left": 0.75, "right": 0.86, "total": 0.5}
    page = _page(_run(tmp_path, three_tasks(), three_runs(levels), None))
    assert "whether training them together helps or hurts is unknown" in page.text
    assert "helped" not in page.text
    assert "What training together changed" not in page.text
    assert "95% interval" in page.text


def test_one_seed_says_that_its_spread_is_unknown(tmp_path: Path) -> None:
    levels = {"left": 0.75, "right": 0.86, "total": 0.5}
    runs = [three_runs(levels, seeds=(0,), noise=n) for n in (1, 2)]
    text = _page(_run(tmp_path, three_tasks(), *runs)).text
    assert "With the one seed that was trained, training the 3 tasks together" in text
    assert "the spread between trainings is unknown" in text


def test_many_tasks_stay_readable(tmp_path: Path) -> None:
    tasks = many_tasks(139)
    runs = [many_runs(tasks, error, noise=n, seeds=(0,)) for n, error in enumerate([1.2, 1.6])]
    file = write_report(_run(tmp_path, tasks, *runs))
    text = file.read_text(encoding="utf-8")
    page = Page(text)
    assert "The other 119 tasks" in page.text
    assert re.search(r"and \d+ more\) and left", page.text)
    assert "score of all 139 tasks" in page.text
    assert "Of 139 tasks without any change, about 7" in page.text
    assert "median and middle half of 139 tasks" in page.text
    assert page.text.count("training loss") == 8
    assert len(text) < 1_000_000


def test_metrics_alone_make_a_report(run: Path, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_bytes((run / "metrics.json").read_bytes())
    page = _page(tmp_path)
    assert "Training curves" not in page.text
    assert "Reproduce" not in page.text


def test_absent_metrics_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"metrics\.json: cannot be read"):
        write_report(tmp_path)


def test_picture(run: Path, tmp_path: Path) -> None:
    tasks = three_tasks()
    level = {"left": 0.75, "right": 0.86, "total": 0.5}
    found = compare(tasks, three_runs(level, noise=1), three_runs(level, noise=2), resamples=100)
    plot_changes(found, tmp_path / "changes.png")
    assert (tmp_path / "changes.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no single-task models"):
        plot_changes(compare(tasks, three_runs(level), resamples=100), tmp_path / "none.png")
