"""`study.toml`: a question, a base, axes and seeds, as a checked record; every fault of the file at once."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latebloom.errors import LatebloomError
from latebloom.spec import canonical, put, read, suggestion
from latebloom.store import Axis

KNOWN = ("name", "question", "base", "set", "axes", "zipped", "exclude", "seeds", "measures")
RANGE = ("from", "to", "step", "count", "scale")
MOST_VALUES = 100_000
"""Values of an axis, seeds, or runs of a study: more are a slip of the pen."""

Excluded = tuple[tuple[str, Any], ...]
"""Conditions on fields by path that must all hold: a value, a list of values, or a table with `below` or `above`."""


@dataclass(frozen=True)
class StudyFault:
    """One thing wrong with a study: where, what, and in which cells."""

    path: str
    message: str
    cell: str = ""

    def __str__(self) -> str:
        where = f" ({self.cell})" if self.cell else ""
        return f"{self.path}: {self.message}{where}" if self.path else f"{self.message}{where}"


class StudyError(LatebloomError):
    """A study that cannot be run, with every fault found."""

    def __init__(self, faults: list[StudyFault]) -> None:
        self.faults = faults
        head = "the study has a fault" if len(faults) == 1 else f"the study has {len(faults)} faults"
        super().__init__("\n".join([f"{head}:", *(f"  {fault}" for fault in faults)]))


@dataclass(frozen=True)
class Study:
    """A study before it is expanded.

    Attributes:
        name: of its folder in the runs folder.
        question: what it is to answer, in a sentence.
        base: the table of a spec that axes and seeds are set in.
        axes: what varies.
        exclude: cells that are left out: those that fulfil all conditions of one entry.
        seeds: each cell is run with each.
    """

    name: str
    question: str
    base: dict[str, Any]
    axes: tuple[Axis, ...]
    exclude: tuple[Excluded, ...]
    seeds: tuple[int, ...]


def read_study_toml(path: Path) -> tuple[Study, list[StudyFault]]:
    """Reads a study's file: the study as far as it can be understood, and every fault of the file.

    Raises:
        LatebloomError: it cannot be read, or is no TOML.
    """
    try:
        table = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise LatebloomError(f"{path} could not be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LatebloomError(f"{path}: expected TOML, got a syntax error: {error}") from error
    return study_from(table, path)


def study_from(table: dict[str, Any], path: Path) -> tuple[Study, list[StudyFault]]:
    """A study from the table of its file, and the table's faults; what is faulty is left out.

    Args:
        table: as the file holds it.
        path: of the file, for the default name and the place of a base file.
    """
    faults = [StudyFault(key, f"no such field{suggestion(key, KNOWN)}") for key in table if key not in KNOWN]
    name = table.get("name", path.stem.lower().replace("_", "-").replace(" ", "-"))
    if not isinstance(name, str) or not _is_name(name):
        faults.append(StudyFault("name", f"expected lower-case letters, digits and hyphens, got {name!r}"))
    question = table.get("question", "")
    if not isinstance(question, str):
        faults.append(StudyFault("question", f"expected a sentence, got {question!r}"))
    base = _base(table, path.parent, faults)
    axes = (*_axes(table.get("axes", {}), faults), *_zipped(table.get("zipped", {}), faults))
    _check_paths(axes, faults)
    exclude = tuple(_exclude(table.get("exclude", []), axes, faults))
    seeds = _seeds(table.get("seeds", 1), faults)
    return Study(str(name), str(question), base, axes, exclude, seeds), faults


def _is_name(name: str) -> bool:
    letters = set("abcdefghijklmnopqrstuvwxyz0123456789-")
    return 0 < len(name) <= 80 and set(name) <= letters and not name.startswith("-")


def _base(table: dict[str, Any], folder: Path, faults: list[StudyFault]) -> dict[str, Any]:
    source, changes = table.get("base"), table.get("set", {})
    if not isinstance(source, str):
        faults.append(StudyFault("base", f"expected a preset's name or a spec file, got {source!r}"))
        return {}
    try:
        base = read(str(folder / source) if source.endswith(".toml") else source)[1]
    except LatebloomError as error:
        faults.append(StudyFault("base", str(error)))
        return {}
    if not isinstance(changes, dict):
        faults.append(StudyFault("set", f"expected a table of fields, got {changes!r}"))
        return base
    flat = {canonical(key): value for key, value in _flat(changes)}
    if "measures" in table:
        flat["log.measures"] = table["measures"]
    try:
        return put(base, flat)
    except LatebloomError as error:
        faults.append(StudyFault("set", str(error)))
        return base


def _flat(table: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested tables by path; a table that is a range is a leaf."""
    for key, value in table.items():
        if isinstance(value, dict) and value and not _is_range(value):
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value


