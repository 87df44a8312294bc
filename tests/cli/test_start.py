import gc
import subprocess
import sys

import pytest

from polytask.cli.start import without_collection


@pytest.fixture
def thawed():
    yield
    gc.unfreeze()


def test_no_garbage_is_looked_for_inside(thawed):
    with without_collection():
        assert not gc.isenabled()
    assert gc.isenabled()


def test_what_was_made_inside_is_not_looked_at_again(thawed):
    before = gc.get_freeze_count()
    with without_collection():
        made = [[] for _ in range(1000)]
    assert gc.get_freeze_count() >= before + len(made)


def test_an_error_inside_leaves_the_collection_as_it_was(thawed):
    with pytest.raises(ImportError), without_collection():
        raise ImportError
    assert gc.isenabled()


def test_it_stays_off_where_it_was_off(thawed):
    gc.disable()
    try:
        with without_collection():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


COMMANDS = {
    "merge": ["merge", "ties", "x", "--base", "y", "--out", "z"],
    "help": ["merge", "ties", "--help"],
    "tokenizer": ["merge", "average", "x", "y", "--tokenizer", "base", "--out", "z"],
    "compress": ["compress", "int8", "x", "--base", "y", "--out", "z"],
    "extract": ["extract-adapter", "x", "--base", "y", "--rank", "1", "--out", "z"],
    "rebasin": ["rebasin", "y", "x", "--out", "z"],
}
WATCHED = """
import gc, sys
from importlib.abc import MetaPathFinder

class Watch(MetaPathFinder):
    def find_spec(self, name, *rest):
        if name == "torch":
            print("collecting" if gc.isenabled() else "not collecting")

sys.meta_path.insert(0, Watch())
from polytask.cli import main
main()
"""


@pytest.mark.parametrize("command", list(COMMANDS))
def test_commands_that_merge_import_without_collection(command, tmp_path):
    words = [sys.executable, "-c", WATCHED, *COMMANDS[command]]
    run = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.stdout.splitlines()[0] == "not collecting"
