"""The list of runs: rows, filters, sorting, pages, and the small curves of those that are shown."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet

from latebloom.analysis.so_far import UNFINISHED, with_events_so_far
from latebloom.dashboard.example import GROUP, example_row
from latebloom.errors import LatebloomError
from latebloom.spec.named import construct
from latebloom.store import Index, Run, RunRow
from latebloom.store.layout import Layout
from latebloom.views import findings
from latebloom.views.thinning import rows_to_keep

PAGE = 50
POINTS = 60
"""Points of a small curve."""

STATES = ("running", "done", "stopped", "interrupted", "failed", "pending")
SMALL = ("train_accuracy", "test_accuracy")

SORTS: dict[str, Callable[[RunRow], Any]] = {
    "run": lambda row: row.folder,
    "state": lambda row: (STATES.index(row.state), row.folder),
    "updated": lambda row: row.updated,
    "step": lambda row: row.last_step or 0,
    "memorised": lambda row: _or_last(event_step(row, "memorised")),
    "grokked": lambda row: _or_last(event_step(row, "grokked")),
}

BY_EVENT = ("memorised", "grokked")


@dataclass(frozen=True)
class Query:
    """What of the list is asked for.

    Attributes:
        text: words that must all occur in the folder's name or in what the run is about.
        state: one of `STATES`, or "" for all.
        group: the folder that holds the run, or "" for all.
        sort: a key of `SORTS`.
        descending: the greatest first.
        page: from 1.
    """

    text: str = ""
    state: str = ""
    group: str = ""
    sort: str = "updated"
    descending: bool = True
    page: int = 1


def list_runs(root: Path, query: Query) -> dict[str, Any]:
    """One page of the list.

    Raises:
        LatebloomError: the query names a state or an order that there is not.
    """
    if query.sort not in SORTS:
        raise LatebloomError(f"expected an order among {', '.join(SORTS)}, got {query.sort!r}")
    if query.state and query.state not in STATES:
        raise LatebloomError(f"expected a state among {', '.join(STATES)}, got {query.state!r}")
    rows = Index(root).runs()
    shipped = example_row()
    if shipped is not None and all(row.folder != shipped.folder for row in rows):
        rows.append(shipped)
    words = query.text.lower().split()
    found = [
        row
        for row in rows
        if (not query.state or row.state == query.state)
        and (not query.group or group_of(row) == query.group)
        and all(word in f"{row.folder} {about(row)}".lower() for word in words)
    ]
    if query.sort in BY_EVENT:
        found = [with_events_so_far(root, row) for row in found]
    found.sort(key=SORTS[query.sort], reverse=query.descending)
    pages = max(1, math.ceil(len(found) / PAGE))
    page = min(max(query.page, 1), pages)
    here = [with_events_so_far(root, row) for row in found[(page - 1) * PAGE : page * PAGE]]
    counts = {state: sum(row.state == state for row in rows) for state in STATES}
    return {
        "total": len(rows),
        "found": len(found),
        "page": page,
        "pages": pages,
        "states": {state: n for state, n in counts.items() if n},
        "groups": sorted({group_of(row) for row in rows}),
        "rows": [_shown(row) for row in here],
    }


def _shown(row: RunRow) -> dict[str, Any]:
    return {
        "folder": row.folder,
        "id": row.id,
        "group": group_of(row),
        "example": group_of(row) == GROUP,
        "state": row.state,
        "updated": row.updated,
        "last_step": row.last_step,
        "total_steps": row.total_steps,
        "error": row.error,
        "about": about(row),
        "memorised": event_step(row, "memorised"),
        "grokked": event_step(row, "grokked"),
        "so_far": row.state in UNFINISHED,
    }


def group_of(row: RunRow) -> str:
    """The folder that holds a run, relative to the root."""
    return row.folder.rpartition("/")[0]


def about(row: RunRow) -> str:
    """Task and set-up in a few words."""
    parts = (task_title(row.spec), findings.setting(row.spec))
    return " · ".join(part for part in parts if part)


def task_title(spec: dict[str, Any]) -> str:
    """The task as it calls itself; name and settings of one that is a file of its user's own, which is not run here."""
    sources = spec.get("sources")
    known = None if isinstance(sources, dict) and "task" in sources else _title(json.dumps(spec.get("task")))
    return known or findings.task_title(spec, {})


@lru_cache(maxsize=4096)
def _title(task: str) -> str | None:
    table = json.loads(task)
    if not isinstance(table, dict) or not re.fullmatch(r"[a-z0-9-]+", str(table.get("name"))):
        return None
    made, faults = construct("task", table, {})
    return None if faults else made.title


def event_step(row: RunRow, name: str) -> int | None:
    """The step of an event; what is not as we write it counts as not found.

    Runs stored before there was "generalised" have it as "grokked".
    """
    if name == "generalised" and not any(event.get("name") == name for event in row.events):
        name = "grokked"
    for event in row.events:
        found = event.get("found")
        if event.get("name") == name and isinstance(found, dict) and isinstance(found.get("step"), int):
            return found["step"]
    return None


def _or_last(step: int | None) -> float:
    return math.inf if step is None else step


def small_curves(run: Run) -> dict[str, list[float | None]]:
    """Train and test accuracy in few points, for the list; empty where there are none, or they are damaged."""
    try:
        step, columns = _finished(run) if Layout(run.folder).scalars.exists() else _live(run)
    except (LatebloomError, OSError, pyarrow.ArrowException, KeyError):
        return {}
    if not len(step) or not columns:
        return {}
    kept = rows_to_keep(step, list(columns.values()), most=POINTS)
    return {"step": step[kept].tolist()} | {
        name: [round(v, 3) if np.isfinite(v) else None for v in column[kept].tolist()]
        for name, column in columns.items()
    }


def _finished(run: Run) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    # without the checksum of the whole file: a small curve is not worth reading it all
    path = Layout(run.folder).scalars
    there = pyarrow.parquet.read_schema(path).names
    table = pyarrow.parquet.read_table(path, columns=["step", *(n for n in SMALL if n in there)])
    return table["step"].to_numpy(), {n: table[n].to_numpy().astype(float) for n in table.column_names if n != "step"}


def _live(run: Run) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    scalars = run.scalars
    return scalars["step"].to_numpy(), {n: scalars[n].to_numpy().astype(float) for n in SMALL if n in scalars.columns}
