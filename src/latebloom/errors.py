"""The errors that a user is meant to read: one message, no traceback."""

from __future__ import annotations

CODES = {0: "done", 2: "unusable input", 3: "failed runs", 4: "disk full in a sweep", 130: "stopped"}
"""What the command line's exit codes say."""


class LatebloomError(Exception):
    """Something the user typed, or a file held, cannot be used.

    The message says what was expected, what was got and what to do; the command line prints it and exits with `code`,
    one of `CODES`.
    """

    code = 2


def installing(extra: str) -> str:
    """How to get a package that is not there, in an installed latebloom and in a clone: the end of a message."""
    return f"`python -m pip install 'latebloom[{extra}]'`, in a clone `.venv/bin/python -m pip install -e '.[{extra}]'`"
