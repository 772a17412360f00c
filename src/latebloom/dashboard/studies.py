"""Studies as maps: two of their axes, what came of the runs in each cell, and which runs those are."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from latebloom.analysis.end_states import STATES
from latebloom.analysis.outcomes import outcomes
from latebloom.dashboard.listing import event_step
from latebloom.errors import LatebloomError
from latebloom.store import Index, StoreError, open_study
from latebloom.store.layout import MAX_DEPTH, read_json
from latebloom.views.inks import STATE_COLOURS
from latebloom.views.study_text import MARKS

FILE = "study.json"


def list_studies(root: Path) -> list[dict[str, Any]]:
    """The studies below a runs folder, by their folders; what is damaged is listed with its error."""
    found = []
    for depth in range(1, MAX_DEPTH):
        for path in sorted(root.glob("/".join(["*"] * depth) + f"/{FILE}")):
            folder = path.parent.relative_to(root).as_posix()
            try:
                study = read_study(path.parent)
                axes = [{"name": axis["name"], "values": len(axis["values"])} for axis in study["axes"]]
                found.append({"folder": folder, "name": study["name"], "runs": len(study["runs"]), "axes": axes})
            except LatebloomError as error:
                found.append({"folder": folder, "name": folder, "runs": 0, "axes": [], "error": str(error)})
    return found


def read_study(folder: Path) -> dict[str, Any]:
    """A study's plan.

    Raises:
        StoreError: it is not there, damaged, or of another version.
    """
    path = folder / FILE
    try:
        study = read_json(path)
    except FileNotFoundError:
        raise StoreError(f"there is no study in {folder.name}") from None
    axes, runs = study.get("axes"), study.get("runs")
    whole = isinstance(study.get("name"), str) and isinstance(axes, list) and isinstance(runs, list)
    whole = whole and all(isinstance(a, dict) and isinstance(a.get("values"), list) and "name" in a for a in axes)
    whole = whole and all(isinstance(r, dict) and isinstance(r.get("cell"), dict) and "id" in r for r in runs)
    if study.get("schema") != 1 or not whole:
        raise StoreError(f"{path} is no study of this latebloom: `latebloom sweep` writes it anew")
    return study


def study_map(root: Path, folder: Path) -> dict[str, Any]:
    """A study with what came of each of its runs, and what those that have ended did end as."""
    study = read_study(folder)
    group = folder.relative_to(root).as_posix()
    rows = {row.folder: row for row in Index(root).runs()}
    runs = []
    for planned in study["runs"]:
        name = f"{group}/{planned['id']}"
        row = rows.get(name)
        told = {"folder": name, "cell": planned["cell"], "seed": planned.get("seed"), "state": "pending"}
        if row is not None:
            told |= {
                "state": row.state,
                "last_step": row.last_step,
                "memorised": event_step(row, "memorised"),
                # what generalised, late or not: the map tells apart what did from what did not
                "grokked": event_step(row, "generalised"),
                "error": row.error,
            }
        runs.append(told)
    ended = tuple(run["folder"] for run in runs if run["state"] in ("done", "failed"))
    ends, without = _end_states(folder, ended) if not _names_code(study) else ({}, OWN_CODE)
    for run, planned in zip(runs, study["runs"], strict=True):
        run["end"], run["why"] = ends.get(planned["id"], (None, None))
    occurring = {run["end"] for run in runs}
    kinds = [
        {"name": state, "words": words, "mark": MARKS[state], "colour": STATE_COLOURS[state]}
        for state, words in STATES.items()
        if state in occurring
    ]
    kept = {key: study.get(key) for key in ("name", "question", "axes", "seeds")}
    return {**kept, "folder": group, "runs": runs, "ends": kinds, "without_ends": without}


OWN_CODE = "its specs name files of their user's own, and the dashboard runs no code that a runs folder names"


@lru_cache(maxsize=8)
def _end_states(folder: Path, ended: tuple[str, ...]) -> tuple[dict[str, tuple[str, str]], str]:
    """The end state of each run with its reason, by id; else why there are none. `ended` says when to look anew."""
    if not ended:
        return {}, "no run has ended"
    try:
        frame = outcomes(open_study(folder))
    except LatebloomError as error:
        return {}, str(error)
    return {run: (state, why) for run, state, why in frame.select("run", "end_state", "end_reason").iter_rows()}, ""


def _names_code(value: Any) -> bool:
    """Whether a study sets anything to `file.py:object` or `module:object`."""
    if isinstance(value, dict):
        return any(_names_code(part) for key, part in value.items() if key != "question")
    if isinstance(value, list):
        return any(map(_names_code, value))
    return isinstance(value, str) and ":" in value