def _is_range(table: dict[str, Any]) -> bool:
    return "from" in table or "to" in table


def _axes(table: Any, faults: list[StudyFault]) -> list[Axis]:
    if not isinstance(table, dict):
        faults.append(StudyFault("axes", f"expected a table of fields with their values, got {table!r}"))
        return []
    found = []
    for key, given in _flat(table):
        values = _values(f"axes.{key}", given, faults)
        if values:
            found.append(Axis(canonical(key), (canonical(key),), values))
    return found


def _zipped(table: Any, faults: list[StudyFault]) -> list[Axis]:
    """Axes of several fields that vary together, by the axis' name."""
    if not isinstance(table, dict) or not all(isinstance(part, dict) for part in table.values()):
        faults.append(StudyFault("zipped", "expected named tables of fields with their values: [zipped.width]"))
        return []
    found = []
    for name, part in table.items():
        where = f"zipped.{name}"
        columns = {canonical(key): _values(f"{where}.{key}", given, faults, once=False) for key, given in _flat(part)}
        lengths = {len(values) for values in columns.values()}
        if len(columns) < 2:
            faults.append(StudyFault(where, f"expected at least two fields that vary together, got {len(columns)}"))
        elif len(lengths) > 1 and 0 not in lengths:
            told = ", ".join(f"{len(values)} for {path}" for path, values in columns.items())
            faults.append(StudyFault(where, f"expected equally many values for each field, got {told}"))
        elif 0 not in lengths:
            rows = [list(row) for row in zip(*columns.values(), strict=True)]
            if len(set(map(repr, rows))) < len(rows):
                faults.append(StudyFault(where, "expected each combination once, got one twice"))
            found.append(Axis(name, tuple(columns), tuple(rows)))
    return found


def _values(path: str, given: Any, faults: list[StudyFault], once: bool = True) -> tuple[Any, ...]:
    """The values of a list or a range; none where it has a fault. `once`: no value may be there twice."""
    try:
        values = _range(given) if isinstance(given, dict) else given
        if not isinstance(values, list) or not values:
            raise ValueError(f"expected a list of values or a range {{from = …, to = …, count = …}}, got {given!r}")
        if once and len(set(map(repr, values))) < len(values):
            raise ValueError(f"expected each value once, got {given!r}")
    except ValueError as error:
        faults.append(StudyFault(path, str(error)))
        return ()
    return tuple(values)


