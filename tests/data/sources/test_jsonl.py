import gzip
import json

import numpy as np
import pytest

from polytask.data.sources.jsonl import JSONL
from polytask.errors import InputError


@pytest.fixture
def read(tmp_path):
    def inner(*lines, like=None):
        path = tmp_path / "f.jsonl.gz"
        path.write_bytes(gzip.compress("\n".join(lines).encode()))
        return JSONL().read(path, like=like)

    return inner


def test_values(read):
    table = read(
        '{"n": 1, "f": 1.0, "t": "x", "b": true, "w": ["a", "b"], "v": [1, 2], "late": null}',
        "",
        '{"n": 2, "f": null, "t": null, "w": [], "v": null, "late": "y"}',
    )
    assert table.columns["n"].dtype == np.int64
    np.testing.assert_array_equal(table.columns["f"], [1, np.nan])
    np.testing.assert_array_equal(table.columns["b"], [1, np.nan])
    assert table.columns["t"].tolist() == ["x", None]
    assert table.columns["w"].tolist() == [["a", "b"], []]
    assert table.columns["v"].tolist() == [[1, 2], None]
    assert table.columns["late"].tolist() == [None, "y"]
    assert table.lines.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (['{"a": 1}', "{"], "line 2: not JSON"),
        (["[" * 100_000], "line 1: not JSON"),
        (['{"a": 1}', "", "[1]"], "line 3: expected a JSON object .* got a list"),
        (['{"a": 1}', '{"a": "x"}'], "line 2, column 'a': expected a number"),
        (['{"a": {"b": 1}}'], "line 1, column 'a': expected a number, text"),
        (['{"a": [1, null]}'], "line 1, column 'a'"),
        (["{}"], "no rows"),
    ],
)
def test_bad_lines(read, lines, message):
    with pytest.raises(InputError, match=message):
        read(*lines)


def test_types_follow_the_training_file(read):
    train = read('{"a": 0.5, "b": "x"}')
    assert read('{"a": 1}', like=train).columns["a"].dtype == np.float64
    with pytest.raises(InputError, match=r"line 1, column 'b': expected text \(as in .*got 1"):
        read('{"b": 1}', like=train)


def test_skillspan(shared_data):
    path = shared_data / "text" / "skillspan" / "train.json"
    table = JSONL().read(path)
    assert len(table) == 4800
    first = json.loads(path.read_text().split("\n")[0])
    assert table.columns["tokens"][0] == first["tokens"]
    assert all(
        map(lambda a, b: len(a) == len(b), table.columns["tokens"], table.columns["tags_skill"])
    )
