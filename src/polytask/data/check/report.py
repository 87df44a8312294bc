"""All that the checks have found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from polytask.data.check.finding import LEVELS, Finding, Level

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = ["CheckReport"]


@dataclass(frozen=True)
class CheckReport:
    """All that the checks have found, the worst first.

    Args:
        findings: in any order; they are sorted by level and otherwise stay in their order.

    Example:
        >>> report = CheckReport([Finding(level="error", kind="targets", message="no label")])
        >>> report.ok, report.count("error")
        (False, 1)

    See Also:
        polytask.data.check.render: the same as a table for a terminal.
    """

    findings: tuple[Finding, ...]

    def __init__(self, findings: Iterable[Finding]) -> None:
        ordered = sorted(findings, key=lambda finding: LEVELS.index(finding.level))
        object.__setattr__(self, "findings", tuple(ordered))

    @property
    def ok(self) -> bool:
        """Whether there is no error; warnings and notes do not count."""
        return not self.count("error")

    def of(self, level: Level) -> tuple[Finding, ...]:
        """The findings of one level."""
        return tuple(finding for finding in self.findings if finding.level == level)

    def count(self, level: Level) -> int:
        """Number of findings of one level."""
        return len(self.of(level))

    def to_json(self) -> dict[str, Any]:
        """The report as JSON values."""
        return {
            "ok": self.ok,
            "counts": {level: self.count(level) for level in LEVELS},
            "findings": [asdict(finding) for finding in self.findings],
        }

    def render(self, *, every_note: bool = False) -> RenderableType:
        """The verdict and a table for a terminal; see `polytask.data.check.render.check_view`."""
        from polytask.data.check.render import check_view

        return check_view(self, every_note=every_note)
