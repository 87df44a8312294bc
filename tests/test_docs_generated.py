"""The pages of the reference are what docs/make_reference.py writes."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[1] / "docs"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_reference", DOCS / "make_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", ["recipe.md", "blocks.md", "commands.md"])
def test_the_page_is_what_the_script_writes(script: ModuleType, name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == script.pages()[name], (
        "run: python docs/make_reference.py"
    )


@pytest.mark.parametrize("name", ["recipe.md", "blocks.md", "commands.md"])
def test_every_option_is_described(script: ModuleType, name: str) -> None:
    rows = [line for line in script.pages()[name].splitlines() if line.startswith("| `")]
    assert rows
    assert not [row for row in rows if not row.rstrip("| ").strip() or row.endswith("|  |")]
