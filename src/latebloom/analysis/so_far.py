"""Events of runs under way: a run's events are stored when it ends or is stopped, and until then its log tells them."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from latebloom.analysis.timeline import find_events
from latebloom.errors import LatebloomError
from latebloom.store import Layout, Run, RunRow
from latebloom.store.live import segments

UNFINISHED = ("running", "interrupted", "stopped")
"""States in which an event that was not found may still come."""

UNTOLD = ("running", "interrupted")
"""States in which no events are stored."""

Stamp = tuple[tuple[int, int], ...]


def with_events_so_far(root: Path, row: RunRow) -> RunRow:
    """A run as it is listed, with the events that its log tells so far where none are stored.

    Args:
        root: the runs folder.
        row: one of its runs.

    Returns:
        The row itself for a run that has ended or was stopped, and where the log tells nothing.
    """
    if row.state not in UNTOLD:
        return row
    folder = root / row.folder
    try:
        stamp = tuple((number, path.stat().st_size) for number, path in segments(Layout(folder).live))
        return replace(row, events=_events(folder, stamp))
    except (LatebloomError, OSError):  # damaged, or finished at this very moment: the next look tells
        return row


# A list is looked at again every few seconds, and most logs have not grown meanwhile.
@lru_cache(maxsize=1024)
def _events(folder: Path, stamp: Stamp) -> list[dict[str, Any]]:
    scalars = Run(folder).scalars if stamp else None
    if scalars is None or not scalars.height or scalars["run"].n_unique() > 1:
        return []
    return [event.to_json() for event in find_events(scalars)]
