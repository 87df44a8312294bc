import numpy as np
import pytest
import scipy.io

from polytask.data.sources.columns import object_array
from polytask.data.sources.matlab import Matlab
from polytask.errors import InputError


@pytest.fixture
def read(tmp_path):
    def inner(variables, *, like=None, **options):
        path = tmp_path / "f.mat"
        scipy.io.savemat(path, variables)
        return Matlab(**options).read(path, like=like)

    return inner


X0, X1 = np.array([[1.0, 0.5], [2.0, 0.0]]), np.array([[3.0, 0.25]])
CELLS = {
    "X": object_array([X0, X1]).reshape(1, 2),
    "Y": object_array([np.array([[1.0], [2.0]]), np.array([[3.5]])]).reshape(1, 2),
}


def test_cells(read):
    table = read(CELLS)
    got = {name: column.tolist() for name, column in table.columns.items()}
    assert got == {"x0": [1, 2, 3], "x1": [0.5, 0, 0.25], "y": [1, 2, 3.5], "task": [0, 0, 1]}
    assert table.columns["x0"].dtype == table.columns["task"].dtype == np.int64


def test_matrices(read):
    variables = {"data": X0, "labels": np.array([[1, 2], [3, 4]]), "school": np.array([[7], [9]])}
    table = read(variables, features="data", target="labels", task="school")
    assert table.columns["y1"].tolist() == [2, 4]
    assert table.columns["task"].tolist() == [7, 9]
    assert "task" not in read(variables, features="data", target="labels").columns


@pytest.mark.parametrize(
    ("variables", "options", "message"),
    [
        (CELLS, {"features": "x"}, "unknown variable 'x'"),
        (CELLS, {"task": "X"}, "leave 'task' out"),
        ({"X": X0, "Y": X1}, {}, "cell 1: 2 rows, but 1 targets"),
        ({**CELLS, "Y": X0}, {}, "2 cells of features, 1 of targets"),
        ({"X": "text", "Y": X0}, {}, "variable 'X', cell 1: expected a full matrix"),
        (
            {"X": object_array([X0, X1[:, :1]]), "Y": CELLS["Y"]},
            {},
            "variable 'X', cell 2: expected",
        ),
        ({"X": scipy.sparse.eye(2).tocsc(), "Y": X0}, {}, "variable 'X': expected a matrix"),
        ({"X": np.zeros((0, 1)), "Y": np.zeros((0, 1))}, {}, "no rows"),
    ],
)
def test_bad_variables(read, variables, options, message):
    with pytest.raises(InputError, match=message):
        read(variables, **options)


def test_types_follow_the_training_file(read):
    train = read({"X": X0, "Y": X0[:, 1:]})
    assert read({"X": X0, "Y": X0[:, :1]}, like=train).columns["y"].dtype == np.float64


def test_truncated_and_newer_files(tmp_path):
    path = tmp_path / "f.mat"
    scipy.io.savemat(path, CELLS, do_compression=True)
    data = path.read_bytes()
    path.write_bytes(data[:-30])
    with pytest.raises(InputError, match="not a MATLAB file, or damaged"):
        Matlab().read(path)
    path.write_bytes(b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM" + bytes(64))
    with pytest.raises(InputError, match="save it in MATLAB with '-v7'"):
        Matlab().read(path)


def test_school(shared_data):
    table = Matlab().read(shared_data / "tabular" / "school.mat")
    assert len(table) == 15362
    assert len(table.columns) == 28 + 2
    sizes = np.bincount(table.columns["task"])
    assert (len(sizes), sizes.min(), sizes.max()) == (139, 22, 251)
