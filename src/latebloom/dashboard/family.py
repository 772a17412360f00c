"""A run's forks: those of itself, or its sisters', with their twins, to be looked at side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from latebloom.analysis.forked import twin_named
from latebloom.dashboard.listing import event_step
from latebloom.dashboard.place import NotThereError, Place
from latebloom.errors import LatebloomError
from latebloom.store import Index, Run, RunRow

MOST = 200
"""Forks that are listed."""


def forks_of(place: Place, run: Run, root: Path) -> dict[str, Any]:
    """The forks of the run that a run was forked from, or else of the run itself.

    Returns:
        `parent`: the folder of the run that was forked, None where it is not below the root; `forks`: of each its
        folder, twin, step, the event that it is named by, what was changed, and the steps at which it memorised and
        grokked; `found`: how many there are.
    """
    rows = Index(root).runs()
    identity = _parent(run.spec) or run.id.rpartition("-")[2]
    found = [row for row in rows if identity and _parent(row.spec).startswith(identity)]
    found.sort(key=lambda row: (row.spec["fork"].get("step") or 0, row.folder))
    forks = [_told(place, row) for row in found[:MOST]]
    parent = next((row.folder for row in rows if identity.startswith(row.id.rpartition("-")[2])), None)
    return {"parent": parent, "forks": forks, "found": len(found)}


def _parent(spec: dict[str, Any]) -> str:
    fork = spec.get("fork")
    parent = fork.get("parent") if isinstance(fork, dict) else None
    return parent if isinstance(parent, str) else ""


def _told(place: Place, row: RunRow) -> dict[str, Any]:
    try:
        run = place.run(row.folder)
        fork, twin = run.provenance.get("fork"), twin_named(run)
    except LatebloomError:  # damaged, or removed just now
        fork, twin = None, ""
    facts = fork if isinstance(fork, dict) else {}
    return {
        "folder": row.folder,
        "id": row.id,
        "state": row.state,
        "step": row.spec["fork"].get("step"),
        "event": facts.get("event"),
        "change": facts.get("change") or "nothing changed",
        "twin": _below(place, twin),
        "memorised": event_step(row, "memorised"),
        "grokked": event_step(row, "grokked"),
    }


def twin_below(place: Place, run: Run) -> Run | None:
    """A fork's twin, where it lies below the folder that is served: its name is read from a file, and not trusted."""
    folder = _below(place, twin_named(run))
    return place.run(folder) if folder else None


def _below(place: Place, folder: str) -> str:
    """A folder's name, if a run lies there; "" else."""
    try:
        return folder if place.run(folder) else ""
    except NotThereError:
        return ""
