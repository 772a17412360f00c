"""Runs on disk, live and finished; checkpoints; the index; reading back.

Names are imported when they are first used: to list runs takes no Arrow, and to read them no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latebloom.store.checkpoints import Checkpoint, load_params
    from latebloom.store.faults import CheckpointError, StoreError
    from latebloom.store.index import Index, RunRow
    from latebloom.store.layout import Layout
    from latebloom.store.run import Run, open_run
    from latebloom.store.status import State, Status
    from latebloom.store.writer import RunWriter

_WHERE = {
    "Checkpoint": "checkpoints",
    "CheckpointError": "faults",
    "Index": "index",
    "Layout": "layout",
    "Run": "run",
    "RunRow": "index",
    "RunWriter": "writer",
    "State": "status",
    "Status": "status",
    "StoreError": "faults",
    "load_params": "checkpoints",
    "open_run": "run",
}

__all__ = [
    "Checkpoint",
    "CheckpointError",
    "Index",
    "Layout",
    "Run",
    "RunRow",
    "RunWriter",
    "State",
    "Status",
    "StoreError",
    "load_params",
    "open_run",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
