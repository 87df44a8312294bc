"""The check of a recipe: everything at once, as training would read it."""

from pathlib import Path

import pytest
from tests.recipe.examples import mail_recipe, write_mail

from polytask.errors import InputError
from polytask.recipe import check_recipe, prepare

BINARY = {"output": "classification"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_mail(tmp_path).parent


def test_a_good_recipe_is_ok(folder: Path) -> None:
    report = check_recipe(mail_recipe(), folder)
    assert report.ok
    assert prepare(mail_recipe(), folder=folder).tasks


def test_it_goes_on_after_the_first_task_that_cannot_be_learned(folder: Path) -> None:
    tasks = {
        "spam": BINARY,
        "one": {**BINARY, "target": "spam", "where": {"spam": 1}},
        "none": {**BINARY, "target": "spam", "where": {"lang": "de"}},
        "late": {"output": "regression"},
    }
    report = check_recipe(mail_recipe(tasks), folder)
    assert {(finding.kind, finding.task) for finding in report.of("error")} == {
        ("targets", "one"),
        ("targets", "none"),
        ("leaks", "late"),
    }


def test_an_input_that_cannot_be_fitted_is_a_finding(folder: Path) -> None:
    recipe = mail_recipe(input={"type": "features", "numeric": ["late", "lang"]})
    report = check_recipe(recipe, folder)
    assert [finding.kind for finding in report.of("error")] == ["inputs"]


def test_the_group_of_a_split_may_be_in_another_file(folder: Path) -> None:
    split = {"fractions": {"train": 0.5, "validation": 0.5}, "group": "lang"}
    recipe = mail_recipe(files={"train": "mail.csv", "test": "mail.csv"}, split=split)
    groups = [f for f in check_recipe(recipe, folder).findings if f.kind == "groups"]
    assert [(finding.level, finding.split) for finding in groups] == [("error", "test")]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"files": "male.csv"}, "did you mean 'mail.csv'"),
        ({"source": "cvs"}, "did you mean 'csv'"),
        ({"input": "txt"}, "did you mean 'text'"),
        ({"input": {"type": "text", "colum": "text"}}, "did you mean 'column'"),
        ({"files": {"train": "mail.csv", "dev": "mail.csv"}}, "unknown split 'dev'"),
        ({"source": {"type": "function", "function": "os:getcwd"}}, "trust"),
    ],
)
def test_what_cannot_be_read_raises(folder: Path, data: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        check_recipe(mail_recipe(**data), folder)


def test_blocks_are_looked_up_before_the_data_is_read(tmp_path: Path) -> None:
    recipe = mail_recipe()
    for key, value in {"backbone": "mpl", "sharing": "hrad"}.items():
        model = type(recipe.model)(**{**vars(recipe.model), key: value})
        changed = type(recipe)(**{**vars(recipe), "model": model})
        with pytest.raises(InputError, match=rf"model\.{key}: .*did you mean"):
            check_recipe(changed, tmp_path)
