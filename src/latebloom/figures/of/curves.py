"""Figures of what was logged while a run trained: learning curves, progress measures, curvature, norms, sparsity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from latebloom.figures.reading import Log, steps_axis
from latebloom.figures.registry import figure
from latebloom.figures.spec import Axis, Figure, Line, Panel, Scale

if TYPE_CHECKING:
    from latebloom.store import Run

Named = tuple[str, str, str]
"""A measure, its label, its ink."""

LOSSES: tuple[Named, ...] = (("test_loss", "test", "test"), ("train_loss", "train", "train"))
ACCURACIES: tuple[Named, ...] = (
    ("test_accuracy_untransposed", "test, no transposes", "extra"),
    ("test_accuracy", "test", "test"),
    ("train_accuracy", "train", "train"),
)


@figure(needs="a log of losses or accuracies (every run has them)")
def curves(run: Run, *, scale: Scale = "linear") -> Figure:
    """Training curves: loss and accuracy, train and test, with phases and events."""
    log = Log(run)
    log.asked("curves", *(name for name, *_ in (*LOSSES, *ACCURACIES)))
    panels = (
        _panel(log, "Loss", Axis("loss", "nats", "log"), LOSSES, scale),
        _panel(log, "Accuracy", Axis("accuracy", "share of pairs", range=(-0.03, 1.03)), ACCURACIES, scale),
    )
    return _over_steps("curves", "Training curves", log, panels)


@figure(needs="the progress measures: a task with a cyclic group, measures of the default set")
def progress(run: Run, *, scale: Scale = "linear") -> Figure:
    """Progress measures of Nanda et al. 2023: excluded and restricted loss, Gini of Fourier norms, Σw²."""
    log = Log(run)
    log.asked("progress", "restricted_loss_all", "excluded_loss")
    loss = Axis("loss", "nats", "log")
    excluded = (("excluded_loss", "excluded, train", "two"), *LOSSES)
    restricted = (("restricted_loss_all", "restricted, all pairs", "one"), *LOSSES)
    ginis = (("gini_fourier_W_E", "W_E", "three"), ("gini_fourier_W_L", "W_L", "one"))
    norm = (("weight_norm_sq", "all weights", "ink"),)
    panels = (
        _panel(log, "Excluded loss", loss, excluded, scale),
        _panel(log, "Restricted loss", loss, restricted, scale),
        _panel(log, "Gini of Fourier norms", Axis("Gini: 0 all equal, 1 one frequency"), ginis, scale),
        _panel(log, "Sum of squared weights", Axis("Σw²", range=None), norm, scale),
    )
    note = "Key frequencies are those of each step's own network: nothing here knows the future."
    return _over_steps("progress", "Progress measures", log, panels, note)


def _panel(log: Log, title: str, y: Axis, curves: Sequence[Named], scale: Scale) -> Panel | None:
    """A panel of those curves that were logged; None where none was."""
    there = [curve for curve in curves if log.has(curve[0])]
    parts = [Line(*log.curve(name), label if len(curves) > 1 else "", ink) for name, label, ink in there]
    return Panel(title, steps_axis(scale), y, tuple(parts)) if parts else None


def _over_steps(
    name: str, title: str, log: Log, panels: Sequence[Panel | None], note: str = "", columns: int = 2
) -> Figure:
    kept = tuple(panel for panel in panels if panel is not None)
    return Figure(name, f"{title} · {log.title}", kept, note, phases=log.spans, marks=log.marks, columns=columns)
