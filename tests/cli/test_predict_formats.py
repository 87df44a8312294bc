"""Which way `polytask predict` reads a file: as the recipe, by its ending, or as it is told."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.cli.conftest import Command
from tests.cli.file_cases import FEATURES, GRADES, NUMBERS, SENTENCES, XY, joined
from tests.cli.trained import answers, trained, twice

from polytask import load
from polytask.files import MANIFEST, whole_folder


@pytest.fixture(scope="module")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run on lines of a label and a text."""
    folder = tmp_path_factory.mktemp("texts")
    lines = [f"{grade} {' '.join(words)}" for grade, words in zip(GRADES, SENTENCES, strict=True)]
    (folder / "d.all").write_text("\n".join(lines))
    data = {
        "d": {
            "source": {"type": "labelled_text", "encoding": "latin-1"},
            "files": twice("d.all"),
            "input": {"type": "text", "column": "text"},
        }
    }
    trained(folder, data, {"grade": {"target": "label", "output": "classification"}}, "encoder")
    return folder


@pytest.fixture
def labelled(texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that run; the commands run beside it."""
    monkeypatch.chdir(shutil.copytree(texts, tmp_path / "texts"))
    return tmp_path / "texts" / "run"


def test_lines_with_a_label_and_without(labelled: Path, polytask: Command) -> None:
    run, expected = str(labelled), load(labelled).predict([" ".join(x) for x in SENTENCES])
    assert answers(polytask("predict", run, "d.all").out) == expected
    Path("new.txt").write_bytes("a b\nc é\n".encode("latin-1"))
    answer = polytask("predict", run, "new.txt")
    assert (answer.code, answer.out) == (2, "")
    assert "new.txt, line 1: 'a' is no label that the model knows" in answer.err
    assert len(answers(polytask("predict", run, "new.txt", "--format", "recipe").out)) == 2
    Path("new.txt").write_text("\n".join(" ".join(words) for words in SENTENCES))
    assert answers(polytask("predict", run, "new.txt", "--format", "lines").out) == expected


def test_an_ending_of_another_format_decides(labelled: Path, polytask: Command) -> None:
    expected = load(labelled).predict([" ".join(words) for words in SENTENCES])
    rows = [" ".join(words) for words in SENTENCES]
    Path("new.csv").write_text("\n".join(["text,more", *(f"{row},1" for row in rows)]))
    Path("new.jsonl").write_text("\n".join(json.dumps({"text": row, "m": {}}) for row in rows))
    Path("new.data").write_text("\n".join(["1;text", *(f"1;{row}" for row in rows)]))
    for file, options in (
        ("new.csv", ()),
        ("new.jsonl", ()),
        ("new.data", ("--format", "{type: csv, delimiter: ;}")),
        ("d.all", ("--data", "d", "--task", "grade")),
    ):
        answer = polytask("predict", str(labelled), file, *options)
        assert answers(answer.out) == expected, answer.err


def test_standard_input_is_text_or_json(labelled: Path, polytask: Command) -> None:
    expected = load(labelled).predict(["a b", "c"])
    for stdin in ("a b\r\n\nc\n", '"a b"\n{"text": "c", "more": [[]]}\n', "\ufeffa b\nc"):
        assert answers(polytask("predict", str(labelled), stdin=stdin).out) == expected
    text = '"a b" c\n[a] b\n'
    assert answers(polytask("predict", str(labelled), stdin=text).out) == load(labelled).predict(
        text.splitlines()
    )


@pytest.fixture
def several(made: Path) -> Path:
    """A run on three data sets, of which two are read in the same way."""
    for name in "abc":
        rows = zip(*zip(*NUMBERS, strict=True), GRADES, strict=True)
        (made / f"{name}.tsv").write_text(joined([*rows], "\t"))
    plain = {"type": "tsv", "names": ["x", "y", "grade"]}
    other = {"type": "tsv", "names": ["y", "x", "grade"]}
    data = {
        name: {"source": source, "files": twice(f"{name}.tsv"), "input": FEATURES}
        for name, source in (("a", plain), ("b", plain), ("c", other))
    }
    tasks = {
        f"of_{name}": {"data": name, "target": "grade", "output": "classification"} for name in data
    }
    return trained(made, data, tasks)


def test_several_data_sets(several: Path, polytask: Command) -> None:
    run, model = str(several), load(several)
    answer = polytask("predict", run, "a.tsv")
    assert answer.code == 2
    assert "different ways; tell which one this file is like, with --data: a, b, c" in answer.err
    swapped = [{"x": y, "y": x} for x, y in NUMBERS]
    for options, expected in (
        (("--data", "b"), model.predict(XY)),
        (("--data", "c"), model.predict(swapped)),
        (("--task", "of_a", "--task", "of_b"), model.predict(XY, tasks=["of_a", "of_b"])),
        (("--task", "of_c"), model.predict(swapped, tasks=["of_c"])),
        (("--task", "of_a", "--data", "c"), model.predict(swapped, tasks=["of_a"])),
    ):
        assert answers(polytask("predict", run, "a.tsv", *options).out) == expected
    Path("new.csv").write_text("y,x\n" + joined([(y, x) for x, y in NUMBERS], ","))
    assert answers(polytask("predict", run, "new.csv").out) == model.predict(XY)


def test_a_model_of_an_older_version(run: Path, polytask: Command) -> None:
    """Its folder does not tell how files were written: their endings do."""
    expected = polytask("predict", str(run), "test.csv").out
    folder = run / "multi" / "seed-0" / "model"
    with whole_folder(folder) as partial:
        shutil.copytree(folder, partial, dirs_exist_ok=True)
        (partial / MANIFEST).unlink()
        described = json.loads((partial / "model.json").read_text())
        del described["sources"]
        (partial / "model.json").write_text(json.dumps(described))
    assert polytask("predict", str(run), "test.csv").out == expected
    shutil.copy("test.csv", "test.txt")
    assert "test.txt: cannot tell the source" in polytask("predict", str(run), "test.txt").err
    assert polytask("predict", str(run), "test.txt", "--format", "csv").out == expected
    answer = polytask("predict", str(run), "test.txt", "--format", "recipe")
    assert "does not tell how its files were written" in answer.err


@pytest.mark.parametrize(
    ("stdin", "options", "expected"),
    [
        (b"a\nb\n\xff\n", (), r"standard input, line 3: is no UTF-8 text"),
        (b'{"text": "a"}\n\n{"txt": "a"}\n', (), r"standard input, line 3: lacks \['text'\]"),
        (b'a\n{"text": 5}\n', (), r"standard input, line 2: column 'text' must be text, got 5"),
        (b"a", ("--format", "csv"), r"--format csv: standard input is lines"),
        (b"a", ("--task", "grde"), r"unknown task 'grde'; did you mean 'grade'"),
        (b"a", ("--data", "e"), r"unknown data set 'e'"),
    ],
)
def test_wrong_lines(
    stdin: bytes, options: Sequence[str], expected: str, labelled: Path, polytask: Command
) -> None:
    answer = polytask("predict", str(labelled), *options, stdin=stdin)
    assert (answer.code, answer.out) == (2, "")
    assert re.search(expected, answer.err), answer.err
