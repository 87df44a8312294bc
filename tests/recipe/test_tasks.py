"""One key, several tasks."""

from pathlib import Path

import pytest
from tests.recipe.examples import mail_recipe, write_mail

from polytask.errors import InputError
from polytask.recipe import prepare

BINARY = {"output": "classification"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_mail(tmp_path).parent


def test_one_task_per_column(folder: Path) -> None:
    recipe = mail_recipe({"is-{column}": {**BINARY, "columns": ["spam", "urgent"]}})
    tasks = prepare(recipe, folder=folder).tasks
    assert {name: task.target_column for name, task in tasks.items()} == {
        "is-spam": "spam",
        "is-urgent": "urgent",
    }


def test_one_task_per_value(folder: Path) -> None:
    recipe = mail_recipe({"spam-{value}": {**BINARY, "by": "lang", "target": "spam"}})
    tasks = prepare(recipe, folder=folder).tasks
    assert [dict(task.where) for task in tasks.values()] == [{"lang": "en"}, {"lang": "fr"}]
    assert list(tasks) == ["spam-en", "spam-fr"]


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ({"{column}": {**BINARY, "columns": ["spam", "urgent"]}, "spam": BINARY}, "'spam'"),
        ({"{column}": {**BINARY, "columns": ["spam", "spam"]}}, "two tasks are named 'spam'"),
        ({"all": {**BINARY, "columns": ["spam"]}}, r"need \{column\} in the key"),
        ({"all": {**BINARY, "by": "lang"}}, r"need \{value\} in the key"),
        ({"{column}": {**BINARY, "columns": ["spam"], "by": "lang"}}, "exclude each other"),
        ({"{column}": {**BINARY, "columns": ["spma"]}}, "did you mean 'spam'"),
        ({"{value}": {**BINARY, "by": "lnag"}}, "did you mean 'lang'"),
        ({"spam": {**BINARY, "data": "male"}}, r"tasks\.spam\.data: .*did you mean 'mail'"),
        ({"spam": {"output": "clasification"}}, "did you mean 'classification'"),
        ({"spam": {"output": {"type": "classification", "primry": 1}}}, "did you mean 'primary'"),
        ({"not a name": {**BINARY, "target": "spam"}}, "use letters, digits"),
    ],
)
def test_keys_that_do_not_work(folder: Path, tasks: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        prepare(mail_recipe(tasks), folder=folder)


def test_with_two_data_sets_a_task_names_its_own(folder: Path) -> None:
    recipe = mail_recipe()
    two = type(recipe)(
        **{**vars(recipe), "data": {"mail": recipe.data["mail"], "news": recipe.data["mail"]}}
    )
    with pytest.raises(InputError, match=r"tasks\.spam\.data: name one of"):
        prepare(two, folder=folder)
