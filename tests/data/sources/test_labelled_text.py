import pytest

from polytask.data.sources.labelled_text import LabelledText
from polytask.errors import InputError


@pytest.fixture
def read(tmp_path):
    def inner(content, *, like=None, **options):
        path = tmp_path / "f.all"
        path.write_bytes(content)
        return LabelledText(**options).read(path, like=like)

    return inner


def test_columns(read):
    table = read(b"1 caf\xe9 noir \n\n0 \n", encoding="latin-1")
    assert table.columns["label"].tolist() == [1, 0]
    assert table.columns["text"].tolist() == ["café noir", ""]
    assert table.lines.tolist() == [1, 3]


def test_delimiter(read):
    assert read(b"good\tx y\n", delimiter="\t").columns["label"].tolist() == ["good"]


def test_types_follow_the_training_file(read):
    train = read(b"a x\n")
    assert read(b"1 x\n", like=train).columns["label"].tolist() == ["1"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"1 x\nalone\n", r"f\.all, line 2: expected a label, ' ' and a text, got 'alone'"),
        (b" x\n", "line 1: expected a label"),
        (b"1 \xe9\n", r"line 1: byte 0xe9.*encoding: latin-1"),
    ],
)
def test_bad_lines(read, content, message):
    with pytest.raises(InputError, match=message):
        read(content)


@pytest.mark.parametrize("options", [{"delimiter": "::"}, {"encoding": "x"}])
def test_bad_options(options):
    with pytest.raises(InputError):
        LabelledText(**options)


def test_trec(shared_data):
    source = LabelledText(encoding="latin-1")
    train = source.read(shared_data / "text" / "sentences" / "TREC.train.all")
    test = source.read(shared_data / "text" / "sentences" / "TREC.test.all", like=train)
    assert (len(train), len(test)) == (5452, 500)
    assert set(train.columns["label"]) == set(range(6))
