"""Strict entities: what counts as one in each scheme, and how they are compared."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tasks.evidence import check_resampling, one_hot, words

from polytask.errors import InputError
from polytask.tasks import Tagging
from polytask.tasks.metrics import Accuracy, EntityF1, EntityPrecision, EntityRecall, MacroF1
from polytask.tasks.metrics.spans import PREFIXES, TagTable, find_spans

Span = tuple[int, int, str]


def spans(tags: list[str], scheme: str) -> list[Span]:
    """The entities of one sentence: start, end, type."""
    names = sorted(set(tags))
    kinds = sorted({tag.partition("-")[2] for tag in [*names, "O"]})
    numbers = np.array([names.index(tag) for tag in tags])
    found = find_spans(numbers, np.arange(len(tags)) == 0, TagTable.of(names, scheme))
    triples = zip(found.start.tolist(), found.end.tolist(), found.kind.tolist(), strict=True)
    return [(start, end, kinds[kind]) for start, end, kind in triples]


@pytest.mark.parametrize(
    ("scheme", "tags", "expected"),
    [
        ("bio", "B-x I-x O B-x", [(0, 2, "x"), (3, 4, "x")]),
        ("bio", "B-x B-x I-x", [(0, 1, "x"), (1, 3, "x")]),
        ("bio", "B-x I-y", [(0, 1, "x")]),
        ("bio", "I-x I-x O", []),
        ("iob2", "O B-x I-x I-x", [(1, 4, "x")]),
        ("bioes", "B-x I-x E-x S-y", [(0, 3, "x"), (3, 4, "y")]),
        ("bioes", "B-x I-x O", []),
        ("bioes", "B-x E-y S-y", [(2, 3, "y")]),
        ("bioes", "I-x E-x", []),
        ("iob1", "I-x I-x B-x I-y", [(0, 2, "x"), (2, 3, "x"), (3, 4, "y")]),
        ("iob1", "O B-x I-x", []),
        ("bio", "B I O B", [(0, 2, ""), (3, 4, "")]),
    ],
)
def test_entities_of_a_sentence(scheme: str, tags: str, expected: list[Span]) -> None:
    assert spans(tags.split(), scheme) == expected


def slow_spans(tags: list[str], scheme: str) -> list[Span]:
    """Word by word: the definition, for bio and bioes."""
    found: list[Span] = []
    start = -1
    for position, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        goes_on = start >= 0 and prefix in ("I", "E") and kind == tags[start].partition("-")[2]
        if start >= 0 and not goes_on:
            if scheme == "bio":
                found.append((start, position, tags[start].partition("-")[2]))
            start = -1
        if prefix == "E" and start >= 0:
            found.append((start, position + 1, kind))
            start = -1
        if prefix == "S":
            found.append((position, position + 1, kind))
        if prefix == "B":
            start = position
    return found


@settings(max_examples=80, deadline=None)
@given(data=st.data(), scheme=st.sampled_from(["bio", "bioes"]))
def test_entities_by_the_definition(data: st.DataObject, scheme: str) -> None:
    names = ["O", *(f"{prefix}-{kind}" for prefix in PREFIXES[scheme] for kind in "xy")]
    tags = data.draw(st.lists(st.sampled_from(names), min_size=1, max_size=12))
    assert spans(tags, scheme) == slow_spans(tags, scheme)


NAMES = ["B-x", "B-y", "I-x", "I-y", "O"]


def scored(sentences: list[str]) -> list[np.ndarray]:
    return [one_hot([NAMES.index(tag) for tag in s.split()], len(NAMES)) for s in sentences]


def numbered(sentences: list[str]) -> list[list[int]]:
    return [[NAMES.index(tag) for tag in s.split()] for s in sentences]


def test_precision_recall_and_f1_by_hand() -> None:
    truth = ["B-x I-x O B-y", "B-y O", "O O O"]
    said = ["B-x I-x O B-x", "B-y I-y", "B-x O B-y"]
    # True: x, y, y. Predicted: x, x, y (too long), x, y. Right: the first x.
    rows = words(scored(said), numbered(truth))
    assert EntityPrecision(NAMES, "bio").value(rows) == pytest.approx(1 / 5)
    assert EntityRecall(NAMES, "bio").value(rows) == pytest.approx(1 / 3)
    assert EntityF1(NAMES, "bio").value(rows) == pytest.approx(2 / 8)


def test_entities_do_not_run_over_the_end_of_a_sentence() -> None:
    rows = words(scored(["B-x", "I-x"]), numbered(["B-x", "I-x"]))
    assert EntityF1(NAMES, "bio").statistics(rows).tolist() == [[1, 1, 1], [0, 0, 0]]


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_masked_words_change_nothing_and_counts_are_repetitions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, 7, 6)
    targets = [rng.integers(0, 5, n) for n in lengths]
    masks = [rng.random(n) < 0.7 for n in lengths]
    scores = [rng.random((n, 5)) for n in lengths]
    rows = words(scores, targets, masks)
    others = words(
        [np.where(m[:, None], s, rng.random(s.shape)) for s, m in zip(scores, masks, strict=True)],
        [np.where(m, t, rng.integers(0, 5, len(t))) for t, m in zip(targets, masks, strict=True)],
        masks,
    )
    for metric in (EntityF1(NAMES, "bio"), Accuracy(), MacroF1(5)):
        assert metric.value(rows) == pytest.approx(metric.value(others), nan_ok=True)
        check_resampling(metric, rows, rng)


def test_words_without_scores_are_misses_and_scores_without_words_are_left_out() -> None:
    rows = words([one_hot([0], 5), one_hot([4, 4], 5)], [[0, 2, 4], []])
    assert Accuracy().value(rows) == pytest.approx(1 / 3)
    assert EntityF1(NAMES, "bio").value(rows) == 0
    assert MacroF1(5).value(rows) == pytest.approx(1 / 4)


def test_an_unseen_tag_still_ends_its_entity_where_it_ends() -> None:
    fit = np.array([["B-x", "O", "B-y", "I-y"], None], dtype=object)
    output = Tagging(scheme="bio", unknown="wrong").fit(fit, where="t")
    test = np.empty(2, dtype=object)
    test[:] = [["B-x", "I-x", "O"], ["B-new", "I-new", "B-x"]]
    targets = output.encode(test, str)
    truth = [targets.values.row(i).tolist() for i in (0, 1)]
    said = [
        one_hot([output.classes.index(tag) for tag in row], 4)
        for row in (["B-x", "O", "O"], ["B-x", "O", "B-x"])
    ]
    f1 = output.metrics()["f1"]
    # True: x of two words, new of two words, x. Predicted: x, x, x; only the last is right.
    assert f1.statistics(words(said, truth)).tolist() == [[0, 1, 1], [1, 2, 2]]  # type: ignore[attr-defined]
    assert output.metrics()["accuracy"].value(words(said, truth)) == pytest.approx(3 / 6)


def test_a_tag_of_another_scheme_is_refused() -> None:
    column = np.array([["B-x", "S-x"], ["O"]], dtype=object)
    with pytest.raises(InputError, match=r"tag 'S-x' is not of scheme 'bio' \(O, B-type, I-type\)"):
        Tagging(scheme="bio").fit(column, where="a.conll: task 'ner'")
