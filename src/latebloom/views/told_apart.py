"""What tells the runs of one folder apart: the fields of their specs that differ, but for the seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latebloom.store import RunRow

SAME = ("seeds", "sources", "fork.parent", "fork.source", "log", "checkpoints", "stop")
"""Parts of a spec that are told elsewhere, or that do not change what is trained."""

MOST = 4
"""Fields that are told of a run; more would bury what it is."""


def told_apart(rows: Sequence[RunRow]) -> list[str]:
    """For each run the fields, with their values, in which some run of the same folder has another: "optim.lr=0.01"."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    flat = [dict(_flat(row.spec)) for row in rows]
    for row, fields in zip(rows, flat, strict=True):
        groups[row.folder.rpartition("/")[0]].append(fields)
    differ = {group: _differing(members) for group, members in groups.items()}
    return [_told(fields, differ[row.folder.rpartition("/")[0]]) for row, fields in zip(rows, flat, strict=True)]


def _differing(members: list[dict[str, Any]]) -> list[str]:
    paths = dict.fromkeys(path for fields in members for path in fields)
    return [path for path in paths if any(fields.get(path) != members[0].get(path) for fields in members[1:])]


def _told(fields: dict[str, Any], differ: list[str]) -> str:
    known = [f"{path}={_said(fields[path])}" for path in differ if path in fields]
    return ", ".join([*known[:MOST], *["…"] * (len(known) > MOST)])


def _said(value: Any) -> str:
    return {"True": "true", "False": "false", "None": "none"}.get(str(value), str(value))


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        path = f"{before}{key}"
        if path in SAME:
            continue
        if isinstance(value, dict):
            yield from _flat(value, f"{path}.")
        else:
            yield path, value
