"""The run that ships with the package, so that the first page of a fresh install is not empty.

It lies beside this file as `latebloom run` stores one, but for what `scripts/example.py` leaves out; its provenance
says what that is. It is read, never written.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from latebloom.store import Run, RunRow
from latebloom.store.layout import run_folders

GROUP = "latebloom-example"
"""The example's group, under which no run of the user's is looked for."""

ROOT = Path(__file__).parent / "shipped"


@cache
def example_row() -> RunRow | None:
    """The example as it is listed; None where a package was built without it."""
    return next((RunRow.of(ROOT, folder) for folder in run_folders(ROOT)), None)


def example_run() -> Run | None:
    """The example; None where a package was built without it."""
    row = example_row()
    return None if row is None else Run(ROOT / row.folder)
