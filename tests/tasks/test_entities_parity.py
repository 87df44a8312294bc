"""Strict entities against seqeval, and where the two differ."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval import metrics as peer
from seqeval.scheme import IOB1, IOB2, IOBES, Token, Tokens
from tests.tasks.evidence import one_hot, words
from tests.tasks.test_entities import Span, spans

from polytask.errors import InputError
from polytask.tasks.metrics import EntityF1, EntityPrecision, EntityRecall, Metric
from polytask.tasks.metrics.spans import split_tag

SCHEMES: dict[str, type[Token]] = {"bio": IOB2, "iob2": IOB2, "bioes": IOBES, "iob1": IOB1}
PREFIXES = {"bio": "BI", "iob2": "BI", "bioes": "BIES"}


def spans_of_seqeval(tags: list[str], scheme: str) -> list[Span]:
    found = Tokens(tags, SCHEMES[scheme]).entities
    return [(entity.start, entity.end, entity.tag) for entity in found]


@st.composite
def tagged(draw: st.DrawFn, names: list[str]) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences with true and predicted tags, most of them against the scheme."""
    word = st.tuples(st.sampled_from(names), st.none() | st.sampled_from(names))
    pairs = draw(st.lists(st.lists(word, max_size=9), min_size=1, max_size=6))
    true = [[tag for tag, _ in sentence] for sentence in pairs]
    return true, [[said or tag for tag, said in sentence] for sentence in pairs]


@pytest.mark.parametrize("scheme", ["bio", "iob2", "bioes"])
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_precision_recall_and_f1_of_any_tags(scheme: str, data: st.DataObject) -> None:
    kinds = ["-x", "-y", "-a-b", ""]
    names = ["O", *(prefix + kind for prefix in PREFIXES[scheme] for kind in kinds)]
    true, said = data.draw(tagged(names))
    rows = words(
        [one_hot([names.index(tag) for tag in row], len(names)) for row in said],
        [[names.index(tag) for tag in row] for row in true],
    )
    counts = np.array(
        data.draw(st.lists(st.integers(0, 3), min_size=len(true), max_size=len(true)))
    )
    again = np.repeat(np.arange(len(true)), counts).tolist()
    pairs: list[tuple[Metric, str]] = [
        (EntityPrecision(names, scheme), "precision_score"),
        (EntityRecall(names, scheme), "recall_score"),
        (EntityF1(names, scheme), "f1_score"),
    ]
    for metric, name in pairs:
        assert metric.value(rows) == pytest.approx(score(name, true, said, scheme))
        drawn = score(name, [true[i] for i in again], [said[i] for i in again], scheme)
        assert metric.resampled(rows, counts[None]) == pytest.approx(drawn)


def score(name: str, true: list[list[str]], said: list[list[str]], scheme: str) -> float:
    if not true:
        return 0.0  # seqeval cannot score no sentence at all
    function = getattr(peer, name)
    return float(function(true, said, mode="strict", scheme=SCHEMES[scheme], zero_division=0))


@pytest.mark.parametrize(("scheme", "longest"), [("iob2", 4), ("bioes", 3)])
def test_every_short_sentence(scheme: str, longest: int) -> None:
    names = ["O", *(f"{prefix}-{kind}" for prefix in PREFIXES[scheme] for kind in "xy")]
    for length in range(1, longest + 1):
        for tags in map(list, itertools.product(names, repeat=length)):
            assert spans(tags, scheme) == spans_of_seqeval(tags, scheme), tags


def test_every_short_sentence_that_keeps_to_iob1() -> None:
    names = ["O", "B-x", "B-y", "I-x", "I-y"]
    kept = 0
    for tags in map(list, itertools.product(names, repeat=4)):
        pairs = itertools.pairwise(["O", *tags])
        if all(tag[0] != "B" or before[1:] == tag[1:] for before, tag in pairs):
            assert spans(tags, "iob1") == spans_of_seqeval(tags, "iob1"), tags
            kept += 1
    assert kept > 100


@pytest.mark.parametrize(
    ("tags", "ours", "theirs"),
    [
        ("O B-x I-x I-x", [], [(2, 4, "x")]),
        ("I-y B-x I-x", [(0, 1, "y")], [(0, 1, "y"), (2, 3, "x")]),
        ("I-x B-x B-y", [(0, 1, "x"), (1, 2, "x")], [(0, 1, "x")]),
    ],
)
def test_sentences_that_break_iob1_are_read_otherwise(
    tags: str, ours: list[Span], theirs: list[Span]
) -> None:
    assert spans(tags.split(), "iob1") == ours
    assert spans_of_seqeval(tags.split(), "iob1") == theirs


def test_seqeval_reads_names_of_types_otherwise() -> None:
    assert spans(["B--x", "I-x"], "bio") == [(0, 1, "-x")]
    assert spans_of_seqeval(["B--x", "I-x"], "bio") == [(0, 2, "x")]
    assert spans(["B", "I-_"], "bio") == [(0, 1, "")]
    assert spans_of_seqeval(["B", "I-_"], "bio") == [(0, 2, "_")]
    assert spans_of_seqeval(["Bx", "O-x"], "bio") == [(0, 1, "x")]
    for tag in ("Bx", "O-x"):
        with pytest.raises(InputError, match=f"tag '{tag}' is not of scheme 'bio'"):
            split_tag(tag, "bio")
