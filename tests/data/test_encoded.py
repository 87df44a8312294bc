from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.data.made import table

from polytask.data import Table, encode_split
from polytask.data.inputs import Features, Text, Words
from polytask.data.targets import target_values
from polytask.errors import InputError
from polytask.fields import Field, Ragged
from polytask.tasks import Classification, Regression, Tagging, Task


class Letters:
    """A text encoder without a model: a token is a letter."""

    def texts(self, texts: Any, pairs: Any = None) -> dict[str, Field]:
        return {"input_ids": Ragged.from_rows([torch.tensor([ord(c) for c in t]) for t in texts])}

    def words(self, sentences: Any) -> dict[str, Field]:
        starts = Ragged.from_rows([torch.arange(len(words)) for words in sentences])
        return {**self.texts(["".join(words) for words in sentences]), "word_starts": starts}


def fitted(task: Task, data: Table) -> Task:
    return task.fit(target_values(data, task), where="a.csv")


def test_missing_targets_are_masked() -> None:
    data = table(x=[1.0, 2.0, 3.0], y=["b", None, "a"])
    task = fitted(Task(name="y", output=Classification(), data="d"), data)
    split = encode_split("d", data, Features(numeric=["x"]).fit(data), [task])
    assert split.targets["y"].mask.take(torch.arange(3)).tolist() == [True, False, True]
    assert split.loss_weights["y"].tolist() == [1, 0, 1]
    assert split.index.labelled.tolist() == [True, False, True]
    assert len(split) == 3


def test_where_leaves_other_rows_out() -> None:
    data = table(x=[1.0, 2.0, 3.0, 4.0], y=[1.0, 2.0, 3.0, 4.0], school=["a", "b", "a", "a"])
    task = Task(name="y", output=Regression(), data="d", where={"school": "a"})
    split = encode_split("d", data, Features(numeric=["x"]).fit(data), [fitted(task, data)])
    assert split.loss_weights["y"].tolist() == [1, 0, 1, 1]
    assert np.isnan(target_values(data, task)[1])
    words = Task(name="x", output=Classification(), data="d", target="school", where={"y": 2.0})
    assert target_values(data, words).tolist() == [None, "b", None, None]


def test_example_weights_scale_the_loss_weights() -> None:
    data = table(x=[1.0, 2.0, 3.0], y=[1.0, float("nan"), 3.0], w=[0.5, 2.0, 0.0])
    task = fitted(Task(name="y", output=Regression(), data="d", example_weight="w"), data)
    split = encode_split("d", data, Features(numeric=["x"]).fit(data), [task])
    assert split.row_weights["y"].tolist() == [0.5, 2.0, 0.0]
    assert split.loss_weights["y"].tolist() == [0.5, 0.0, 0.0]
    assert split.index.totals(torch.arange(3)) == {"y": 0.5}


@pytest.mark.parametrize("weights", [[1.0, -1.0], [1.0, float("nan")], [1.0, float("inf")]])
def test_bad_example_weights_name_the_line(weights: list[float]) -> None:
    data = table(x=[1.0, 2.0], y=[1.0, 2.0], w=weights)
    task = fitted(Task(name="y", output=Regression(), data="d", example_weight="w"), data)
    with pytest.raises(InputError, match=r"a\.csv, line 2: column 'w'.*from 0 up"):
        encode_split("d", data, Features(numeric=["x"]).fit(data), [task])


def test_example_weights_must_be_numbers() -> None:
    data = table(x=[1.0, 2.0], y=[1.0, 2.0], w=["1", None])
    task = fitted(Task(name="y", output=Regression(), data="d", example_weight="w"), data)
    with pytest.raises(InputError, match="must hold numbers"):
        encode_split("d", data, Features(numeric=["x"]).fit(data), [task])


def test_words_and_tags_must_be_as_many() -> None:
    data = table(words=[["a", "b"], ["c"], ["d"]], tags=[["N", "V"], None, ["N"]])
    task = fitted(Task(name="tags", output=Tagging(), data="d"), data)
    split = encode_split("d", data, Words(column="words"), [task], Letters())
    assert split.loss_weights["tags"].tolist() == [2, 0, 1]
    assert split.lengths.tolist() == [2, 1, 1]
    wrong = table(words=[["a", "b"], ["c"]], tags=[["N", "V"], ["N", "V"]])
    with pytest.raises(InputError, match=r"a\.csv, line 2: task 'tags'.*2 targets for 1 words"):
        encode_split("d", wrong, Words(column="words"), [task], Letters())


def test_tags_need_an_input_of_words() -> None:
    data = table(text=["ab", "c"], tags=[["N", "V"], ["N"]])
    task = fitted(Task(name="tags", output=Tagging(), data="d"), data)
    with pytest.raises(InputError, match="input type 'words'"):
        encode_split("d", data, Text(column="text"), [task], Letters())


def test_only_keeps_the_rows() -> None:
    data = table(x=[1.0, 2.0], y=[1.0, 2.0], z=[float("nan"), 2.0])
    tasks = [fitted(Task(name="y", output=Regression(), data="d"), data)]
    tasks += [Task(name="z", output=Regression(mean=0.0, std=1.0), data="d")]
    split = encode_split("d", data, Features(numeric=["x"]).fit(data), tasks).only(["z"])
    assert list(split.targets) == ["z"]
    assert split.index.labelled.tolist() == [False, True]
