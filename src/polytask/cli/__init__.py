"""The command line: parse, call the library, print."""

from polytask.cli.main import main

__all__ = ["main"]
