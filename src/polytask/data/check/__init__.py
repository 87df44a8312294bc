"""What is wrong, or worth knowing, about data before training? A file per check."""

from polytask.data.check.check import check
from polytask.data.check.finding import LEVELS, Finding, Level
from polytask.data.check.report import CheckReport

__all__ = ["LEVELS", "CheckReport", "Finding", "Level", "check"]