def _range(table: dict[str, Any]) -> list[float]:
    """The values of `{from, to, step}` or `{from, to, count, scale = "linear" or "log"}`, both ends included."""
    unknown = [key for key in table if key not in RANGE]
    if unknown:
        raise ValueError(f"no such field {unknown[0]}{suggestion(unknown[0], RANGE)}")
    for key in RANGE[:4]:
        value = table.get(key, 1)
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise ValueError(f"expected a number for {key}, got {value!r}")
    if "from" not in table or "to" not in table or ("step" in table) == ("count" in table):
        raise ValueError(f"expected from, to, and either step or count, got {', '.join(table) or 'nothing'}")
    first, last, scale = table["from"], table["to"], table.get("scale", "linear")
    if scale not in ("linear", "log"):
        raise ValueError(f"expected the scale linear or log, got {scale!r}")
    if "step" in table:
        if scale == "log" or table["step"] * (last - first) <= 0:
            raise ValueError("expected a step that leads from `from` to `to` (on a log scale give count)")
        count = int((last - first) / table["step"] + 1e-9) + 1
        last = first + (count - 1) * table["step"]
    else:
        count = table["count"]
        if not isinstance(count, int) or count < 2:
            raise ValueError(f"expected a whole count ≥ 2, got {count!r}")
    if count > MOST_VALUES:
        raise ValueError(f"expected at most {MOST_VALUES:,} values, got {count:,}")
    return _between(first, last, count, scale)


def _between(first: float, last: float, count: int, scale: str) -> list[float]:
    if scale == "log" and not (first > 0 and last > 0):
        raise ValueError("expected positive ends on a log scale")
    values = []
    for share in (i / (count - 1) for i in range(count)) if count > 1 else [0.0]:
        value = first * (last / first) ** share if scale == "log" else first + (last - first) * share
        # 0.1 + 2 × 0.1 is to be 0.3: twelve digits are what a person writes at most
        values.append(float(f"{value:.12g}"))
    if isinstance(first, int) and isinstance(last, int) and all(value == round(value) for value in values):
        return [round(value) for value in values]
    return values


def _check_paths(axes: tuple[Axis, ...], faults: list[StudyFault]) -> None:
    owners: dict[str, str] = {}
    for axis in axes:
        for path in axis.paths:
            if path in ("seed", "seeds"):
                faults.append(StudyFault(path, "expected the seeds of a study under `seeds`, not on an axis"))
            elif path in owners:
                faults.append(
                    StudyFault(path, f"expected one axis for a field, got two: {owners[path]} and {axis.name}")
                )
            owners[path] = axis.name
    names = [axis.name for axis in axes]
    faults += [
        StudyFault(name, "expected different names of axes, got this one twice")
        for name in {*names}
        if names.count(name) > 1
    ]


def _exclude(entries: Any, axes: tuple[Axis, ...], faults: list[StudyFault]) -> Iterator[Excluded]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) and entry for entry in entries):
        faults.append(StudyFault("exclude", "expected tables of fields with the values to leave out: [[exclude]]"))
        return
    known = [path for axis in axes for path in axis.paths]
    for number, entry in enumerate(entries):
        where = f"exclude.{number}"
        conditions = [(canonical(key), value) for key, value in _conditions(entry)]
        for path, value in conditions:
            if path not in known:
                faults.append(StudyFault(f"{where}.{path}", f"no axis sets this field{suggestion(path, known)}"))
            if isinstance(value, dict) and not all(isinstance(bound, int | float) for bound in value.values()):
                faults.append(StudyFault(f"{where}.{path}", f"expected numbers as bounds, got {value!r}"))
        yield tuple(conditions)


def _conditions(table: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        if isinstance(value, dict) and not (value and value.keys() <= {"below", "above"}):
            yield from _conditions(value, f"{before}{key}.")
        else:
            yield before + key, value


def _seeds(given: Any, faults: list[StudyFault]) -> tuple[int, ...]:
    """So many seeds from 0 on, or those that are listed; none where they have a fault."""
    whole = isinstance(given, int) and not isinstance(given, bool) and 0 < given <= MOST_VALUES
    seeds: list[Any] = list(range(given)) if whole else given if isinstance(given, list) else []
    sound = all(isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < 2**32 for seed in seeds)
    if not sound or not seeds or len(set(seeds)) < len(seeds):
        faults.append(StudyFault("seeds", f"expected how many, or a list of different seeds ≥ 0, got {given!r}"))
        return ()
    return tuple(seeds)
