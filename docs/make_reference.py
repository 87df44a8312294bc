"""Write the pages that come from the code: the keys of a recipe, the building blocks, the commands.

Run ``python docs/make_reference.py`` after a change of an option or its documentation;
``tests/test_docs_generated.py`` fails while a page is not what this script writes.
"""

from __future__ import annotations

import collections.abc
import dataclasses
import inspect
import re
import types
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from polytask.balance import BALANCERS
from polytask.cli.main import app
from polytask.data import INPUTS, MIXTURES, SOURCES, BatchSize, Split
from polytask.data.mixtures import Phase
from polytask.evaluation import Aggregate
from polytask.models import BACKBONES, SHARING
from polytask.recipe import DataSpec, ModelSpec, Recipe, StepSpec, TaskSpec
from polytask.registry import Registry
from polytask.tasks import OUTPUTS, HeadOptions
from polytask.training.options import TrainingOptions

DOCS = Path(__file__).resolve().parent

NOTE = "<!-- Written by docs/make_reference.py from the code; edit the docstrings instead. -->\n"

SECTIONS: Mapping[str, type] = {
    "The recipe": Recipe,
    "data.*": DataSpec,
    "data.*.split": Split,
    "data.*.batch": BatchSize,
    "tasks.*": TaskSpec,
    "tasks.*.head": HeadOptions,
    "model": ModelSpec,
    "step": StepSpec,
    "training": TrainingOptions,
    "select": Aggregate,
}
"""Place in a recipe -> what it holds. ``batch`` is explained under ``data.*.batch``."""

KINDS: Mapping[str, tuple[Registry[Any], str]] = {
    "outputs": (OUTPUTS, "`tasks.*.output`: what a task predicts, see [Tasks](tasks.md)."),
    "sources": (SOURCES, "`data.*.source`: how files are read, see [Data](data.md#sources)."),
    "inputs": (INPUTS, "`data.*.input`: what the model sees, see [Data](data.md#inputs)."),
    "mixtures": (
        MIXTURES,
        "`mixture`: the rule by which data sets are drawn, see [Data](data.md#mixtures).",
    ),
    "balancers": (
        BALANCERS,
        "`balance`: how many losses become one update, see [Balancing](balance.md). Beside the "
        "options write `method`, not `type`.",
    ),
    "backbones": (BACKBONES, "`model.backbone`: what reads the input, see [Models](models.md)."),
    "sharing": (
        SHARING,
        "`model.sharing`: what stands between backbone and heads, see [Models](models.md#sharing).",
    ),
}

RECIPE_INTRO = """# Keys of a recipe

A recipe is a YAML file. This page lists every key, its type and its default. A key without a
default must be given. `*` stands for a name that you choose, `text → number` for a mapping from
texts to numbers. An unknown key, a wrong type and a value out of its range are refused before
anything is read, with the nearest valid key.

`--set a.b=value` overrides a key from the command line; the value is YAML. `${NAME}` and
`${NAME:-default}` in any text stand for environment variables. A *block* is a name, such as `mlp`,
or a mapping with its `type` and its options, such as `{type: mlp, hidden: [64]}`; all blocks and
their options are in [Building blocks](blocks.md).
"""

BLOCKS_INTRO = """# Building blocks

Everything that a recipe can name, with its options. `polytask list` prints the names. A block is
written as its name, or as a mapping with `type` and options: `mlp`, or `{type: mlp, hidden:
[64]}`. An option without a default must be given. Where a block is named you can also name a class
of your own, `python:package.module:Class`, see [Your own building blocks](how/own-blocks.md).
"""

COMMANDS_INTRO = """# Commands

Exit codes of every command: 0 done, 1 failed run, 2 wrong input; see [Errors and exit
codes](how/errors.md). Every command has `--help`.
"""


def pages() -> dict[str, str]:
    """File name in ``docs/`` -> what the page must hold."""
    return {
        "recipe.md": _page(RECIPE_INTRO, _recipe()),
        "blocks.md": _page(BLOCKS_INTRO, _blocks()),
        "commands.md": _page(COMMANDS_INTRO, _commands()),
    }


def _page(intro: str, parts: Iterator[str]) -> str:
    return "\n".join([NOTE, intro, *parts]).rstrip("\n") + "\n"


def _recipe() -> Iterator[str]:
    for place, cls in SECTIONS.items():
        title = place if place == "The recipe" else f"`{place}`"
        yield f"## {title} {{#{_anchor(place)}}}\n\n{_sentences(cls)}\n\n{_table(cls, 'key')}"
        if place == "data.*.batch":
            yield "The recipe's own `batch` has the same keys.\n"


def _blocks() -> Iterator[str]:
    for kind, (registry, sentence) in KINDS.items():
        yield f"## {kind}\n\n{sentence}\n"
        for name in registry:
            cls = registry.get(name)
            yield f"### {name} {{#{_anchor(f'{kind}-{name}')}}}\n\n{_sentences(cls)}\n"
            yield _table(cls, "option") if _fields(cls) else "It has no options.\n"
            if name == "schedule":
                yield f"A phase:\n\n{_table(Phase, 'option')}"


