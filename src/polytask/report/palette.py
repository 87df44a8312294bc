"""The colours of figures, on paper and inside a page that may be light or dark."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["PAGE", "PAPER", "WIDTH", "Palette", "css_names"]

WIDTH = 9.0
"""Of all figures in inches: their text is then about as large as that of the page."""


@dataclass(frozen=True)
class Palette:
    """Blue and orange stay apart for every kind of colour blindness (Okabe and Ito, 2008).

    Args:
        ink: text and axes.
        faint: grid, and what is unchanged.
        multi: multi-task models, and what they helped.
        single: single-task models, and what was hurt.
    """

    ink: str
    faint: str
    multi: str
    single: str


PAPER = Palette(ink="#222222", faint="#8a8a8a", multi="#0072b2", single="#d55e00")
"""For a picture on white."""

PAGE = Palette(ink="#010201", faint="#010202", multi="#010203", single="#010204")
"""Stand-ins inside an SVG, replaced by the page's own colours."""


def css_names() -> dict[str, str]:
    """Stand-in colour -> the CSS variable that takes its place."""
    return {colour: f"var(--{name})" for name, colour in asdict(PAGE).items()}
