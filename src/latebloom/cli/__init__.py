"""The command line: arguments only; each command calls one function.

Everything that needs torch is imported inside the commands, so that `latebloom --help` answers at once.
"""

from latebloom.cli import analyse, claims, compare, figures, fork, interop, lists, phases, run, serve, statistics, sweep
from latebloom.cli.main import main

__all__ = [
    "analyse",
    "claims",
    "compare",
    "figures",
    "fork",
    "interop",
    "lists",
    "main",
    "phases",
    "run",
    "serve",
    "statistics",
    "sweep",
]
