"""Recipes guessed from small files that are written here."""

import gzip
import io
import json
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polytask.errors import InputError
from polytask.recipe import Recipe, check_recipe, guess_recipe, prepare, recipe_from
from polytask.yaml_values import parse_yaml

Guess = Callable[..., Recipe]


@pytest.fixture
def guess(tmp_path: Path) -> Guess:
    """Guess from files in the folder; the recipe must parse, and its data must pass the check."""

    def run(*names: str) -> Recipe:
        text = guess_recipe([tmp_path / name for name in names], folder=tmp_path)
        recipe = recipe_from(parse_yaml(text, where="guess"))
        report = check_recipe(recipe, tmp_path)
        assert report.ok, [finding.message for finding in report.of("error")]
        assert max(map(len, text.splitlines())) < 130
        return recipe

    return run


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    data = text.encode()
    file.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return file


def rows(pattern: str, count: int = 60, *, header: str = "") -> str:
    """A line per row; ``{i}`` is its number, ``{a}`` and ``{b}`` repeat."""
    lines = [pattern.format(i=i, a=i % 2, b=i % 3, x=i * 0.37 % 1) for i in range(count)]
    return "\n".join([*([header] if header else []), *lines]) + "\n"


def only_data(recipe: Recipe) -> Any:
    (data,) = recipe.data.values()
    return data


def outputs(recipe: Recipe) -> dict[str, Any]:
    return {name: task.output for name, task in recipe.tasks.items()}


def test_a_table_with_a_named_target(guess: Guess, tmp_path: Path) -> None:
    write(tmp_path, "a.csv", rows("{i},{x},k{b},7,y{a}", header="id,size,kind,same,label"))
    recipe = guess("a.csv")
    assert only_data(recipe).input == {
        "type": "features",
        "numeric": ["size"],
        "categorical": ["kind"],
    }
    assert outputs(recipe) == {"label": "classification"}
    assert recipe.baselines == "none"
    text = guess_recipe([tmp_path / "a.csv"])
    assert "id (named like an identifier)" in text
    assert "same (the same everywhere)" in text


def test_the_guessed_recipe_of_a_table_can_be_prepared(guess: Guess, tmp_path: Path) -> None:
    write(tmp_path, "a.csv", rows("{x},{b},{a},{x}", header="size,level,spam,score"))
    prepared = prepare(guess("a.csv"), folder=tmp_path)
    model = prepared.model(prepared.tasks, seed=0)
    assert set(prepared.encode("train", model)["a"].targets) == {"score"}


def test_the_last_column_and_binary_ones_before_it(guess: Guess, tmp_path: Path) -> None:
    header = "size,kind,visit,conversion,spend"
    write(tmp_path, "a.csv", rows("{x},k{b},{a},{a},{x}1", header=header))
    assert outputs(guess("a.csv")) == {
        "visit": "classification",
        "conversion": "classification",
        "spend": {"type": "regression", "primary": "r2"},
    }


LATE: dict[str, tuple[str, str, set[str], str]] = {
    "two words beside a named target": (
        "hours,sleep,school,passed,score",
        "{x},{i}.5,s{b},p{a},{x}",
        {"passed", "score"},
        "and columns of two words beside them at the end, behind the numbers.",
    ),
    "on both sides of it": (
        "hours,passed,score,honours",
        "{x},p{a},{x},h{a}",
        {"passed", "score", "honours"},
        "and columns of two words beside them",
    ),
    "before a last column without a name": (
        "hours,sleep,passed,points",
        "{x},{i}.5,p{a},{x}",
        {"passed", "points"},
        "The last column, and columns of two values before it, became tasks.",
    ),
    "last, after many numbers": (
        "a,b,c,d,e,f,g,passed",
        "{x},{x},{x},{x},{x},{x},{x},p{a}",
        {"passed"},
        "The last column",
    ),
    "words and 0/1 before the last": (
        "hours,passed,visit,spend",
        "{x},p{a},{a},{x}",
        {"passed", "visit", "spend"},
        "The last column",
    ),
    "0/1 beside a named target may be a part of a category": (
        "hours,red,blue,score",
        "{x},{a},{a},{x}",
        {"score"},
        "could be tasks instead: red, blue.",
    ),
    "so may true and false": (
        "hours,red,score",
        "{x},True,{x}\n{x},False,{x}",
        {"score"},
        "could be tasks instead: red.",
    ),
    "numbers come after them": (
        "passed,hours,score",
        "p{a},{x},{x}",
        {"score"},
        "could be tasks instead: passed.",
    ),
    "at the end, but not beside the named one": (
        "score,hours,passed",
        "{x},{x},p{a}",
        {"score"},
        "could be tasks instead: passed.",
    ),
    "no numbers before them": (
        "school,lunch,math score",
        "s{b},l{a},{x}",
        {"math_score"},
        "could be tasks instead: lunch.",
    ),
    "three words": ("hours,level,score", "{x},l{b},{x}", {"score"}, "named like a target"),
}


