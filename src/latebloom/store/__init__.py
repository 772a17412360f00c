"""Runs on disk, live and finished; checkpoints; the index; reading back.

Names are imported when they are first used: to list runs takes no Arrow, and to read them no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latebloom.store.checkpoints import Checkpoint, load_params
    from latebloom.store.faults import BusyError, CheckpointError, StoreError, no_space
    from latebloom.store.gathered import gather
    from latebloom.store.index import Index, RunRow
    from latebloom.store.layout import Layout
    from latebloom.store.listed import runs_at
    from latebloom.store.origin import Origin, history_of, read_origin, write_origin
    from latebloom.store.run import Run, open_run
    from latebloom.store.status import State, Status
    from latebloom.store.study import Study, frame_of, open_study
    from latebloom.store.study_file import Axis, StudyFile, StudyRun, read_study, write_study
    from latebloom.store.writer import RunWriter

_WHERE = {
    "Axis": "study_file",
    "BusyError": "faults",
    "Checkpoint": "checkpoints",
    "CheckpointError": "faults",
    "Index": "index",
    "Layout": "layout",
    "Origin": "origin",
    "Run": "run",
    "RunRow": "index",
    "RunWriter": "writer",
    "State": "status",
    "Status": "status",
    "StoreError": "faults",
    "Study": "study",
    "StudyFile": "study_file",
    "StudyRun": "study_file",
    "frame_of": "study",
    "gather": "gathered",
    "history_of": "origin",
    "load_params": "checkpoints",
    "no_space": "faults",
    "open_run": "run",
    "open_study": "study",
    "read_origin": "origin",
    "read_study": "study_file",
    "runs_at": "listed",
    "write_origin": "origin",
    "write_study": "study_file",
}

__all__ = [
    "Axis",
    "BusyError",
    "Checkpoint",
    "CheckpointError",
    "Index",
    "Layout",
    "Origin",
    "Run",
    "RunRow",
    "RunWriter",
    "State",
    "Status",
    "StoreError",
    "Study",
    "StudyFile",
    "StudyRun",
    "frame_of",
    "gather",
    "history_of",
    "load_params",
    "no_space",
    "open_run",
    "open_study",
    "read_origin",
    "read_study",
    "runs_at",
    "write_origin",
    "write_study",
]


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
