import pytest

from polytask.data.sources.parallel import Parallel
from polytask.errors import InputError

ATIS = Parallel(
    files={"words": "seq.in", "slots": "seq.out", "intent": "label"},
    split_words=("words", "slots"),
)


@pytest.fixture
def write(tmp_path):
    def inner(**files):
        for name, content in files.items():
            (tmp_path / name.replace("_", ".")).write_text(content)
        return tmp_path

    return inner


def test_columns(write):
    table = ATIS.read(write(seq_in="a  b\nc \n", seq_out="O\tB\nO", label="x\n\n"))
    assert table.columns["words"].tolist() == [["a", "b"], ["c"]]
    assert table.columns["slots"].tolist() == [["O", "B"], ["O"]]
    assert table.columns["intent"].tolist() == ["x", None]


def test_labels_may_be_numbers_and_follow_the_training_file(write):
    source = Parallel(files={"label": "label"})
    train = source.read(write(label="1\n2\n"))
    assert train.columns["label"].tolist() == [1, 2]
    with pytest.raises(InputError, match=r"label, line 2, column 'label': expected a number"):
        source.read(write(label="1\nx\n"), like=train)


def test_line_counts_must_agree(write):
    with pytest.raises(InputError, match=r"equally many lines.*seq\.in: 2.*seq\.out: 1"):
        ATIS.read(write(seq_in="a\nb\n", seq_out="O\n", label="x\ny\n"))


def test_word_counts_must_agree(write):
    folder = write(seq_in="a\nb c\n", seq_out="O\nO\n", label="x\ny\n")
    message = r"seq\.out, line 2, column 'slots': expected 2 words \(as in .*seq\.in\), got 1"
    with pytest.raises(InputError, match=message):
        ATIS.read(folder)


def test_missing_file_in_the_folder(write):
    with pytest.raises(InputError, match=r"seq\.out: no such file.*did you mean 'seq\.in'"):
        ATIS.read(write(seq_in="a\n", label="x\n"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"files": {}}, "files"),
        ({"files": {"words": "f"}, "split_words": ("word",)}, "did you mean 'words'"),
        ({"files": {"words": "f"}, "encoding": "x"}, "encoding"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        Parallel(**options)


@pytest.mark.parametrize(("split", "rows"), [("train", 4478), ("valid", 500), ("test", 893)])
def test_atis(shared_data, split, rows):
    table = ATIS.read(shared_data / "text" / "atis" / split)
    assert len(table) == rows
    assert all(intent.startswith("atis_") for intent in table.columns["intent"])
