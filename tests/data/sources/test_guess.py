import zipfile

import pytest

from polytask.data.sources import SOURCES
from polytask.data.sources.guess import ENDINGS, INSIDE, ending_of, guess_source, source_of_ending
from polytask.errors import InputError


def test_every_answer_is_a_source():
    assert {*ENDINGS.values(), *INSIDE.values(), "datasets"} <= set(SOURCES)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("a.csv", "csv"),
        ("a.CSV.gz", "csv"),
        ("b/a.b.tsv", "tsv"),
        ("a.jsonl.gz", "jsonl"),
        ("a.parquet", "parquet"),
        ("a.conllu.gz", "conllu"),
        ("a.npz", "npz"),
        ("a.arff.gz", "arff"),
        ("a.mat", "matlab"),
    ],
)
def test_by_ending(name, source):
    assert guess_source(name) == source


def test_endings():
    assert [ending_of(name) for name in ("b.c/A.CSV.gz", "a.gz", "a")] == [".csv", "", ""]
    assert source_of_ending("a.CSV.gz") == "csv"
    assert source_of_ending("a.txt") is None


def test_by_content_of_an_archive_or_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("b/c.PNG", b"")
    assert guess_source(tmp_path / "a.zip") == "images"
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "folder.csv" / "a.wav").touch()
    assert guess_source(tmp_path / "folder.csv") == "wav"
    (tmp_path / "folder.csv" / "dataset_info.json").touch()
    assert guess_source(tmp_path / "folder.csv") == "datasets"


@pytest.mark.parametrize("name", ["a", "a.txt", "a.gz", "a.data.gz"])
def test_name_that_says_nothing(name):
    with pytest.raises(InputError, match=r"cannot tell the source.*give 'type'"):
        guess_source(name)


def test_archive_that_says_nothing(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        guess_source(tmp_path / "a.zip")
    (tmp_path / "a.zip").write_bytes(b"x")
    with pytest.raises(InputError, match="not a zip archive"):
        guess_source(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
        file.writestr("read.me", b"")
    with pytest.raises(InputError, match="no file that tells the source"):
        guess_source(tmp_path / "a.zip")
