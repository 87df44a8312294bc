import pytest

from polytask.data.sources.conllu import CoNLLU
from polytask.errors import InputError

WORDS = """\
# sent_id = 1
# text = I can't.
1\tI\tI\tPRON\tPRP\tCase=Nom|Number=Sing\t2\tnsubj\t_\t_
2-3\tcan't\t_\t_\t_\t_\t_\t_\t_\t_
2\tca\tcan\tAUX\tMD\tVerbForm=Fin\t0\troot\t_\t_
2.1\tgo\tgo\tVERB\t_\t_\t_\t_\t0:root\t_
3\tn't\tnot\tPART\tRB\t_\t2\tadvmod\t_\tSpaceAfter=No
4\t.\t.\tPUNCT\t.\t_\t2\tpunct\t_\t_

1\tYes\tyes\tINTJ\tUH\tNumber=Plur\t0\troot\t_\t_
2\t!\t!\tPUNCT\t.\t_\t1\tpunct\t_\t_
"""


@pytest.fixture
def read(tmp_path):
    def inner(content, *, like=None, **options):
        path = tmp_path / "f.conllu"
        path.write_text(content)
        return CoNLLU(**options).read(path, like=like)

    return inner


def test_columns(read):
    table = read(WORDS)
    got = {name: column.tolist() for name, column in table.columns.items()}
    assert got["text"] == ["I can't.", "Yes !"]
    assert got["id"] == [[1, 2, 3, 4], [1, 2]]
    assert got["form"] == [["I", "ca", "n't", "."], ["Yes", "!"]]
    assert got["lemma"][0] == ["I", "can", "not", "."]
    assert got["upos"][0] == ["PRON", "AUX", "PART", "PUNCT"]
    assert got["xpos"][0] == ["PRP", "MD", "RB", "."]
    assert got["head"] == [[2, 0, 2, 2], [0, 1]]
    assert got["deprel"][1] == ["root", "punct"]
    assert got["feats.Number"] == [["Sing", "_", "_", "_"], ["Plur", "_"]]
    assert got["feats.VerbForm"] == [["_", "Fin", "_", "_"], ["_", "_"]]
    assert table.lines.tolist() == [3, 10]


def test_features_are_those_of_the_training_file(read):
    train = read("1\ta\ta\tX\tX\tCase=Nom|Mood=Ind\t0\troot\t_\t_\n")
    test = read(WORDS, like=train)
    assert [name for name in test.columns if "." in name] == ["feats.Case", "feats.Mood"]
    assert test.columns["feats.Mood"].tolist() == [["_"] * 4, ["_"] * 2]


def test_chosen_features(read):
    assert "feats.Case" not in read(WORDS, feats=("Number",)).columns
    assert not [name for name in read(WORDS, feats=()).columns if "." in name]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\ta", "line 1: expected 10 columns with tabs between them, got 2"),
        ("1 a a X X _ 0 root _ _", "line 1: expected 10 columns"),
        ("2\ta\ta\tX\tX\t_\t0\troot\t_\t_", "line 1, column 'id': expected 1, got '2'"),
        ("x\ta\ta\tX\tX\t_\t0\troot\t_\t_", "line 1, column 'id': expected 1, got 'x'"),
        ("1\ta\ta\tX\tX\t_\t2\troot\t_\t_", "line 1, column 'head': .*0 to 1, got '2'"),
        ("1\ta\ta\tX\tX\t_\t_\troot\t_\t_", "line 1, column 'head': .*got '_'"),
        ("1\ta\ta\tX\tX\tCase\t0\troot\t_\t_", "line 1, column 'feats': expected Name=Value"),
        ("# only a comment", "no rows"),
    ],
)
def test_bad_lines(read, line, message):
    with pytest.raises(InputError, match=message):
        read(line + "\n")


def test_bad_options():
    with pytest.raises(InputError, match="feats: column 'a' occurs twice"):
        CoNLLU(feats=("a", "a"))


def test_partut(shared_data):
    folder = shared_data / "text" / "ud-partut"
    train = CoNLLU().read(folder / "en_partut-ud-train.conllu.gz")
    dev = CoNLLU().read(folder / "en_partut-ud-dev.conllu.gz", like=train)
    assert (len(train), len(dev)) == (1781, 156)
    assert list(train.columns) == list(dev.columns)
    assert all(0 in heads for heads in train.columns["head"])
    assert "feats.Number" in train.columns
