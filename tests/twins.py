"""Comparing a run that was disturbed with one that was not, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

SESSION_FILES = {"lock", "manifest.json", "status.json", "provenance.json", "report.html"}
"""Files that say when and where a run was made; all others hold its result."""


def result_files(folder: Path) -> dict[str, bytes]:
    """Everything that a run computed, by path."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in files if p.name not in SESSION_FILES}


def assert_twins(one: Path, other: Path) -> None:
    """Log rows, arrays, checkpoints, events and final numbers are the same bits."""
    ours, theirs = result_files(one), result_files(other)
    assert sorted(ours) == sorted(theirs)
    assert {name.split("/")[0] for name in ours} >= {"scalars.parquet", "arrays.zarr", "checkpoints", "events.json"}
    for name, content in ours.items():
        assert content == theirs[name], name
    summaries = [json.loads((folder / "manifest.json").read_text("utf-8"))["summary"] for folder in (one, other)]
    for summary in summaries:
        summary.pop("timing")
    assert summaries[0] == summaries[1]
