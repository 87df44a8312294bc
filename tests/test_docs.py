"""Every block of code in README.md and docs/ runs: one directory and one namespace per page."""

from __future__ import annotations

import doctest
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("POLYTASK_DATA", ROOT.parent / "shared" / "data"))
PAGES = [
    page for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if page.exists()
]
RUN = {"bash", "console", "pycon", "python"}
SHOW = {"css", "csv", "html", "ini", "json", "jsonl", "make", "mermaid", "text", "toml", "yaml"}
BASH_TIMEOUT_S = 600

FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
TITLE = re.compile(r'title="(?P<name>[^"]+)"')
NOT_RUN = re.compile(r"<!-- not run: \S.* -->")
NEEDS_DATA = re.compile(r"<!-- needs data: (?P<names>.+?) -->")


@dataclass(frozen=True, kw_only=True)
class Block:
    """One fenced block, and what its page says about it."""

    language: str
    text: str
    line: int  # counted from 0
    title: str | None = None
    not_run: bool = False


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page, indented ones (in lists, notes and tabs) included."""
    lines = text.splitlines()
    at, before = 0, ""
    while at < len(lines):
        if not (opened := FENCE.match(lines[at])):
            before = lines[at].strip() or before
            at += 1
            continue
        start = at = at + 1
        while not is_end(lines[at], opened["fence"]):
            at += 1
            assert at < len(lines), f"the block that opens on line {start} is never closed"
        indent = len(opened["indent"])
        title = TITLE.search(opened["info"])
        yield Block(
            language=(opened["info"].split() or [""])[0],
            text="".join(line[min(indent, margin(line)) :] + "\n" for line in lines[start:at]),
            line=start,
            title=title["name"] if title else None,
            not_run=bool(NOT_RUN.fullmatch(before)),
        )
        at, before = at + 1, ""


def margin(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def is_end(line: str, fence: str) -> bool:
    line = line.strip()
    return len(line) >= len(fence) and set(line) == {fence[0]}


def commands(console: str) -> str:
    """What a reader would type: what follows the prompt `$ `, and continuations after `> `."""
    typed = [line[2:] for line in console.splitlines() if line.startswith(("$ ", "> "))]
    assert typed, "a console block without a line that starts with '$ '"
    return "\n".join(typed)


def run_python(block: Block, page: Path, module: ModuleType) -> None:
    # Empty lines in front give errors the line of the page.
    code = compile("\n" * block.line + block.text, str(page), "exec")
    exec(code, module.__dict__)


def run_pycon(block: Block, page: Path, module: ModuleType) -> None:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    examples = doctest.DocTestParser().get_doctest(
        block.text, module.__dict__, page.name, str(page), block.line
    )
    runner = doctest.DocTestRunner(optionflags=flags, verbose=False)
    report: list[str] = []
    runner.run(examples, out=report.append, clear_globs=False)
    module.__dict__.update(examples.globs)  # doctest works on a copy
    assert not runner.failures, "".join(report)


def run_bash(script: str, page: Path, line: int) -> None:
    scripts = Path(sys.executable).parent
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=BASH_TIMEOUT_S,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{page}:{line + 1}: exit {done.returncode}\n{done.stdout[-5000:]}"


def write(block: Block) -> None:
    assert block.title is not None
    path = Path(block.title)
    assert not path.is_absolute(), f"{path}: a title names a file in the directory of the page"
    assert ".." not in path.parts, f"{path}: a title names a file in the directory of the page"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(block.text, encoding="utf-8")


def run_page(page: Path, module: ModuleType) -> None:
    for block in blocks(page.read_text(encoding="utf-8")):
        where = f"{page}:{block.line}"
        assert block.language in RUN | SHOW, f"{where}: {block.language!r} is neither run nor shown"
        if block.not_run:
            continue
        if block.title is not None:
            write(block)
        elif block.language == "python":
            run_python(block, page, module)
        elif block.language == "pycon":
            run_pycon(block, page, module)
        elif block.language == "bash":
            run_bash(block.text, page, block.line)
        elif block.language == "console":
            run_bash(commands(block.text), page, block.line)


@pytest.fixture
def main(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The namespace of a page, in a directory with a copy of the recipes, as in a fresh clone."""
    module = ModuleType("__main__")
    if (ROOT / "recipes").is_dir():
        shutil.copytree(ROOT / "recipes", tmp_path / "recipes")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "__main__", module)
    monkeypatch.setenv("POLYTASK_DATA", str(DATA))
    monkeypatch.setenv("COLUMNS", "100")
    known = set(sys.modules)
    yield module
    for name in (
        set(sys.modules) - known
    ):  # a file of this page must not be imported by the next one
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page(page: Path, main: ModuleType) -> None:
    for needed in NEEDS_DATA.finditer(page.read_text(encoding="utf-8")):
        for name in needed["names"].split(", "):
            if not (DATA / name).exists():
                pytest.skip(f"{page.name} needs {name} in the folder that POLYTASK_DATA names")
    run_page(page, main)


def run_text(text: str, module: ModuleType) -> None:
    page = Path("page.md").resolve()
    page.write_text(text, encoding="utf-8")
    run_page(page, module)


def test_blocks_share_one_namespace_and_one_directory(main: ModuleType) -> None:
    run_text(
        "```python\nfrom pathlib import Path\nx = 2\nPath('a').touch()\n```\n"
        "    ~~~bash\n    test -e a; echo 3 > b\n    ~~~\n"
        '```python title="lib/mine.py"\nY = 5\n```\n'
        "```python\nfrom lib.mine import Y\nz = x * int(Path('b').read_text()) * Y\n```\n"
        "```pycon\n>>> w = z + 1\n>>> w\n31\n```\n"
        "```console\n$ test -e b \\\n>   && touch c\nsome output\n```\n",
        main,
    )
    assert (main.z, main.w) == (30, 31)
    assert Path("c").exists()


def test_a_failing_block_names_its_line(main: ModuleType) -> None:
    with pytest.raises(ZeroDivisionError) as raised:
        run_text("one\n```python\nx = 1\nx / 0\n```\n", main)
    assert raised.traceback[-1].lineno == 3  # counted from 0
    with pytest.raises(AssertionError, match=r"page.md:2: exit 3"):
        run_text("```bash\nexit 3\n```\n", main)
    with pytest.raises(AssertionError, match="Expected"):
        run_text("```pycon\n>>> 1 + 1\n3\n```\n", main)


def test_only_marked_and_shown_blocks_do_not_run(main: ModuleType) -> None:
    run_text("<!-- not run: takes hours -->\n\n```bash\nexit 1\n```\n```text\nexit 1\n```\n", main)
    for text in (
        "<!-- not run: -->\n```bash\nexit 1\n```\n",
        "<!-- not run: takes hours -->\nwords\n```bash\nexit 1\n```\n",
        "<!-- not run: one -->\n```bash\n:\n```\n```bash\nexit 1\n```\n",
        "```py\n```\n",
        "```\nno language\n```\n",
        '```yaml title="../a.yaml"\n```\n',
        "```bash\n",
    ):
        with pytest.raises((AssertionError, IndexError)):
            run_text(text, main)
