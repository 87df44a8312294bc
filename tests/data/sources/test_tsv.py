import pytest

from polytask.data.sources.tsv import TSV
from polytask.errors import InputError


def test_reads_tabs_and_follows_the_training_file(tmp_path):
    path = tmp_path / "f.tsv"
    path.write_text('a\tb\n1\t"x"\n')
    table = TSV(quoting=False).read(path)
    assert table.columns["a"].tolist() == [1]
    assert table.columns["b"].tolist() == ['"x"']
    path.write_text("a\tb\nx\ty\n")
    with pytest.raises(InputError, match="line 2, column 'a'"):
        TSV().read(path, like=table)


def test_bad_options():
    with pytest.raises(InputError, match="names"):
        TSV(header=False)


def test_cola(shared_data):
    names = ("source", "label", "mark", "sentence")
    table = TSV(names=names, quoting=False).read(shared_data / "text/cola/in_domain_train.tsv")
    assert len(table) == 8551
    assert set(table.columns["label"]) == {0, 1}
    assert set(table.columns["mark"]) == {None, "*", "?", "??", "?*", "*?", "#", "%"} & {
        *table.columns["mark"]
    }
    assert table.columns["sentence"][1] == "One more pseudo generalization and I'm giving up."


def test_mrpc(shared_data):
    path = shared_data / "text" / "mrpc" / "msr-para-train.tsv"
    table = TSV(quoting=False).read(path)
    assert len(table) == 3576
    assert list(table.columns) == ["Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"]
    assert set(table.columns["Quality"]) == {0, 1}
    with pytest.raises(InputError, match=r"line 11: .*quoting: false"):
        TSV().read(path)