def _commands() -> Iterator[str]:
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        given = [p for p in command.params if p.param_type_name == "argument"]
        usage = " ".join(["[options]", *map(_placeholder, given)])
        yield f"## polytask {name}\n\n{command.help}\n"
        yield f"```text\npolytask {name} {usage}\n```\n"
        yield "| argument or option | default | |\n|---|---|---|"
        yield from map(_parameter_row, command.params)
        yield ""


def _placeholder(parameter: Any) -> str:
    """An argument as usage shows it."""
    shown = parameter.name.upper() + ("..." if parameter.nargs != 1 else "")
    return shown if parameter.required else f"[{shown}]"


def _parameter_row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        shown = f"`{_placeholder(parameter)}`"
    else:
        value = parameter.metavar or parameter.name.upper()
        again = " (may be given again)" if parameter.multiple else ""
        flag = max(parameter.opts, key=len)
        shown = f"`{flag}`" if parameter.is_flag else f"`{flag} {value}`{again}"
    default = "" if parameter.default in (None, False, [], ()) else f"`{parameter.default}`"
    told = "required" if parameter.required else default
    return f"| {shown} | {told} | {parameter.help} |"


def _table(cls: type, head: str) -> str:
    """The options of a dataclass, one per line."""
    hints, texts = typing.get_type_hints(cls), _arguments_of(cls)
    lines = [f"| {head} | type | default | |", "|---|---|---|---|"]
    for field in _fields(cls):
        cells = (f"`{field.name}`", _type(hints[field.name]), _default(field), texts[field.name])
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _fields(cls: type) -> list[dataclasses.Field[Any]]:
    """The options that a recipe can give: those that the class documents."""
    fields = [f for f in dataclasses.fields(cls) if f.init and not f.name.startswith("_")]
    # `trust` comes from the command line, never from a recipe.
    return [f for f in fields if f.name != "trust"]


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default_factory is not dataclasses.MISSING:
        value = field.default_factory()
    elif field.default is dataclasses.MISSING:
        return ""
    else:
        value = field.default
    if dataclasses.is_dataclass(value):
        return "its defaults"
    return f"`{_yaml(value)}`"


def _yaml(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, str):
        return repr(value).replace("'", '"') if not value.strip(" \t") or value in ",|" else value
    return "{}" if value == {} else str(value)


def _type(hint: Any) -> str:
    """A type in words."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint in _WORDS:
        return _WORDS[hint]
    if dataclasses.is_dataclass(hint):
        return _reference(typing.cast(type, hint))
    if origin is typing.Literal:
        return ", ".join(f"`{choice}`" for choice in arguments)
    if origin in (typing.Union, types.UnionType):
        if set(arguments) - {types.NoneType} == {str, Mapping[str, Any]}:
            return "[block](blocks.md)"
        parts = [_type(part) for part in arguments if part is not types.NoneType]
        narrower = {"integer"} if "number" in parts else set()
        return " or ".join(part for part in dict.fromkeys(parts) if part not in narrower)
    if origin is collections.abc.Mapping:
        return f"{_type(arguments[0])} → {_type(arguments[1])}"
    if origin in (tuple, list, collections.abc.Sequence):
        if len(arguments) == 2 and arguments[1] is not Ellipsis:
            return f"[{', '.join(map(_type, arguments))}]"
        return f"list of {_plural(_type(arguments[0]))}"
    raise TypeError(f"no words for the type {hint!r}")


def _plural(words: str) -> str:
    return f"{words}s" if words in ("integer", "number", "label", "value", "text") else words


_WORDS: Mapping[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    Any: "any",
    bool | int | float | str: "label",
    str | int | float: "value",
}


def _reference(cls: type) -> str:
    for place, section in SECTIONS.items():
        if section is cls:
            return f"[mapping](#{_anchor(place)})"
    return "mapping"


def _anchor(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _sentences(cls: type) -> str:
    """The documentation of a class up to the first section."""
    text = inspect.getdoc(cls) or ""
    return _plain(re.split(r"\n(?=[A-Z][A-Za-z ]*:\n)", text)[0].strip())


def _arguments_of(cls: type) -> Mapping[str, str]:
    """Field -> its text in the section Args of the class, or of the class that it comes from."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found.update(_section(base.__dict__.get("__doc__") or ""))
    return {name: _plain(text).replace("|", r"\|") for name, text in found.items()}


def _section(doc: str) -> Mapping[str, str]:
    match = re.search(r"^Args:\n(.*?)(?=^\S|\Z)", inspect.cleandoc(doc), re.MULTILINE | re.DOTALL)
    if match is None:
        return {}
    items = re.split(r"^ {4}(?=\w+: )", match[1], flags=re.MULTILINE)[1:]
    pairs = (item.partition(": ") for item in items)
    return {name: " ".join(text.split()) for name, _, text in pairs}


def _plain(text: str) -> str:
    """Literals as Markdown writes them, and names of classes without their packages."""
    text = re.sub(r" Default:? .*\.$", "", text.replace("``", "`"))  # the table has a column for it
    for python, yaml in (("None", "null"), ("True", "true"), ("False", "false")):
        text = re.sub(rf"\b{python}\b", f"`{yaml}`", text)
    return re.sub(r"`polytask\.[\w.]+\.([A-Z]\w+)`", r"`\1`", text)


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
