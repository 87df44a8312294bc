"""What a recipe file may say, and the message for everything else."""

from pathlib import Path

import pytest

from polytask.errors import InputError
from polytask.recipe import override, parse_assignments, read_recipe, recipe_from, recipe_text
from polytask.yaml_values import parse_yaml

RECIPE = """
name: mail
data:
  mail:
    source: csv
    files: mail.csv
    split: {fractions: {train: 0.5, test: 0.5}}
    input: {type: text, column: text}
tasks:
  spam: {output: classification, head: {hidden: [8]}}
model: {backbone: mlp}
training: {epochs: 1}
smoke: {training.epochs: 0.5, seeds: [3]}
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text(RECIPE, encoding="utf-8")
    return path


def failure(path: Path, text: str | bytes) -> str:
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as caught:
        read_recipe(path)
    return str(caught.value)


def test_a_recipe_is_read_with_its_folder(file: Path) -> None:
    recipe, folder = read_recipe(file)
    assert folder == file.parent
    assert recipe.tasks["spam"].head.hidden == [8]
    assert recipe.seeds == (0,)


def test_a_recipe_written_out_is_the_same_recipe(file: Path) -> None:
    recipe, _ = read_recipe(file)
    text = recipe_text(recipe)
    assert recipe_text(recipe_from(parse_yaml(text, where="again"))) == text


@pytest.mark.parametrize(
    ("path", "key", "nearest"),
    [
        ("", "taks", "tasks"),
        ("data.mail", "file", "files"),
        ("data.mail.split", "fraction", "fractions"),
        ("data.mail.batch", "example", "examples"),
        ("tasks.spam", "targt", "target"),
        ("tasks.spam.head", "hiden", "hidden"),
        ("model", "backbon", "backbone"),
        ("training", "epoch", "epochs"),
        ("step", "data_set", "data_sets"),
        ("batch", "token", "tokens"),
        ("select", "reference_", "reference"),
    ],
)
def test_unknown_keys_at_every_level(file: Path, path: str, key: str, nearest: str) -> None:
    values = parse_yaml(RECIPE, where="recipe")
    dotted = f"{path}.{key}" if path else key
    with pytest.raises(InputError) as caught:
        recipe_from(override(values, {dotted: 1}))
    place = f"recipe.{path}" if path else "recipe"
    assert str(caught.value).startswith(f"{place}: unknown key {key!r}; did you mean {nearest!r}?")


@pytest.mark.parametrize(
    ("dotted", "value", "said"),
    [
        ("training.epochs", "many", "recipe.training.epochs"),
        ("training.steps", 5, "give either steps or epochs"),
        ("seeds", [], "seeds"),
        ("seeds", [1, 1], "seeds"),
        ("seeds", "all", "recipe.seeds"),
        ("data", [], "recipe.data"),
        ("tasks", {}, "at least one data set and one task"),
        ("data.mail.limit", [1], "recipe.data.mail.limit"),
        ("data.mail.split.fractions", {"train": 0.5}, "add up to 0.5"),
        ("baselines", "both", "recipe.baselines"),
        ("tasks.spam.weight", None, "recipe.tasks.spam.weight"),
    ],
)
def test_wrong_types_and_values(dotted: str, value: object, said: str) -> None:
    with pytest.raises(InputError, match=said.replace(".", r"\.")):
        recipe_from(override(parse_yaml(RECIPE, where="recipe"), {dotted: value}))


def test_keys_that_are_left_out(file: Path) -> None:
    message = failure(file, RECIPE.replace("model: {backbone: mlp}\n", ""))
    assert "recipe.yaml.model: is required" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: a\nname: b\n", "line 2, column 1: the key 'name' is there twice"),
        ("tasks:\n  a: {}\n  b: {}\n  a: {}\n", "line 4, column 3: the key 'a' is there twice"),
        ("data: &x\n  mail: *x\n", "line 1, column 7: a value contains itself"),
        ("seeds: &x [*x]\n", "a value contains itself"),
        ("name: [1\n", "line 2"),
        ("? [a]\n: 1\n", "a key must be text"),
        ("name: !!python/object:os.system x\n", "could not determine a constructor"),
        ("- a\n- b\n", "expected a mapping with name, data"),
        ("", "got nothing"),
        ("[" * 1000, "nested too deeply"),
        (b"name: \xff\n", "is no UTF-8 text"),
        ("when: 2026-13-45\n", "month must be in 1..12"),
        ("name: a\x01b\n", "special characters are not allowed"),
    ],
)
def test_files_that_are_no_recipe(file: Path, text: str | bytes, said: str) -> None:
    message = failure(file, text)
    assert said in message
    assert message.startswith(str(file))


def test_a_merged_key_may_be_replaced() -> None:
    text = "base: &b {x: 1, y: 2}\nmore: {<<: *b, x: 3}\n"
    assert parse_yaml(text, where="x")["more"] == {"x": 3, "y": 2}


def test_a_file_that_does_not_exist(file: Path) -> None:
    with pytest.raises(InputError, match=r"no such recipe \(there are: recipe.yaml\)"):
        read_recipe(file.with_name("recip.yaml"))
    with pytest.raises(InputError, match="no such recipe"):
        read_recipe(file.parent / "nowhere" / "recipe.yaml")


def test_environment_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAIL", "/data")
    monkeypatch.delenv("ABSENT", raising=False)
    values = parse_yaml(RECIPE, where="recipe")
    change = {"data.mail.files": {"train": "${MAIL}/a.csv", "test": ["${ABSENT:-b}/${ABSENT:-}c"]}}
    files = recipe_from(override(values, change)).data["mail"].files
    assert files == {"train": "/data/a.csv", "test": ["b/c"]}
    with pytest.raises(InputError, match=r"recipe\.data\.mail\.files: .* ABSENT is not set"):
        recipe_from(override(values, {"data.mail.files": "${ABSENT}/x"}))


def test_overrides(file: Path) -> None:
    changes = parse_assignments(
        ["seeds=[1, 2]", "model.backbone.dropout=0.5", "training.epochs=2", "data.mail.limit=10"]
    )
    recipe, _ = read_recipe(file, overrides=changes)
    assert recipe.seeds == [1, 2]
    assert recipe.model.backbone == {"type": "mlp", "dropout": 0.5}
    assert (recipe.training.epochs, recipe.data["mail"].limit) == (2, 10)


def test_smoke_comes_before_overrides(file: Path) -> None:
    assert read_recipe(file, smoke=True)[0].training.epochs == 0.5
    recipe, _ = read_recipe(file, smoke=True, overrides={"training.epochs": 2})
    assert (recipe.training.epochs, recipe.seeds) == (2, [3])
    file.write_text(RECIPE.replace("{training.epochs: 0.5, seeds: [3]}", "[1]"))
    with pytest.raises(InputError, match=r"smoke: expected dotted key"):
        read_recipe(file, smoke=True)


@pytest.mark.parametrize("text", ["seeds", "=1", "a..b=1", ".a=1", "a=[1", "a={b: 1, b: 2}"])
def test_assignments_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match="--set"):
        parse_assignments([text])


def test_overrides_leave_the_values_alone_and_stop_at_lists() -> None:
    values = {"a": {"b": [1]}}
    assert override(values, {"a.b": 2, "c.d": 3}) == {"a": {"b": 2}, "c": {"d": 3}}
    assert values == {"a": {"b": [1]}}
    with pytest.raises(InputError, match=r"cannot set 'a.b.0': 'b' is \[1\], not a mapping"):
        override(values, {"a.b.0": 2})
