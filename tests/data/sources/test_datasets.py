import numpy as np
import pytest

from polytask.data.sources.datasets import Datasets
from polytask.errors import InputError

hf = pytest.importorskip("datasets")


@pytest.fixture
def folder(tmp_path):
    labels = hf.ClassLabel(names=["no", "yes"])
    features = hf.Features(
        {
            "text": hf.Value("string"),
            "label": labels,
            "tags": hf.List(labels),
            "score": hf.Value("float32"),
        }
    )
    columns = {"text": ["x", "y"], "label": [1, -1], "tags": [[0, 1], []], "score": [0.5, None]}
    data = hf.Dataset.from_dict(columns, features=features)
    data.save_to_disk(tmp_path / "one")
    hf.DatasetDict({"train": data, "test": data.select([0])}).save_to_disk(tmp_path / "many")
    return tmp_path


def test_class_labels_become_names(folder):
    table = Datasets().read(folder / "one")
    assert table.columns["text"].tolist() == ["x", "y"]
    assert table.columns["label"].tolist() == ["yes", None]
    assert table.columns["tags"].tolist() == [["no", "yes"], []]
    np.testing.assert_array_equal(table.columns["score"], [0.5, np.nan])


def test_split_and_columns(folder):
    train = Datasets(split="train").read(folder / "many")
    test = Datasets(split="test", columns=("label", "text")).read(folder / "many", like=train)
    assert (len(train), len(test)) == (2, 1)
    assert list(test.columns) == ["label", "text"]
    assert test.origin.endswith("many (test)")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("many", {}, "several data sets; give 'split', one of"),
        ("many", {"split": "trian"}, "unknown split 'trian'; did you mean 'train'"),
        ("one", {"split": "train"}, "'split' has no meaning"),
        ("one", {"columns": ("labels",)}, "unknown column 'labels'; did you mean 'label'"),
    ],
)
def test_bad_choice(folder, name, options, message):
    with pytest.raises(InputError, match=message):
        Datasets(**options).read(folder / name)


def test_damaged_folder(folder):
    for path in (folder / "one").glob("*.arrow"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(InputError, match=r"one: not a folder of datasets\.save_to_disk"):
        Datasets().read(folder / "one")
