"""A matplotlib figure as SVG inside a page: it takes the page's colours and loads nothing."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from polytask.report.html import Markup, tag
from polytask.report.palette import css_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["inline_svg", "quiet_fonts"]


def inline_svg(figure: Figure, *, label: str) -> Markup:
    """The figure as an element of a page.

    Args:
        figure: drawn with the colours of `PAGE`.
        label: what it shows, for readers who do not see it.
    """
    import matplotlib

    stream = io.StringIO()
    # Text stays text: small, searchable, in the reader's font. The salt makes element names differ
    # between the figures of a page, and equal from run to run.
    style: Any = {"svg.fonttype": "none", "svg.hashsalt": label, "font.family": "sans-serif"}
    with matplotlib.rc_context(style), quiet_fonts():
        figure.savefig(stream, format="svg", transparent=True, metadata={"Date": None})
    picture = Markup(_clean(stream.getvalue()))
    return tag("div", picture, class_="figure", role="img", title=label)


def _clean(document: str) -> str:
    """The ``svg`` element alone, without what is meant for other programs."""
    element = document[document.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r' (xmlns(:\w+)?)="[^"]*"', "", element)
    element = re.sub(r'<g id="[a-zA-Z]+\d*_\d+">', "<g>", element)
    # The view box stays and gives the proportions; the page gives the width.
    start, rest = element.split(">", 1)
    element = re.sub(r' (width|height)="[^"]*"', "", start) + ">" + rest
    for colour, name in css_names().items():
        element = element.replace(colour, name)
    return element


@contextmanager
def quiet_fonts() -> Iterator[None]:
    """Inside, matplotlib does not warn of letters that its own font lacks."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield
