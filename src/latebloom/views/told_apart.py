"""What tells the runs of one folder apart: the fields of their specs that differ, but for the seeds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latebloom.store import RunRow

SAME = ("seeds", "sources", "fork.parent", "fork.step", "fork.source", "log", "checkpoints", "stop")
"""Parts of a spec that are told elsewhere, or that do not change what is trained."""

MOST = 4
"""Fields that are told of a run; more would bury what it is."""


def told_apart(rows: Sequence[RunRow]) -> list[str]:
    """For each run the fields, with their values, in which some run of the same folder has another: "optim.lr=0.01"."""
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    flat = [dict(fields_of(row.spec)) for row in rows]
    for row, fields in zip(rows, flat, strict=True):
        groups[row.folder.rpartition("/")[0]].append(fields)
    differ = {group: differing(members) for group, members in groups.items()}
    return [_told(fields, differ[row.folder.rpartition("/")[0]]) for row, fields in zip(rows, flat, strict=True)]


def differing(members: Sequence[Mapping[str, Any]]) -> list[str]:
    """The paths at which some of these fields differ, or are not there, in the order in which they come."""
    paths = dict.fromkeys(path for fields in members for path in fields)
    return [path for path in paths if any(fields.get(path) != members[0].get(path) for fields in members[1:])]


def _told(fields: dict[str, Any], differ: list[str]) -> str:
    known = [f"{path}={said(fields[path])}" for path in differ if path in fields]
    return ", ".join([*known[:MOST], *["…"] * (len(known) > MOST)])


def said(value: Any) -> str:
    """A field's value as TOML and command lines write it, but for none."""
    return {"True": "true", "False": "false", "None": "none"}.get(str(value), str(value))


def fields_of(table: Mapping[str, Any], same: Sequence[str] = SAME, before: str = "") -> Iterator[tuple[str, Any]]:
    """The fields of a spec by path, without the parts `same`."""
    for key, value in table.items():
        path = f"{before}{key}"
        if path in same:
            continue
        if isinstance(value, dict):
            yield from fields_of(value, same, f"{path}.")
        else:
            yield path, value