@pytest.mark.parametrize("case", LATE)
def test_two_values_late_in_a_table(case: str, guess: Guess, tmp_path: Path) -> None:
    header, pattern, tasks, said = LATE[case]
    write(tmp_path, "a.csv", rows(pattern, header=header))
    recipe = guess("a.csv")
    assert set(recipe.tasks) == tasks
    text = " ".join(guess_recipe([tmp_path / "a.csv"]).replace("#", " ").split())
    assert said in text
    read = only_data(recipe).input
    inputs = {*read.get("numeric", ()), *read.get("categorical", ())}
    assert inputs == set(header.split(",")) - {t.target or n for n, t in recipe.tasks.items()}


def test_neighbours_of_a_weak_name(guess: Guess, tmp_path: Path) -> None:
    header = "subject#,motor_UPDRS,total_UPDRS,Jitter(%),PPE"
    lines = [f"{i % 12},{i * 0.7 % 5},{i * 0.3 % 7},{i * 0.11 % 1},{i}.5" for i in range(120)]
    write(tmp_path, "p.data.gz", "\n".join([header, *lines]) + "\n")
    recipe = guess("p.data.gz")
    assert set(recipe.tasks) == {"motor_UPDRS", "total_UPDRS"}
    assert only_data(recipe).split.group == "subject#"
    assert only_data(recipe).input["numeric"] == ["Jitter(%)", "PPE"]


def test_assays_share_one_key(guess: Guess, tmp_path: Path) -> None:
    cells = [
        ",".join("" if (i + k) % 5 == 0 else str((i + k) % 2) for k in range(4)) for i in range(90)
    ]
    chains = ["C" * (i % 30 + 1) + "(=O)" + "O" * (i // 30 + 1) for i in range(90)]
    lines = [
        f"{cell},T{i},{chain}" for i, (cell, chain) in enumerate(zip(cells, chains, strict=True))
    ]
    write(tmp_path, "tox.csv.gz", "\n".join(["NR-A,NR-B,SR-C,SR-p53,mol_id,smiles", *lines]) + "\n")
    recipe = guess("tox.csv.gz")
    assert only_data(recipe).input["type"] == "smiles"
    assert list(recipe.tasks) == ["{column}"]
    assert recipe.tasks["{column}"].columns == ["NR-A", "NR-B", "SR-C", "SR-p53"]


def test_names_that_no_task_may_have(guess: Guess, tmp_path: Path) -> None:
    write(tmp_path, "a.csv", rows("{x},{a},{b}", header="size,is it? (label),label/level"))
    recipe = guess("a.csv")
    assert {n: t.target for n, t in recipe.tasks.items()} == {
        "is_it_label": "is it? (label)",
        "label_level": "label/level",
    }


def test_text_with_two_labels_in_jsonl(guess: Guess, tmp_path: Path) -> None:
    lines = [
        json.dumps(
            {"text": f"text number {i}", "tone": "+-"[i % 2], "topic": "xyz"[i % 3], "n": i / 7}
        )
        for i in range(60)
    ]
    write(tmp_path, "a.jsonl", "\n".join(lines))
    recipe = guess("a.jsonl")
    assert outputs(recipe) == {"tone": "classification", "topic": "classification"}
    assert recipe.model.backbone["type"] == "transformer"
    assert recipe.batch.group_by_length


def test_labels_of_whole_texts_in_parquet(guess: Guess, tmp_path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    columns = {
        "premise": [f"it is number {i}" for i in range(60)],
        "claim": [f"so it is {i} indeed" for i in range(60)],
        "holds": [i % 3 == 0 for i in range(60)],
    }
    parquet.write_table(pa.table(columns), tmp_path / "a.parquet")
    recipe = guess("a.parquet")
    assert only_data(recipe).input == {"type": "text", "column": "premise", "pair": "claim"}
    assert list(recipe.tasks) == ["holds"]


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["B-x", "I-x", "O", "B-y"], "bio"),
        (["S-x", "O", "B-y", "E-y"], "bioes"),
        (["I-x", "I-x", "O", "I-y"], "iob1"),
        (["NOUN", "VERB", "DET", "NOUN"], None),
    ],
)
def test_words_and_tags(guess: Guess, tmp_path: Path, tags: list[str], scheme: str | None) -> None:
    for split in ("train", "dev", "test"):
        blocks = ["\n".join(f"w{i}{k} {tag}" for k, tag in enumerate(tags)) for i in range(20)]
        write(tmp_path, f"fon/{split}.txt", "\n\n".join(blocks) + "\n")
    recipe = guess("fon")
    assert set(only_data(recipe).files) == {"train", "validation", "test"}
    expected = {"type": "tagging", "scheme": scheme} if scheme else "tagging"
    assert outputs(recipe) == {"tags": expected}


