"""From a study to its runs: every cell of the grid with every seed, each a checked spec."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latebloom.errors import LatebloomError
from latebloom.spec import Fault, RunSpec, SpecError, put, resolve
from latebloom.store import Axis, StudyFile, StudyRun
from latebloom.studies.study import MOST_VALUES, Excluded, Study, StudyError, StudyFault, read_study_toml

Cell = dict[str, Any]
"""The value on each axis, by the axis' name."""


@dataclass(frozen=True)
class Plan:
    """An expanded study: what is stored of it, and the spec of each run by its id, in the order they are taken up."""

    file: StudyFile
    specs: dict[str, RunSpec]


def cells_of(axes: tuple[Axis, ...], exclude: tuple[Excluded, ...] = ()) -> list[Cell]:
    """Every combination of the axes' values that no entry of `exclude` leaves out; the last axis varies fastest."""
    cells = []
    for values in itertools.product(*(axis.values for axis in axes)):
        settings = {
            path: v for axis, value in zip(axes, values, strict=True) for path, v in axis.settings(value).items()
        }
        if not any(all(_holds(settings.get(path), asked) for path, asked in entry) for entry in exclude):
            cells.append({axis.name: value for axis, value in zip(axes, values, strict=True)})
    return cells


def _holds(value: Any, asked: Any) -> bool:
    if isinstance(asked, dict):
        number = isinstance(value, int | float)
        return number and value < asked.get("below", float("inf")) and value > asked.get("above", float("-inf"))
    return value in asked if isinstance(asked, list) else value == asked


def plan_of(path: Path) -> Plan:
    """Every run of a study's file.

    Raises:
        LatebloomError: the file cannot be read.
        StudyError: with every fault of the file and of the cells.
    """
    study, faults = read_study_toml(path)
    try:
        if study.base and study.seeds:
            plan = expand(study)
            if not faults:
                return plan
    except StudyError as error:
        faults += error.faults
    raise StudyError(faults)


def expand(study: Study) -> Plan:
    """Every run of a study.

    One seed of all cells comes before the next one, so that the whole grid shows early.

    Raises:
        StudyError: with every fault of every cell, or when there is nothing to run.
    """
    size = len(study.seeds)
    for axis in study.axes:
        size *= len(axis.values)
    if size > MOST_VALUES:
        raise StudyError([StudyFault("axes", f"expected at most {MOST_VALUES:,} runs, got {size:,}")])
    cells = cells_of(study.axes, study.exclude)
    if not cells:
        raise StudyError([StudyFault("exclude", "expected cells to be left, got none: every one is excluded")])
    file = StudyFile(study.name, study.question, study.base, study.axes, study.seeds, ())
    specs: dict[str, RunSpec] = {}
    runs: list[StudyRun] = []
    wrong: list[tuple[Cell, Fault]] = []
    for seed, cell in itertools.product(study.seeds, cells):
        try:
            spec = resolve(put(study.base, {"seed": seed} | file.settings(cell)))
        except SpecError as error:
            wrong += [(cell, fault) for fault in error.faults]
            continue
        except LatebloomError as error:
            wrong.append((cell, Fault("", str(error))))
            continue
        if spec.run_id in specs:
            twin = next(run.cell for run in runs if run.id == spec.run_id)
            wrong.append((cell, Fault("axes", f"the same run as with {described(twin)}: an axis changes nothing")))
            continue
        specs[spec.run_id] = spec
        runs.append(StudyRun(spec.run_id, cell, seed))
    if wrong:
        raise StudyError(_grouped(wrong))
    return Plan(StudyFile(study.name, study.question, study.base, study.axes, study.seeds, tuple(runs)), specs)


def described(cell: Cell) -> str:
    """A cell in words: `optim.lr = 0.001, split.fraction = 0.3`."""
    return ", ".join(f"{name} = {value}" for name, value in cell.items()) or "the only cell"


def _grouped(wrong: list[tuple[Cell, Fault]]) -> list[StudyFault]:
    """One fault for each thing that is wrong, with what its cells have in common."""
    groups: dict[Fault, list[Cell]] = {}
    for cell, fault in wrong:
        if cell not in groups.setdefault(fault, []):
            groups[fault].append(cell)
    found = []
    for fault, cells in groups.items():
        shared = {name: value for name, value in cells[0].items() if all(cell[name] == value for cell in cells)}
        many = f"in {len(cells)} cells" + (f", all with {described(shared)}" if shared else "")
        found.append(StudyFault(fault.path, fault.message, described(cells[0]) if len(cells) == 1 else many))
    return found
