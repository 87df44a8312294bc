import pytest

from polytask.data.sources.conll import CoNLL
from polytask.errors import InputError


@pytest.fixture
def read(tmp_path):
    def inner(content, **options):
        path = tmp_path / "f.txt"
        path.write_text(content)
        return CoNLL(**options).read(path)

    return inner


def test_sentences(read):
    table = read("\n\na O\nb\tB-PER\n\n \nc  I-PER \n")
    assert table.columns["words"].tolist() == [["a", "b"], ["c"]]
    assert table.columns["tags"].tolist() == [["O", "B-PER"], ["I-PER"]]
    assert table.lines.tolist() == [3, 7]


def test_space_of_unicode_is_part_of_a_word(read):
    assert read("a\u00a0b O\n").columns["words"].tolist() == [["a\u00a0b"]]


def test_ignored_columns_comments_and_delimiter(read):
    options = {"names": ("words", "_", "_", "tags"), "comment": "-DOCSTART-", "delimiter": " "}
    table = read("-DOCSTART- -X- O O\n\nEU NNP I-NP I-ORG\n", **options)
    assert list(table.columns) == ["words", "tags"]
    assert table.columns["tags"].tolist() == [["I-ORG"]]


def test_delimiter_allows_empty_and_spaced_cells(read):
    assert read("a b\t\n", delimiter="\t").columns["words"].tolist() == [["a b"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a O\nb\n", r"f\.txt, line 2: expected 2 columns \(words, tags\), got 1: 'b'"),
        ("a O\n\nb O O\n", "line 3: expected 2 columns"),
        ("\n \n", "empty"),
        ("# x y\n", "line 1"),
    ],
)
def test_bad_content(read, content, message):
    with pytest.raises(InputError, match=message):
        read(content)


@pytest.mark.parametrize(
    "options",
    [
        {"names": ()},
        {"names": ("_", "_")},
        {"names": ("a", "a")},
        {"delimiter": "ab"},
        {"comment": ""},
        {"encoding": "x"},
    ],
)
def test_bad_options(options):
    with pytest.raises(InputError):
        CoNLL(**options)


@pytest.mark.parametrize(("split", "rows"), [("train", 4343), ("dev", 623), ("test", 1228)])
def test_fon(shared_data, split, rows):
    table = CoNLL().read(shared_data / "text" / "masakhaner" / "fon" / f"{split}.txt")
    assert len(table) == rows
    assert {tag for tags in table.columns["tags"] for tag in tags} >= {"O", "B-PER", "I-LOC"}
