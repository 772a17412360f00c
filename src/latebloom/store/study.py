"""Reading a study back: one frame of all its runs, one of all their scalars."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from latebloom.shown import facts_table
from latebloom.store.faults import StoreError
from latebloom.store.gathered import Part, parts
from latebloom.store.layout import local_path
from latebloom.store.run import Run, open_run
from latebloom.store.study_file import FILE, StudyFile, read_study


class Study:
    """A study as it stood when it was opened; open it again to see what has come since."""

    def __init__(self, folder: Path) -> None:
        """Use `open_study`."""
        self.folder = folder
        self.plan: StudyFile = read_study(folder)
        self._ids = [run.id for run in self.plan.runs]
        self._parts: list[Part] = parts(folder, self._ids)
        self._runs: pl.DataFrame | None = None

    def __repr__(self) -> str:
        done = sum(len(part.facts) for part in self._parts)
        return f"<Study {self.plan.name}: {done} of {len(self._ids)} runs done, {self.folder}>"

    def _repr_html_(self) -> str:
        """What a notebook shows: its axes and how many runs are done."""
        axes = [(axis.name, ", ".join(map(str, axis.values))) for axis in self.plan.axes]
        done = sum(len(part.facts) for part in self._parts)
        facts = [("question", self.plan.question), *axes, ("seeds", len(self.plan.seeds))]
        return facts_table(f"Study {self.plan.name}", [*facts, ("done", f"{done} of {len(self._ids)} runs")])

    @property
    def runs(self) -> pl.DataFrame:
        """A row for each run of the study, in its order.

        `run` (the id), `seed`, each field that an axis sets by its path, `state` (`done`, `running`, `failed`, …,
        `pending` when nothing was begun), `error`, `last_step`, `wall_s`; of each event `grokked.step`, or
        `grokked.censored_at` (steps) where it was not seen up to there, and `grokked.after`, the last evaluation before
        it; `final.test_accuracy` and all other scalars of the last step. Null where there is none.
        """
        if self._runs is None:
            facts = {run_id: f for part in self._parts for run_id, f in part.facts.items()}
            rows = [
                {"run": run.id, "seed": run.seed}
                | {path: _plain(value) for path, value in self.plan.settings(run.cell).items()}
                | _row(facts[run.id] if run.id in facts else _unfinished(self.folder / run.id))
                for run in self.plan.runs
            ]
            self._runs = _frame(rows)
        return self._runs

    def scalars(self, *names: str) -> pl.DataFrame:
        """The scalars of all finished runs: `run` (the id), `step`, then by name; all of them, or those named.

        Join them with `runs` on `run` for axes and seeds. Null where a scalar was not logged.

        Raises:
            StoreError: no finished run has a scalar of that name, or a file is damaged.
        """
        frames = [part.scalars(list(names) or None) for part in self._parts if part.facts]
        if not frames:
            return pl.DataFrame(schema={"run": pl.String, "step": pl.Int64} | dict.fromkeys(names, pl.Float64))
        found = pl.concat(frames, how="diagonal_relaxed", rechunk=False)
        lacking = [name for name in names if name not in found.columns]
        if lacking:
            raise StoreError(f"no finished run of {self.folder} has a scalar {lacking[0]!r}; scalars() gives all")
        return found

    def run(self, run_id: str) -> Run:
        """One of its runs, by its id or the beginning of it."""
        return open_run(self.folder / run_id)


def study_at(path: str | Path, root: str | Path = "runs") -> Path:
    """The folder that a study's path, or its name in a runs folder, means; it need not be there.

    Raises:
        StoreError: it is an address.
    """
    place, root = local_path(path), local_path(root)
    if place.name == FILE:
        place = place.parent
    inside = root / place
    return inside if not (place / FILE).is_file() and (inside / FILE).is_file() else place


def open_study(path: str | Path, root: str | Path = "runs") -> Study:
    """Open a study for reading.

    Args:
        path: the study's folder, or its name in `root`.
        root: the runs folder.

    Raises:
        StoreError: when there is none, or it is damaged, or it is an address.
    """
    return Study(study_at(path, root))


def frame_of(rows: Iterable[tuple[Run, Mapping[str, Any]]]) -> pl.DataFrame:
    """A row for each of some runs that need not be of one study, as `Study.runs` has it.

    Args:
        rows: the runs, each with the columns that tell it from the others.
    """
    return _frame([{"run": run.id} | dict(told) | _row(_facts(run)) for run, told in rows])


def _unfinished(folder: Path) -> dict[str, Any]:
    return _facts(Run(folder))


def _facts(run: Run) -> dict[str, Any]:
    try:
        return {"status": vars(run.status), "events": run.events, "summary": run.summary}
    except StoreError as error:
        # one damaged run must not hide the others
        return {"status": {"state": "failed", "error": str(error)}, "events": [], "summary": {}}


def _row(facts: dict[str, Any]) -> dict[str, Any]:
    try:
        return _columns(facts)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        return {
            "state": "failed",
            "error": f"its files are not as latebloom writes them ({type(error).__name__}: {error})",
        }


def _columns(facts: dict[str, Any]) -> dict[str, Any]:
    status, summary = facts["status"], facts["summary"]
    row = {name: status.get(name) for name in ("state", "error", "last_step")}
    row["wall_s"] = summary.get("timing", {}).get("wall_s")
    for event in facts["events"]:
        found, name = event["found"], event["name"]
        row[f"{name}.step"], row[f"{name}.censored_at"] = found["step"], found["censored_at"]
        row[f"{name}.after"] = found["interval"][0] if found["interval"] else None
    return row | {f"final.{name}": value for name, value in summary.get("final", {}).items()}


def _plain(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else json.dumps(value)


def _frame(rows: list[dict[str, Any]]) -> pl.DataFrame:
    names: dict[str, None] = {}
    for row in rows:
        names |= dict.fromkeys(row)
    # what every run has, and events, stand before the many final numbers
    ordered = sorted(names, key=lambda name: name.startswith("final."))
    return pl.DataFrame([_series(name, (row.get(name) for row in rows)) for name in ordered])


def _series(name: str, values: Iterable[Any]) -> pl.Series:
    """A column of one type: numbers as floats when one is, anything mixed as text."""
    values = list(values)
    kinds = {type(value) for value in values if value is not None}
    if name in ("last_step", "seed") or name.endswith((".step", ".after", ".censored_at")):
        return pl.Series(name, values, pl.Int64)
    if name in ("error", "state"):
        return pl.Series(name, values, pl.String)
    if name == "wall_s" or name.startswith("final.") or kinds == {int, float}:
        return pl.Series(name, [None if value is None else float(value) for value in values], pl.Float64)
    if len(kinds) > 1:
        return pl.Series(name, [None if value is None else str(value) for value in values], pl.String)
    return pl.Series(name, values)
