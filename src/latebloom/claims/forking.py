"""Forks of a study's runs as results that claims read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import polars as pl

from latebloom.analysis.outcomes import time_to_generalise
from latebloom.claims.results import ALWAYS, Part, curve_of, made_with
from latebloom.claims.studies import FOLDER, study_text
from latebloom.errors import LatebloomError
from latebloom.forks import Forked, Plan, read_plan
from latebloom.store import frame_of, open_run

Grow = Callable[[Plan], list[Forked]]
"""Trains every fork of a plan that is not finished."""


def collect_forks(name: str, folder: Path, parents: Part, wanted: Iterable[str], grow: Grow) -> Part:
    """Forks the runs of a study, and reads what came of it.

    Args:
        name: of the file of forks beside the studies.
        folder: of the trained study whose runs are forked.
        parents: what was collected of it.
        wanted: scalars and arrays beside `ALWAYS`.
        grow: trains the forks.

    Returns:
        A row a fork: `change` is its change's name, `seed` its parent's.

    Raises:
        LatebloomError: a fork or twin has failed.
    """
    seeds = dict(parents.runs.select("run", "seed").iter_rows())
    plan = read_plan(FOLDER / f"{name}.toml", tuple(open_run(folder / run) for run in seeds))
    forked = grow(plan)
    failed = dict.fromkeys(one.error for one in forked if one.error)
    if failed:
        raise LatebloomError("\n".join(["some forks have failed:", *(f"  {error}" for error in failed)]))
    runs = [open_run(one.folder) for one in forked]
    told = [{"change": one.ready.change.title, "seed": seeds[one.ready.parent.id]} for one in forked]
    names = (*ALWAYS, *(name for name in wanted if name not in ALWAYS))
    rows = time_to_generalise(frame_of(zip(runs, told, strict=True)).select(pl.exclude("^final\\..*$")))
    changed = {"question": plan.question, "axes": ["change"], "made": made_with(runs[0]), "file": study_text(name)}
    curves = pl.concat([curve_of(run, names) for run in runs], how="diagonal_relaxed")
    return Part(rows, curves, parents.facts | changed)
