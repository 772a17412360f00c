"""Which figures a report has, as plain data: what is drawn, from which columns, on which axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl
import xarray

from latebloom.measures import RECORDS


@dataclass(frozen=True)
class Line:
    """One curve.

    Attributes:
        name: its column.
        label: in the legend.
        role: decides colour and dash; train and test look the same in every figure.
    """

    name: str
    label: str
    role: Literal["train", "test", "extra", "train-least", "test-least", "plain"]


@dataclass(frozen=True)
class Figure:
    """One figure over the steps.

    Attributes:
        id: unique on the page.
        title: its heading.
        kind: curves, a stack of parts that add up, or a heat map with bars at one step.
        unit: along the vertical axis, in words.
        scale: of the vertical axis; "share" runs from 0 to 1.
        lines: the curves; of a stack, its total.
        array: the name of the array that a stack or heat map shows.
        tall: whether it is a main figure.
    """

    id: str
    title: str
    kind: Literal["lines", "stack", "heat"]
    unit: str
    scale: Literal["linear", "log", "share"] = "linear"
    lines: tuple[Line, ...] = ()
    array: str = ""
    tall: bool = False

    @property
    def measures(self) -> list[str]:
        """The names of all that it shows."""
        return [line.name for line in self.lines] + ([self.array] if self.array else [])

    def to_json(self) -> dict[str, Any]:
        """The figure as plain data."""
        return asdict(self)


LEARNING = (
    Figure(
        "loss",
        "Loss",
        "lines",
        "nats, logarithmic",
        "log",
        (Line("train_loss", "train", "train"), Line("test_loss", "test", "test")),
        tall=True,
    ),
    Figure(
        "accuracy",
        "Accuracy",
        "lines",
        "share of pairs answered right",
        "share",
        (
            Line("train_accuracy", "train", "train"),
            Line("test_accuracy", "test", "test"),
            Line("test_accuracy_untransposed", "test, no transposes", "extra"),
        ),
        tall=True,
    ),
)

SCALE = (
    Figure("norm", "Sum of squared weights", "stack", "Σw²", "linear", (Line("weight_norm_sq", "total", "plain"),)),
    Figure("logit-scale", "Logit scale", "lines", "logits", lines=(Line("logit_scale", "all pairs", "plain"),)),
    Figure(
        "margins",
        "Margins",
        "lines",
        "logits",
        lines=(
            Line("train_margin_mean", "train, mean", "train"),
            Line("test_margin_mean", "test, mean", "test"),
            Line("train_margin_min", "train, least", "train-least"),
            Line("test_margin_min", "test, least", "test-least"),
        ),
    ),
    Figure(
        "gini",
        "Gini of raw |w|",
        "lines",
        "0 all equal … 1 a single weight",
        lines=(Line("gini_raw_weights", "all weights", "plain"),),
    ),
)
BY_TENSOR = "weight_norm_sq_by_tensor"
AXES = ("run", "step")


@dataclass(frozen=True)
class Figures:
    """The figures of one report by section, and what is left out of it."""

    learning: list[Figure]
    scale: list[Figure]
    spectra: list[Figure]
    more: list[Figure]
    undrawn: list[str]

    @property
    def all(self) -> list[Figure]:
        """In the order of the page."""
        return [*self.learning, *self.scale, *self.spectra, *self.more]


def choose(scalars: pl.DataFrame, arrays: xarray.Dataset) -> Figures:
    """The figures for what was logged: known numbers where they belong, unknown ones each on its own."""
    drawable = [n for n in scalars.columns if n not in AXES and _has_numbers(scalars[n])]
    present = [n for n in drawable if n != "test_accuracy_untransposed" or _differs(scalars, n, "test_accuracy")]
    by_step = [n for n in map(str, arrays.data_vars) if arrays[n].dims[:1] == ("step",) and arrays[n].ndim == 2]
    by_step = [n for n in by_step if np.isfinite(arrays[n].values).any()]
    learning = [kept for figure in LEARNING if (kept := _kept(figure, present))]
    scale = [kept for figure in SCALE if (kept := _kept(figure, present, BY_TENSOR if BY_TENSOR in by_step else ""))]
    spectra = [_heat(f"heat-{i}", name, arrays) for i, name in enumerate(by_step) if name != BY_TENSOR]
    placed = {line.name for figure in (*LEARNING, *SCALE) for line in figure.lines}
    more = [_alone(f"more-{i}", name) for i, name in enumerate(drawable) if name not in placed]
    undrawn = [n for n in map(str, arrays.data_vars) if n not in by_step]
    undrawn += [n for n in scalars.columns if n not in AXES and n not in drawable]
    return Figures(learning, scale, spectra, more, undrawn)


def title_of(name: str) -> str:
    """The title in the measure's record, or the bare name."""
    return RECORDS[name].title if name in RECORDS else name


def _unit(name: str) -> str:
    if name not in RECORDS:
        return "unit not recorded"
    return {"1": "pure number", "share": "share"}.get(RECORDS[name].units, RECORDS[name].units)


def _has_numbers(column: pl.Series) -> bool:
    return column.dtype.is_numeric() and bool(column.cast(pl.Float64).is_finite().any())


def _differs(scalars: pl.DataFrame, name: str, other: str) -> bool:
    return other not in scalars.columns or not scalars[name].equals(scalars[other])


def _kept(figure: Figure, present: Sequence[str], array: str = "") -> Figure | None:
    lines = tuple(line for line in figure.lines if line.name in present)
    if figure.kind == "stack" and array:
        return replace(figure, lines=lines, array=array)
    kind = "lines" if figure.kind == "stack" else figure.kind
    return replace(figure, lines=lines, kind=kind) if lines else None


def _alone(id: str, name: str) -> Figure:
    return Figure(id, title_of(name), "lines", _unit(name), lines=(Line(name, "value", "plain"),))


def _heat(id: str, name: str, arrays: xarray.Dataset) -> Figure:
    return Figure(id, title_of(name), "heat", str(arrays[name].dims[1]), array=name)
