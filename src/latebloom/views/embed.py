"""The numbers that a report carries: curves as JSON, arrays as little-endian float32 in base64."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import polars as pl
import xarray

from latebloom.analysis import Event, Phase
from latebloom.views.changes import changes
from latebloom.views.figures import Figure
from latebloom.views.sections import Chosen
from latebloom.views.thinning import MOST_ROWS, rows_to_keep, steps_to_keep

ARRAY_BYTES = 300_000
"""Of one array, as float32; beyond it steps are left out."""
ALL_BYTES = 1_500_000
"""Of all arrays together."""
CURVE_NUMBERS = 300_000
"""Of all curves together; beyond it rows are left out."""


def page_data(
    scalars: pl.DataFrame,
    arrays: xarray.Dataset,
    figures: Chosen,
    events: Sequence[Event],
    phases: Sequence[Phase],
) -> dict[str, Any]:
    """Everything the page's scripts draw.

    Args:
        scalars: of one run, by ascending step.
        arrays: of the same run.
        figures: what will be drawn; no other column is carried.
        events: their steps are kept when rows are thinned out.
        phases: in order.

    Returns:
        Plain data; `notes` says in words what was left out of the drawing.
    """
    steps = scalars["step"].to_numpy() if "step" in scalars.columns else np.zeros(0, np.int64)
    names = [line.name for figure in figures.all for line in figure.lines]
    # all columns by one query: one for each would take most of the time that a page takes
    taken = scalars.select(pl.col(sorted(set(names))).cast(pl.Float64).fill_null(float("nan"))) if names else scalars
    columns = {name: taken[name].to_numpy() for name in names}
    absent = scalars.select(pl.col(taken.columns).is_null()) if names else scalars
    crossings = [c for event in events for c in (event.found, *event.sensitivity)]
    always = [step for c in crossings if c.step is not None for step in (c.step, *(c.interval or ()))]
    most = min(MOST_ROWS, max(200, CURVE_NUMBERS // max(1, len(columns))))
    kept = rows_to_keep(steps, list(columns.values()), always, most)
    notes = [_not_finite(scalars, name, column) for name, column in columns.items()]
    if len(kept) < len(steps):
        notes.append(
            f"Curves show {len(kept)} of {len(steps)} log rows, each stretch's least and greatest values among them."
        )
    packed = {}
    broken = scalars.filter(~pl.col("train_loss").is_finite())["step"] if "train_loss" in scalars.columns else ()
    room = min(ARRAY_BYTES, ALL_BYTES // max(1, sum(bool(figure.array) for figure in figures.all)))
    for figure in figures.all:
        if figure.array:
            packed[figure.array], note = _packed(_taken(arrays[figure.array], broken), room)
            notes.append(note)
    return {
        "steps": steps[kept].tolist(),
        "curves": {name: _curve(absent[name].to_numpy()[kept], column[kept]) for name, column in columns.items()},
        "arrays": packed,
        "figures": [figure.to_json() for figure in figures.all],
        "phases": spans(phases),
        "events": marks(events),
        "changes": {
            name: [[change.start, change.end, change.words] for change in changes(arrays[name])]
            for name in {figure.parts for figure in figures.all}
            if name in arrays and arrays[name].ndim == 2
        },
        "notes": [note for note in notes if note],
    }


def _curve(absent: np.ndarray, column: np.ndarray) -> list[float | int | bool | None]:
    """Numbers, None where one is not finite, False where none was taken."""
    return [False if skip else _short(v) for skip, v in zip(absent.tolist(), column.tolist(), strict=True)]


def _short(value: float) -> float | int | None:
    """Six digits: more than a screen shows; None where there is no finite number, which JSON cannot hold."""
    if not np.isfinite(value):
        return None
    rounded = float(f"{value:.6g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded


def _not_finite(scalars: pl.DataFrame, name: str, column: np.ndarray) -> str:
    bad = int((~np.isfinite(column)).sum()) - scalars[name].null_count()
    return f"{name}: {bad} of {len(column)} values are not finite, and leave gaps." if bad else ""


def _taken(array: xarray.DataArray, broken: Collection[int]) -> xarray.DataArray:
    """Without the steps at which it was not taken; those at which the network was broken are kept, as gaps."""
    there = np.isfinite(array.values).any(axis=1) | np.isin(array["step"].values, list(broken))
    return array[there] if there.any() else array


def _packed(array: xarray.DataArray, room: int) -> tuple[dict[str, Any], str]:
    steps = array["step"].values if "step" in array.coords else np.arange(array.shape[0])
    width = array.shape[1]
    kept = steps_to_keep(steps, max(room // (4 * max(width, 1)), 8))
    axis = str(array.dims[1])
    labels = array[axis].values.tolist() if axis in array.coords else list(range(width))
    data = np.ascontiguousarray(array.values[kept], dtype="<f4").tobytes()
    note = ""
    if len(kept) < len(steps):
        note = f"{array.name} is shown at {len(kept)} of the {len(steps)} steps at which it was logged."
    described = {"steps": steps[kept].tolist(), "axis": axis, "labels": [_label(x) for x in labels]}
    return described | {"data": base64.b64encode(data).decode("ascii")}, note


def _label(value: Any) -> str | int:
    return value if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else str(value)


def spans(phases: Sequence[Phase]) -> list[dict[str, Any]]:
    """Phases as the page's scripts shade them."""
    return [{"name": p.name, "title": p.title, "start": p.start, "end": p.end} for p in phases]


MARKED = ("memorised", "grokked", "generalised", "anti-grokked", "collapsed")
"""Events with a mark of their own; those of the circuit are the borders of the phases."""


def marks(events: Sequence[Event]) -> list[dict[str, Any]]:
    """The events that were found, as the page's scripts mark them."""
    found = {event.name for event in events if event.found.step is not None}
    drawn = [name for name in MARKED if name in found and (name != "generalised" or "grokked" not in found)]
    return [_mark(event) for event in events if event.name in drawn and event.found.step is not None]


def _mark(event: Event) -> dict[str, Any]:
    found = event.found
    return {
        "name": event.name,
        "title": event.title,
        "measure": event.measure,
        "threshold": found.threshold,
        "step": found.step,
        "interval": list(found.interval) if found.interval else None,
    }


def forked_at(step: int) -> dict[str, Any]:
    """The mark of the step at which a fork left its parent: no event, since no measure found it."""
    return {"name": "forked", "title": "Fork", "measure": "", "threshold": None, "step": step, "interval": None}


def describe(figure: Figure, data: dict[str, Any]) -> str:
    """A figure in words, for those who do not see it: where each curve begins and ends."""
    parts = []
    for line in figure.lines:
        values = [
            (s, v)
            for s, v in zip(data["steps"], data["curves"][line.name], strict=True)
            if isinstance(v, int | float) and v is not False
        ]
        if values:
            (first, a), (last, b) = values[0], values[-1]
            parts.append(f"{line.label} from {a:.3g} at step {first} to {b:.3g} at step {last}")
    if figure.array:
        packed = data["arrays"][figure.array]
        parts.append(f"{len(packed['labels'])} values along {packed['axis']} at {len(packed['steps'])} steps")
    return f"{figure.title} ({figure.unit}): {'; '.join(parts)}."
