"""The paper's values beside ours, for networks of the paper's kind: shown, never used in computing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class Comparison:
    """One published value beside ours.

    Attributes:
        what: of what, in the words of the record.
        published: as it is printed.
        where: in the source.
        ours: None where this network has no such value.
        same: whether ours rounds to the printed digits.
        why: why ours may differ, or that it is not explained; "" where nothing is to be said.
    """

    what: str
    published: str
    where: str
    ours: float | None
    same: bool
    why: str = ""

    @property
    def difference(self) -> float | None:
        """Ours relative to the published value, less 1."""
        return None if self.ours is None else self.ours / float(self.published) - 1


def published_source() -> str:
    """What the values are from."""
    return _data()["source"]


def published_keys() -> list[int]:
    """The published run's key frequencies."""
    return list(_data()["keys"])


def comparisons(record: Mapping[str, Any], spec: Mapping[str, Any]) -> list[Comparison]:
    """Every published value beside ours; empty unless task and model are the paper's.

    Another seed has other frequencies and its own numbers: the published run is one of many.

    Args:
        record: a circuit as JSON.
        spec: of the run.
    """
    data = _data()
    for part in ("task", "model"):
        there = spec.get(part)
        if not isinstance(there, Mapping) or any(there.get(key) != value for key, value in data[part].items()):
            return []
    return [_comparison(value, record) for value in data["values"]]


def _comparison(value: Mapping[str, Any], record: Mapping[str, Any]) -> Comparison:
    what, ours = _ours(value, record)
    if not isinstance(ours, int | float) or not math.isfinite(ours):
        ours = None
    same = ours is not None and _rounds(ours, value["published"])
    return Comparison(what, value["published"], value["where"], ours, same, value.get("why", ""))


def _ours(value: Mapping[str, Any], record: Mapping[str, Any]) -> tuple[str, Any]:
    if "number" in value:
        return value["number"], record["numbers"].get(value["number"])
    if "ablation" in value:
        found = [a["score"] for a in record["ablations"] if a["name"] == value["ablation"]]
        return f"{value['ablation']}: {value['score']}", found[0].get(value["score"]) if found else None
    rows = record["tables"].get(value["table"], [])
    found = [row for row in rows if all(row.get(key) == wanted for key, wanted in value["row"].items())]
    named = ", ".join(f"{key} {wanted}" for key, wanted in value["row"].items())
    return f"{value['table']} {named}: {value['column']}", found[0].get(value["column"]) if found else None


def _rounds(ours: float, printed: str) -> bool:
    """Whether a number rounds to the printed digits.

    >>> _rounds(2.41215e-7, "2.4122e-7"), _rounds(0.9349, "0.935"), _rounds(0.92, "0.935")
    (True, True, False)
    """
    wanted = Decimal(printed)
    return abs(Decimal(ours) - wanted) <= Decimal(5).scaleb(int(wanted.as_tuple().exponent) - 1)


@cache
def _data() -> dict[str, Any]:
    return json.loads((files("latebloom.analysis.circuits") / "published.json").read_text("utf-8"))
