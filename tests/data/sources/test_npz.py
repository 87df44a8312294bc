import numpy as np
import pytest

from polytask.data.sources.npz import NPZ
from polytask.errors import InputError


@pytest.fixture
def read(tmp_path):
    def inner(*, like=None, columns=None, **arrays):
        path = tmp_path / "f.npz"
        np.savez_compressed(path, **arrays)
        return NPZ(columns=columns).read(path, like=like)

    return inner


def test_arrays(read):
    table = read(
        x=np.zeros((2, 3, 3), np.uint8), y=np.array([1, 2], np.int8), t=np.array(["a", "b"])
    )
    assert table.columns["x"].dtype == np.uint8
    assert table.columns["y"].dtype == np.int64
    assert table.columns["t"].tolist() == ["a", "b"]


def test_chosen_arrays(read):
    table = read(a=np.arange(2), b=np.arange(3), columns={"label": "b"})
    assert table.columns["label"].tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.arange(2), "b": np.arange(3)}, "columns differ in length"),
        ({"a": np.array([{}])}, "Object arrays cannot be loaded"),
        ({"a": np.array(1)}, "column 'a': cannot use"),
        ({"a": np.zeros(0)}, "no rows"),
        ({"x_train": np.arange(2), "columns": {"x": "x_trian"}}, "did you mean 'x_train'"),
    ],
)
def test_bad_content(read, arrays, message):
    with pytest.raises(InputError, match=message):
        read(**arrays)


def test_other_shape_than_in_training(read):
    train = read(x=np.zeros((2, 3, 3), np.uint8))
    with pytest.raises(InputError, match="column 'x': expected rows of shape"):
        read(x=np.zeros((2, 4, 3), np.uint8), like=train)


@pytest.mark.parametrize("cut", [10, 200, -1])
def test_truncated(tmp_path, cut):
    path = tmp_path / "f.npz"
    np.savez(path, a=np.arange(100))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"f\.npz"):
        NPZ().read(path)


def test_damaged(tmp_path):
    path = tmp_path / "f.npz"
    np.savez(path, a=np.arange(100))
    data = bytearray(path.read_bytes())
    data[300:310] = bytes([255] * 10)
    path.write_bytes(data)
    with pytest.raises(InputError, match=r"f\.npz: cannot be read"):
        NPZ().read(path)


def test_bad_options():
    with pytest.raises(InputError, match="columns"):
        NPZ(columns={})


def test_mnist(shared_data):
    source = NPZ(columns={"image": "x_test", "label": "y_test"})
    table = source.read(shared_data / "images" / "mnist.npz")
    assert table.columns["image"].shape == (10000, 28, 28)
    assert table.columns["label"].dtype == np.int64