def test_parallel_files_in_a_folder_per_split(guess: Guess, tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write(tmp_path, f"atis/{split}/seq.in", rows("fly to city{i}", 20))
        write(tmp_path, f"atis/{split}/seq.out", rows("O O B-city", 20))
        write(tmp_path, f"atis/{split}/label", rows("intent{a}", 20))
    write(tmp_path, "atis/test/label", rows("intent{b}", 20))
    recipe = guess("atis")
    assert list(recipe.data) == ["atis"]
    assert outputs(recipe) == {
        "slots": {"type": "tagging", "scheme": "bio"},
        "intent": {"type": "classification", "unknown": "wrong"},
    }


def test_label_and_text_per_line_in_latin_1(guess: Guess, tmp_path: Path) -> None:
    train, test = (rows("{a} caf\u00e9 number {i}, please", n).encode("latin-1") for n in (60, 61))
    (tmp_path / "TREC.train.all").write_bytes(train)
    (tmp_path / "TREC.test.all").write_bytes(test)
    recipe = guess("TREC.train.all", "TREC.test.all")
    assert only_data(recipe).source == {"type": "labelled_text", "encoding": "latin-1"}
    assert only_data(recipe).split.fractions == {"train": 0.9, "validation": 0.1}


def test_a_table_without_header(guess: Guess, tmp_path: Path) -> None:
    lines = rows("{i}, state{b}, {x}, ?, <={a}") + "1, ?, 0.5, 3, <=0\n"
    write(tmp_path, "adult.data.gz", lines)
    recipe = guess("adult.data.gz")
    source = only_data(recipe).source
    assert source["names"] == ["c1", "c2", "c3", "c4", "c5"]
    assert (source["trim"], source["missing"]) == (True, ["", "?"])
    assert outputs(recipe) == {"c5": "classification"}


def test_nominal_attributes(guess: Guess, tmp_path: Path) -> None:
    header = "@relation r\n@attribute Att1 numeric\n@attribute Att2 numeric\n" + "".join(
        f"@attribute Class{k} {{0,1}}\n" for k in (1, 2, 3)
    )
    write(tmp_path, "yeast.arff", header + "@data\n" + rows("{x},{i},{a},{a},{a}"))
    recipe = guess("yeast.arff")
    assert recipe.tasks["{column}"].columns == ["Class1", "Class2", "Class3"]


def test_labels_in_the_names_of_recordings(guess: Guess, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "digits.zip", "w") as archive:
        for i in range(60):
            sound = io.BytesIO()
            with wave.open(sound, "wb") as file:
                file.setparams((1, 2, 8000, 0, "NONE", ""))
                file.writeframes((np.arange(2000) * (i + 1)).astype("<i2").tobytes())
            archive.writestr(f"recordings/{i % 3}_{'ab'[i % 2]}_{i // 6}.wav", sound.getvalue())
    recipe = guess("digits.zip")
    assert only_data(recipe).input["type"] == "waveform"
    assert {"part1", "part2"} <= set(recipe.tasks)
    assert recipe.model.backbone == {"type": "audio", "seconds": 0.3}
    assert set(prepare(recipe, folder=tmp_path).tasks) == set(recipe.tasks)


def test_pictures_of_different_sizes_in_folders(guess: Guess, tmp_path: Path) -> None:
    from PIL import Image

    for i in range(40):
        folder = tmp_path / "pets" / ["cat", "dog"][i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8 + i % 2, 9), (i, i, i)).save(folder / f"{i}.png")
    recipe = guess("pets")
    assert only_data(recipe).source["size"] == [64, 64]
    assert outputs(recipe) == {"folder": "classification"}


