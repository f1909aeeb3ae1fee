"""The command line: ``fastcheck check FILE.py``, and what else ``fastcheck --help`` names."""

from fastcheck.cli.running import main

__all__ = ["main"]
