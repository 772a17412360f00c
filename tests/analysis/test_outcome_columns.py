"""The page of sweeps names every column of a study's frames."""

from __future__ import annotations

import json
import re
from pathlib import Path

from latebloom.analysis.outcomes import outcomes
from latebloom.store import Axis, StudyFile, open_study, write_study
from study_of_ends import study_of_ends

PAGE = Path(__file__).parents[2] / "docs" / "sweeps.md"
ENDS = ("step", "after", "censored_at")


def told(frame: str) -> set[str]:
    """The columns that the page's table has of one of the frames, or of both."""
    rows = re.findall(r"^\| (.*?) \| (both|runs|outcomes) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    return {name for names, where in rows if where in (frame, "both") for name in names.split(", ")}


def kinds(columns: list[str]) -> set[str]:
    """Columns as the table writes them: one line for all axes, for all events, for all final scalars."""
    found = set()
    for column in columns:
        head, _, last = column.rpartition(".")
        if head.startswith(("optim", "model")):
            found.add("*axis*")
        elif column.startswith("final."):
            found.add("`final.`*scalar*")
        else:
            found.add(f"*event*`.{last}`" if last in ENDS else f"`{column}`")
    return found


def test_every_column_is_in_the_table_and_no_other(tmp_path):
    study = open_study(study_of_ends(tmp_path))
    # both have a meaning of their own in one of the frames
    assert kinds(study.runs.columns) | {"`grokked.step`", "`generalised.step`"} == told("runs")
    assert kinds(outcomes(study).columns) | {"`grokked.step`"} == told("outcomes")
    assert "generalised.step" not in outcomes(study).columns


def test_an_axis_of_tables_is_json_text(tmp_path):
    plan = open_study(study_of_ends(tmp_path)).plan
    task = {"name": "modular", "p": 31}
    runs = tuple(type(run)(run.id, {"task": task}, run.seed) for run in plan.runs)
    folder = tmp_path / "ends"
    write_study(folder, StudyFile(plan.name, "", plan.base, (Axis("task", ("task",), (task,)),), plan.seeds, runs))
    assert json.loads(open_study(folder).runs["task"][0]) == task