def test_arrays_of_a_split_each(guess: Guess, tmp_path: Path) -> None:
    images, labels = np.zeros((30, 4, 4), np.uint8), np.arange(30) % 3
    images += np.arange(30, dtype=np.uint8)[:, None, None]
    arrays = {"x_train": images, "y_train": labels, "x_test": images[:5], "y_test": labels[:5]}
    np.savez(tmp_path / "m.npz", **arrays)
    recipe = guess("m.npz")
    assert only_data(recipe).source["columns"] == {"x": "x_train", "y": "y_train"}
    assert only_data(recipe).input == {"type": "image", "column": "x"}


def test_a_column_tells_the_split(guess: Guess, tmp_path: Path) -> None:
    lines = [f"{i}.5,{i % 2},{('train', 'dev', 'test')[i % 3]}" for i in range(60)]
    write(tmp_path, "a.csv", "\n".join(["size,label,fold", *lines]))
    split = only_data(guess("a.csv")).split
    assert split.column == "fold"
    assert split.values == {"validation": "dev", "test": "test", "train": "train"}


def test_two_data_sets_and_one_model(guess: Guess, tmp_path: Path) -> None:
    write(tmp_path, "movies.tsv", rows("good film {i}\t{a}", header="text\tlabel"))
    write(tmp_path, "news.tsv", rows("the paper says {i}\t{b}", header="text\tlabel"))
    recipe = guess("movies.tsv", "news.tsv")
    assert {name: task.data for name, task in recipe.tasks.items()} == {
        "movies-label": "movies",
        "news-label": "news",
    }
    assert recipe.baselines == "single_task"


def test_missing_numbers_and_quotes_that_mean_nothing(guess: Guess, tmp_path: Path) -> None:
    lines = ['{x}\tNA\t"{b}\t{a}', "{x}\t1.5\t{b}\t{a}"]
    text = rows(lines[0], 1) + rows(lines[1], 60) + rows("{x}\t2.5\t{b}\t{a}", 30)
    write(tmp_path, "a.tsv", "u\tv\tw\tlabel\n" + text)
    data = only_data(guess("a.tsv"))
    assert data.source == {"type": "tsv", "quoting": False, "missing": ["", "NA"]}
    assert data.input["missing"] == "mean"


def test_a_test_file_without_labels_is_left_out(guess: Guess, tmp_path: Path) -> None:
    write(tmp_path, "train.csv", rows("{x},{a}", header="size,label"))
    write(tmp_path, "test.csv", rows("{x}", header="size"))
    recipe = guess("train.csv", "test.csv")
    assert only_data(recipe).files == "train.csv"
    assert "test.csv is left out" in guess_recipe([tmp_path / "train.csv", tmp_path / "test.csv"])


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.csv", "", "the file is empty"),
        ("a.csv", "x,y\n", "no rows below the header"),
        ("a.csv", rows("{i},n{i}", header="id,name"), r"the columns are: id \(number\), name"),
        ("a.csv", rows("{x}", header="label"), "tasks: {name: {output"),
        ("notes", "some prose here\nand more of it\n", "cannot tell what kind of file"),
        ("a.jsonl", "{]\n", "not JSON"),
        ("a.zip", "no archive", "not a zip archive"),
    ],
)
def test_files_that_give_no_recipe(tmp_path: Path, name: str, text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        guess_recipe([write(tmp_path, name, text)])


def test_files_that_do_not_exist_or_fit(tmp_path: Path) -> None:
    write(tmp_path, "mail.csv", rows("{x},{a}", header="size,label"))
    write(tmp_path, "text.csv", rows("some words {i},{a}", header="text,label"))
    write(tmp_path, "ner-dev.txt", "a B\n\n")
    write(tmp_path, "ner-test.txt", "a B\n\n")
    with pytest.raises(InputError, match=r"did you mean 'mail\.csv'"):
        guess_recipe([tmp_path / "mial.csv"])
    with pytest.raises(InputError, match="one model cannot read both"):
        guess_recipe([tmp_path / "mail.csv", tmp_path / "text.csv"])
    with pytest.raises(InputError, match="no file for training among"):
        guess_recipe([tmp_path / "ner-dev.txt", tmp_path / "ner-test.txt"])
    with pytest.raises(InputError, match="name at least one"):
        guess_recipe([])


def test_paths_are_relative_to_the_recipe_and_names_can_be_given(tmp_path: Path) -> None:
    file = write(tmp_path, "data/a.csv", rows("{x},{a}", header="size,label"))
    text = guess_recipe([file], name="my recipe: 1", folder=tmp_path / "recipes")
    values = parse_yaml(text, where="guess")
    assert values["name"] == "my recipe: 1"
    assert values["data"]["a"]["files"] == "../data/a.csv"
