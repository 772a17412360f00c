"""A file of forks: several changes, each at its moments, for one command, one table and one figure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latebloom.errors import LatebloomError
from latebloom.forks.asked import Asked
from latebloom.forks.changes import Change, told_apart
from latebloom.forks.operation import surgery_named
from latebloom.spec import Fault, SpecError, suggestion
from latebloom.store import Run

KNOWN = ("question", "at", "steps", "recorded", "change")
KNOWN_OF_CHANGE = ("name", "at", "steps", "set", "surgery", "reset_optimiser")


@dataclass(frozen=True)
class Plan:
    """What a file asks for.

    Attributes:
        question: what it is to answer.
        parts: one for each change.
    """

    question: str
    parts: tuple[Asked, ...]


def read_plan(path: Path, parents: tuple[Run, ...]) -> Plan:
    """Reads a file of forks.

    ```
    question = "What does decay do after memorising?"
    at = ["memorised", "grokked", 5000]      # events and steps
    steps = 2000                             # after each fork; else up to the parent's last
    recorded = {"checkpoints.every" = 1000}  # of forks and twins alike

    [[change]]
    name = "no decay"
    set = {"optim.weight_decay" = 0}

    [[change]]                               # with moments and steps of its own
    surgery = "remove-frequencies"           # or a table with a name
    at = ["grokked"]
    steps = 500
    ```

    Args:
        path: the file.
        parents: the runs that are forked.

    Raises:
        LatebloomError: it cannot be read, or is no TOML.
        SpecError: with every fault of the file.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise LatebloomError(f"{path} could not be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LatebloomError(f"{path}: expected TOML, got a syntax error: {error}") from error
    faults = [Fault(key, f"no such field{suggestion(key, KNOWN)}") for key in table if key not in KNOWN]
    changes = table.get("change")
    if not isinstance(changes, list) or not changes or not all(isinstance(one, dict) for one in changes):
        faults.append(Fault("change", "expected tables of what is changed: [[change]]"))
        changes = []
    recorded = _settings(table.get("recorded", {}), "recorded", faults)
    wrong = told_apart(recorded)[0]
    faults += [Fault(f"recorded.{path}", "expected a field of log or checkpoints") for path in wrong]
    parts = [_part(one, f"change.{n}", table, recorded, parents, faults) for n, one in enumerate(changes, start=1)]
    if faults:
        raise SpecError(faults)
    return Plan(str(table.get("question", "")), tuple(parts))


def _part(
    one: dict[str, Any],
    where: str,
    table: Mapping[str, Any],
    recorded: dict[str, Any],
    parents: tuple[Run, ...],
    faults: list[Fault],
) -> Asked:
    unknown = [key for key in one if key not in KNOWN_OF_CHANGE]
    faults += [Fault(f"{where}.{key}", f"no such field{suggestion(key, KNOWN_OF_CHANGE)}") for key in unknown]
    moments, steps = one.get("at", table.get("at")), one.get("steps", table.get("steps"))
    if not isinstance(moments, list) or not moments or not all(_is_moment(moment) for moment in moments):
        faults.append(Fault(f"{where}.at", f"expected a list of events and steps, got {moments!r}"))
        moments = []
    if steps is not None and (not isinstance(steps, int) or isinstance(steps, bool) or steps < 1):
        faults.append(Fault(f"{where}.steps", f"expected a whole number of steps after the fork, got {steps!r}"))
        steps = None
    settings = _settings(one.get("set", {}), f"{where}.set", faults)
    surgery, reset, name = one.get("surgery"), one.get("reset_optimiser", False), one.get("name", "")
    if isinstance(surgery, str):
        try:
            surgery = surgery_named(surgery)
        except LatebloomError as error:
            faults.append(Fault(f"{where}.surgery", str(error)))
    if not isinstance(surgery, dict | None) or not isinstance(reset, bool) or not isinstance(name, str):
        faults.append(
            Fault(where, "expected a name as text, a surgery as text or a table, reset_optimiser true or false")
        )
        return Asked(parents, (), ())
    changed, also = told_apart(settings)
    change = Change(changed, surgery if isinstance(surgery, dict) else None, reset, name)
    return Asked(parents, tuple(map(str, moments)), (change,), steps, recorded | also)


def _is_moment(moment: Any) -> bool:
    return (isinstance(moment, str) and bool(moment)) or (isinstance(moment, int) and not isinstance(moment, bool))


def _settings(table: Any, where: str, faults: list[Fault]) -> dict[str, Any]:
    if not isinstance(table, dict):
        faults.append(Fault(where, f"expected a table of fields, got {table!r}"))
        return {}
    return dict(_flat(table))


def _flat(table: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested tables by path: `set.optim.lr = 0.1` is `"optim.lr" = 0.1`."""
    for key, value in table.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value
