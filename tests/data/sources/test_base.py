"""The contract of every source: options at the door, missing files, empty files, light imports."""

import subprocess
import sys
from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest

from polytask.data.sources import SOURCES, Source
from polytask.data.sources.base import checked_table
from polytask.errors import InputError

NEEDED = {
    "function": {"function": "package.module:function", "trust": True},
    "parallel": {"files": {"words": "seq.in"}},
}
OF_FOLDERS = ["parallel", "datasets", "wav", "images"]
WITHOUT_FILES = {"function", "multidigits"}
OF_FILES = sorted(set(SOURCES) - {*OF_FOLDERS, *WITHOUT_FILES})


def build(name):
    return SOURCES.build({"type": name, **NEEDED.get(name, {})})


@pytest.mark.parametrize("name", list(SOURCES))
def test_is_frozen_and_goes_to_a_recipe_and_back(name):
    source = build(name)
    assert isinstance(source, Source)
    assert SOURCES.build(SOURCES.spec(source)) == source
    with pytest.raises(FrozenInstanceError):
        source.nothing = 1


@pytest.mark.parametrize("name", list(SOURCES))
def test_documentation_names_every_option_and_has_an_example(name):
    cls = SOURCES.get(name)
    for option in fields(cls):
        assert f"        {option.name}: " in cls.__doc__
    assert "Example:\n        >>> " in cls.__doc__
    assert "Raises:\n" in cls.__doc__
    assert cls.__doc__.split("\n")[0].endswith(".")


@pytest.mark.parametrize("name", [*OF_FILES, *OF_FOLDERS])
def test_missing_file_names_the_nearest(name, tmp_path):
    (tmp_path / "train.data").write_text("x")
    with pytest.raises(InputError, match=r"trian\.data: no such file.*did you mean 'train\.data'"):
        build(name).read(tmp_path / "trian.data")


@pytest.mark.parametrize("name", OF_FILES)
def test_empty_file(name, tmp_path):
    path = tmp_path / "train.data"
    path.touch()
    with pytest.raises(InputError, match=r"train\.data"):
        build(name).read(path)


@pytest.mark.parametrize("name", OF_FOLDERS)
def test_empty_folder(name, tmp_path):
    with pytest.raises(InputError):
        build(name).read(tmp_path)


@pytest.mark.parametrize("name", OF_FILES)
def test_folder_in_place_of_a_file(name, tmp_path):
    with pytest.raises(InputError, match="this is a folder"):
        build(name).read(tmp_path)


@pytest.mark.parametrize("name", [*OF_FILES, *OF_FOLDERS])
def test_no_path(name):
    with pytest.raises(InputError, match="needs a path"):
        build(name).read(None)


@pytest.mark.parametrize("name", [*OF_FILES, "wav", "images"])
@pytest.mark.parametrize(
    "content", [b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", b"PK\3\4\0\0", b"PAR1\0\0", bytes(range(256)) * 3]
)
def test_wrong_type_of_file(name, content, tmp_path):
    path = tmp_path / "train.data"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"train\.data"):
        build(name).read(path)


def test_table_without_rows():
    with pytest.raises(InputError, match="f: there are no rows"):
        checked_table({"a": np.zeros(0)}, "f")


def test_importing_the_sources_imports_no_reader():
    code = (
        "import sys; from polytask.data.sources import SOURCES; "
        "print([m for m in ('pyarrow', 'pandas', 'datasets', 'scipy', 'PIL') if m in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "[]", result.stderr
