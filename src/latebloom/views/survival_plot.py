"""Kaplan–Meier curves as SVG, drawn here so that a page shows them without a script."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from latebloom.analysis.statistics import Times, kaplan_meier
from latebloom.views.findings import count
from latebloom.views.markup import Html, join, tag
from latebloom.views.ticks import log_ticks

Groups = Sequence[tuple[str, Times]]
Place = Callable[[float], float]
"""From a step to where it is drawn."""

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 820, 320, 52, 14, 26, 44
COLOURS = 8
"""Colours in the page's style, `group-0` … `group-7`, from low to high values."""


def survival_plot(groups: Groups, event: str) -> Html:
    """The share of runs without an event over a logarithmic axis of steps, a key above.

    Args:
        groups: a label such as `λ = 0.5` with the times of its runs, in the order of the axis.
        event: such as "generalised".
    """
    groups = [(label, times) for label, times in groups if len(times)]
    if not groups:
        return tag("p", f"No run tells when it is {event}.", class_="quiet")
    ends = [float(times.known.max()) for _, times in groups]
    first = min(float(times.known.min()) for _, times in groups)
    low, high = math.log10(max(first, 1)) - 0.1, math.log10(max(*ends, 2)) + 0.03

    def x(step: float) -> float:
        share = (math.log10(max(step, 1)) - low) / (high - low)
        return LEFT + max(share, 0) * (WIDTH - LEFT - RIGHT)

    drawn = [_group(i, len(groups), label, times, x) for i, (label, times) in enumerate(groups)]
    words = f"share of runs not yet {event}, over steps, {len(groups)} curves"
    scene = join(*_grid(event), *_ticks(low, high, x), *drawn)
    plot = tag("svg", scene, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img", aria_label=words, class_="survival")
    keys = (_key(i, len(groups), label, times) for i, (label, times) in enumerate(groups))
    return join(tag("div", *keys, class_="keys"), plot)


def y(share: float) -> float:
    """Where a share of runs is drawn."""
    return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)


def colour(place: int, number: int) -> str:
    """The class of the colour of one of several ordered values."""
    return f"group-{round(place * (COLOURS - 1) / max(number - 1, 1))}"


def _group(place: int, number: int, label: str, times: Times, x: Place) -> Html:
    curve = kaplan_meier(times)
    steps = np.concatenate([[1.0], curve.step])
    share = np.concatenate([[1.0], curve.survival])
    end = float(times.known.max())
    path = _stairs(steps, share, end, x)
    ends = [np.concatenate([[np.nan], side]) for side in (curve.low, curve.high)]
    known = np.isfinite(ends[0]) & np.isfinite(ends[1])
    parts = [_band(steps, ends[0], ends[1], known, end, x)] if known.any() else []
    parts.append(tag("path", tag("title", label), d=path, class_="curve"))
    gone = np.unique(times.low[~times.seen])
    for step, at in zip(gone.tolist(), curve.at(gone.tolist()).tolist(), strict=True):
        parts.append(tag("path", d=f"M{x(step):.1f} {y(at) - 6:.1f}v12m-6 -6h12", class_="gone"))
    return tag("g", *parts, class_=colour(place, number))


def _stairs(steps: np.ndarray, share: np.ndarray, end: float, x: Place) -> str:
    path = f"M{x(steps[0]):.1f} {y(share[0]):.1f}"
    for step, at in zip(steps[1:].tolist(), share[1:].tolist(), strict=True):
        path += f"H{x(step):.1f}V{y(at):.1f}"
    return f"{path}H{x(end):.1f}"


def _band(steps: np.ndarray, low: np.ndarray, high: np.ndarray, known: np.ndarray, end: float, x: Place) -> Html:
    after = np.append(steps[1:], max(end, steps[-1]))
    boxes = [
        f"M{x(a):.1f} {y(up):.1f}H{x(b):.1f}V{y(down):.1f}H{x(a):.1f}Z"
        for a, b, down, up, there in zip(steps, after, low, high, known, strict=True)
        if there
    ]
    return tag("path", d="".join(boxes), class_="band")


def _grid(event: str) -> list[Html]:
    parts = []
    for share in (0, 0.25, 0.5, 0.75, 1):
        parts.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(share), y2=y(share), class_="grid"))
        parts.append(tag("text", f"{share:g}", x=LEFT - 8, y=y(share) + 4, text_anchor="end"))
    parts.append(tag("text", f"share of runs not yet {event}", x=2, y=13, class_="axis-name"))
    name = "training steps, logarithmic; + where runs ended without it; bands: 95 %, pointwise"
    parts.append(tag("text", name, x=WIDTH - RIGHT, y=HEIGHT - 6, text_anchor="end", class_="axis-name"))
    return parts


def _ticks(low: float, high: float, x: Place) -> list[Html]:
    shown = [step for step in log_ticks(10**low, 10**high) if step >= 1 and step.is_integer()]
    return [
        tag("text", count(int(step)), x=f"{x(step):.1f}", y=HEIGHT - BOTTOM + 18, text_anchor="middle")
        for step in shown
    ]


def _key(place: int, number: int, label: str, times: Times) -> Html:
    line = tag("svg", tag("path", d="M1 5H25"), viewBox="0 0 26 10", aria_hidden="true", class_=colour(place, number))
    return tag("span", line, f" {label} ({int(times.seen.sum())} of {len(times)} runs)", class_="entry")
