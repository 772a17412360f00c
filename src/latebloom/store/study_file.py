"""`study.json`: what a study consists of, written before anything trains and read by all that look at it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from latebloom.store.faults import StoreError, writing
from latebloom.store.layout import checked_name, read_json, write_json

SCHEMA = 1
FILE = "study.json"


@dataclass(frozen=True)
class Axis:
    """What varies, and through which values.

    Attributes:
        name: of the axis; a path where there is one.
        paths: the fields of the spec that it sets; several when they vary together.
        values: one value for each position, or a list of one for each path where there are several.
    """

    name: str
    paths: tuple[str, ...]
    values: tuple[Any, ...]

    def settings(self, value: Any) -> dict[str, Any]:
        """The fields of the spec, by path, at one of the values."""
        return dict(zip(self.paths, value if len(self.paths) > 1 else [value], strict=True))


@dataclass(frozen=True)
class StudyRun:
    """One run of a study: its folder's name, its value on each axis, its seed."""

    id: str
    cell: dict[str, Any]
    seed: int


@dataclass(frozen=True)
class StudyFile:
    """A study as it is stored; `base` is the table of a spec that cells and seeds are set in."""

    name: str
    question: str
    base: dict[str, Any]
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    runs: tuple[StudyRun, ...]

    def settings(self, cell: dict[str, Any]) -> dict[str, Any]:
        """The fields of the spec, by path, in a cell."""
        return {path: value for axis in self.axes for path, value in axis.settings(cell[axis.name]).items()}


def write_study(folder: Path, study: StudyFile) -> None:
    """Write `study.json` into a study's folder, which is made where it is missing.

    Raises:
        StoreError: when the disk refuses.
    """
    with writing("The plan of the study", folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FILE, {"schema": SCHEMA, **asdict(study)})


def read_study(folder: Path) -> StudyFile:
    """Read `study.json` from a study's folder.

    Raises:
        StoreError: when it is missing, damaged or of another format.
    """
    path = folder / FILE
    try:
        found = read_json(path)
    except FileNotFoundError:
        raise StoreError(
            f"{folder} is no study: no {FILE}, as written by `latebloom sweep`. A run is read with latebloom.open."
        ) from None
    if found.get("schema") != SCHEMA:
        raise StoreError(
            f"{path} is of format {found.get('schema')}, and this latebloom reads {SCHEMA}: use the one that wrote it."
        )
    try:
        axes = tuple(Axis(str(a["name"]), tuple(a["paths"]), tuple(a["values"])) for a in found["axes"])
        study = StudyFile(
            str(found["name"]),
            str(found["question"]),
            dict(found["base"]),
            axes,
            tuple(int(seed) for seed in found["seeds"]),
            tuple(
                StudyRun(checked_name(str(r["id"]), "A run id"), dict(r["cell"]), int(r["seed"])) for r in found["runs"]
            ),
        )
        for run in study.runs:
            study.settings(run.cell)
    except (KeyError, TypeError, ValueError) as error:
        raise StoreError(
            f"{path} is not as latebloom writes it ({type(error).__name__}: {error}): start the sweep again, "
            "which writes it anew and trains nothing twice."
        ) from error
    return study
