"""What both renderers write around the panels: how numbers, phases and events are put into words."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from latebloom.figures.spec import Bars, Figure, Line, Mark, Panel
from latebloom.views.findings import count

NAME_WIDTH = 0.058
"""Inches that a letter of a phase's name takes in its strip."""


def labelled(panel: Panel) -> list[Line | Bars]:
    """The parts of a panel that its legend names, each label once."""
    found: dict[str, Line | Bars] = {}
    for part in panel.parts:
        if isinstance(part, Line | Bars) and part.label:
            found.setdefault(part.label, part)
    return list(found.values())


def mark_words(mark: Mark) -> str:
    """An event with its step and interval."""
    between = "" if mark.low == mark.high else f" ({count(int(mark.low))} to {count(int(mark.high))})"
    return f"{mark.title}: step {count(int(mark.at))}{between}"


def fitting(title: str, inches: float) -> str:
    """A phase's name, its first word, or nothing, by the room that there is."""
    words = (title, title.split(" ")[0])
    return next((w for w in words if NAME_WIDTH * len(w) + 0.08 < inches), "")


def lines_of(labels: Sequence[str], inches: float, letter: float, sample: float) -> list[list[int]]:
    """Which entries of a legend stand beside each other, so that no line is wider than there is room.

    Args:
        labels: the entries.
        inches: the room.
        letter: inches that a letter takes.
        sample: inches before each label.
    """
    lines: list[list[int]] = [[]]
    used = 0.0
    for i, label in enumerate(labels):
        width = sample + letter * len(label)
        if lines[-1] and used + width > inches:
            lines.append([])
            used = 0.0
        lines[-1].append(i)
        used += width
    return lines


def columns_of(labels: Sequence[str], inches: float, letter: float, sample: float) -> int:
    """The most columns of a legend filled row by row that fit, each as wide as its widest entry; one if none does.

    Args:
        labels: the entries.
        inches: the room.
        letter: inches that a letter takes.
        sample: inches before each label.
    """
    widths = [sample + letter * len(label) for label in labels]
    fits = [n for n in range(1, len(widths) + 1) if sum(max(widths[i::n]) for i in range(n)) <= inches]
    return max(fits, default=1)


def tick_room(figure: Figure) -> float:
    """Inches that the named ticks of vertical axes take beyond what numbers do; all panels are aligned."""
    words = [words for panel in figure.panels for _, words in panel.y.ticks]
    return max(0.0, 0.058 * (max(map(len, words), default=0) - 5))


def wrapped(text: str, inches: float, letter: float = 0.066) -> list[str]:
    """A note in lines that fit."""
    return textwrap.wrap(text, max(20, int(inches / letter)))


def width_of(figure: Figure) -> float:
    """A figure's width in inches."""
    columns = min(figure.columns, max(len(row) for row in figure.rows()))
    if any(panel.wide for panel in figure.panels):
        columns = max(columns, figure.columns)
    return {1: 6.6, 2: 8.8}.get(columns, 3.1 * columns + 0.4)
