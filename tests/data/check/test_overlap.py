"""Examples that come twice."""

import numpy as np
import pytest
from tests.data.check.examples import data_set, found, numbers, only, report, task, texts

from polytask.data.check import check
from polytask.data.check.keys import fold
from polytask.data.inputs import Features, Image, Smiles, Waveform, Words
from polytask.tasks import Regression, Tagging

LABELS = ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Hello,  WORLD!", "hello world"),
        ("Stra\u00dfe\n\t(x)", "strasse x"),
        ("\u0254\u0301 d\u00f3", "\u0254\u0301 d\u00f3"),  # tone marks make another word
        ("\uff21\u00a0b", "a b"),
        ("...!?", ""),
    ],
)
def test_folding(text: str, folded: str) -> None:
    assert fold(text) == folded


def test_shared_texts_are_counted_exactly_and_folded_with_places() -> None:
    data = texts(
        train={"text": ["how are you", "fine thanks", "well", "bye"], "label": LABELS},
        test={"text": ["how are you", "Fine, thanks!", "new", "..."], "label": LABELS},
    )
    finding = only(report(data), "overlap")
    assert (finding.level, finding.split) == ("warning", "test")
    assert finding.details["exact"] == 1
    assert finding.details["folded"] == 1
    assert "2 of 4 examples (50.0 %)" in finding.message
    assert "'how are you' in test.csv, line 1 and train.csv, line 1" in finding.message


def test_texts_without_letters_are_not_all_the_same() -> None:
    data = texts(
        train={"text": ["...", "a", "b", "c"], "label": LABELS},
        test={"text": ["?!", "d", "e", "f"], "label": LABELS},
    )
    assert not found(report(data), "overlap")


def test_at_most_three_examples_are_shown() -> None:
    rows = {"text": [f"text {i}" for i in range(20)], "label": ["a", "b"] * 10}
    finding = only(report(texts(train=rows, validation=rows)), "overlap")
    assert finding.details["exact"] == 20
    assert len(finding.details["examples"]) == 3


def test_words_are_compared_as_a_sentence() -> None:
    data = data_set(
        Words(column="words"),
        train={"words": [["A", "b"], ["c"]], "tags": [["X", "Y"], ["X"]]},
        test={"words": [["a", "B", "."], ["d"]], "tags": [["X", "Y", "Y"], ["X"]]},
    )
    finding = only(report(data, task("tags", Tagging())), "overlap")
    assert (finding.details["exact"], finding.details["folded"]) == (0, 1)


def test_letters_of_molecules_are_not_folded() -> None:
    data = data_set(
        Smiles(column="smiles", invalid="zero"),
        train={"smiles": ["C1CCCCC1", "CCO"], "label": ["a", "b"]},
        test={"smiles": ["c1ccccc1", "CO"], "label": ["a", "b"]},
    )
    assert not found(report(data), "overlap")


def test_arrays_are_compared_byte_by_byte() -> None:
    images = np.arange(2 * 9, dtype=np.uint8).reshape(2, 3, 3)
    other = images.copy()
    other[1, 0, 0] += 1
    data = data_set(
        Image(column="image"),
        train={"image": images, "label": ["a", "b"]},
        test={"image": other, "label": ["a", "b"]},
    )
    assert only(report(data), "overlap").details["exact"] == 1


def test_the_sampling_rate_does_not_make_sounds_different() -> None:
    wave = np.linspace(-1, 1, 8, dtype=np.float32)
    columns = {"waveform": [wave, -wave], "sample_rate": [8000, 8000], "label": ["a", "b"]}
    data = data_set(Waveform(), train=columns, test=columns)
    result = report(data)
    assert only(result, "overlap").details["exact"] == 2
    assert not found(result, "constants")


def test_integers_and_floats_of_one_value_are_the_same_number() -> None:
    data = numbers(
        "x",
        train={"x": [1.0, 2.5, -0.0, 9.0], "label": LABELS},
        test={"x": [1, 7, 0, 8], "label": LABELS},
    )
    assert only(report(data), "overlap").details["exact"] == 2


def test_rows_of_a_small_table_that_repeat_everywhere_are_a_note() -> None:
    columns = {"x": [0, 1] * 20, "label": ["a", "b"] * 20}
    assert only(report(numbers("x", train=columns, test=columns)), "overlap").level == "note"


def test_another_data_set_may_train_on_the_test_texts() -> None:
    rows = {"text": ["one", "two", "three", "four"], "label": LABELS}
    others = {"text": ["five", "six", "seven", "eight"], "label": LABELS}
    first = texts(train=others, test=rows)
    second = data_set(first.input, "news", train=rows, test=others)
    tasks = [task(), task("topic", data="news", target="label")]
    result = check({"mail": first, "news": second}, tasks)
    shared = {(f.data, f.split): f.details["shared"] for f in found(result, "across")}
    assert shared == {("mail", "test"): 4, ("news", "test"): 4}
    assert not found(result, "overlap")


def test_equal_texts_with_different_labels() -> None:
    data = texts(train={"text": ["x", "x", "y", "y"], "label": ["a", "b", "a", "a"]})
    finding = only(report(data), "conflicts")
    assert (finding.level, finding.details["inputs"], finding.details["rows"]) == ("warning", 1, 2)
    assert "'a' in train.csv, line 1 and 'b' in train.csv, line 2" in finding.message


def test_a_missing_label_contradicts_nothing() -> None:
    data = texts(train={"text": ["x", "x", "y", "z"], "label": ["a", None, "a", "b"]})
    assert not found(report(data), "conflicts")


@pytest.mark.parametrize("numeric", [True, False])
def test_measurements_and_table_rows_may_differ(numeric: bool) -> None:
    data = data_set(Features(numeric=["x"]), train={"x": [1, 1, 2, 3], "label": [1, 2, 1, 2]})
    output = Regression() if numeric else None
    assert only(report(data, task(output=output)), "conflicts").level == "note"
