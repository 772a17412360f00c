"""The progress measures of a run's checkpoints, drawn: when the final circuit came, and what left."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from latebloom.measures import RECORDS
from latebloom.views import tables
from latebloom.views.findings import count, raised
from latebloom.views.markup import Html, join, tag

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 1030, 300, 52, 8, 36, 22

CURVES = (
    ("restricted_loss_all", "restricted, all pairs", "one"),
    ("excluded_loss", "excluded, train", "two"),
    ("excluded_loss_all_frequencies", "excluded, all frequencies", "four"),
    ("train_loss", "train", "train"),
    ("test_loss", "test", "test"),
)


def over_training(found: Mapping[str, Any]) -> Html:
    """The section of a circuit's page: curves, and the order of what happened.

    Args:
        found: as `OverTraining.to_json` gives it.
    """
    curves = found["curves"]
    words = (
        f"With the final network's frequencies {', '.join(map(str, found['keys']))} at each of the "
        f"{len(curves['step'])} checkpoints: these curves know the future. Those of the report use each step's own "
        "frequencies. Nanda et al. 2023 write that the key frequencies are excluded; their figure is met by excluding "
        "all of them, which is drawn too."
    )
    names = [name for name, *_ in CURVES]
    title = tag("div", tag("h3", tag("button", "Progress measures", type="button", class_="about")), class_="title")
    about = tables.tooltip([name for name in names if name in RECORDS], "about-over-training")
    legend = [
        tag("span", _sample(role), label, class_="entry") for name, label, role in CURVES if any(_known(curves[name]))
    ]
    caption = tag("figcaption", tag("div", title, about, class_="title"), tag("div", *legend, class_="legend"))
    return join(tag("p", words, class_="quiet"), tag("figure", caption, _chart(curves)), _landmarks(found["landmarks"]))


def _known(values: Sequence[float | None]) -> list[bool]:
    return [v is not None and v > 0 for v in values]


def _sample(role: str) -> Html:
    line = tag("path", d="M1 5H25", class_=f"line {role}")
    return tag("svg", line, class_="sample", width=26, height=10, aria_hidden="true")


def _chart(curves: Mapping[str, Sequence[Any]]) -> Html:
    steps = curves["step"]
    values = [v for name, *_ in CURVES for v in curves[name] if v is not None and v > 0]
    if not values:
        return tag("p", "nothing to draw", class_="quiet")
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)

    def x(step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * (step / steps[-1] if steps[-1] else 0)

    def y(value: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (high - math.log10(value)) / (high - low)

    lines = []
    for power in range(low, high + 1, max(1, (high - low) // 6)):
        at = f"{y(10.0**power):.1f}"
        lines.append(tag("line", x1=LEFT, x2=WIDTH - RIGHT, y1=at, y2=at, class_="grid"))
        lines.append(
            tag("text", "1" if power == 0 else f"10{raised(power)}", x=LEFT - 6, y=float(at) + 4, text_anchor="end")
        )
    for part in range(6):
        step = steps[-1] * part / 5
        anchor = "end" if part == 5 else "middle"
        lines.append(tag("text", count(round(step)), x=f"{x(step):.1f}", y=HEIGHT - BOTTOM + 16, text_anchor=anchor))
    for name, _, role in reversed(CURVES):
        points = [(x(s), y(v)) for s, v in zip(steps, curves[name], strict=True) if v is not None and v > 0]
        path = "L".join(f"{a:.1f} {b:.1f}" for a, b in points)
        lines.append(tag("path", d=f"M{path}", class_=f"line {role}") if points else None)
    lines.append(tag("text", "nats, logarithmic", x=2, y=12, class_="axis-name"))
    lines.append(tag("text", "training step", x=WIDTH - RIGHT, y=HEIGHT - 4, text_anchor="end", class_="axis-name"))
    label = "losses over training steps: restricted, excluded, train, test"
    return tag("svg", *lines, viewBox=f"0 0 {WIDTH} {HEIGHT}", class_="chart", role="img", aria_label=label)


def _landmarks(marks: Sequence[Mapping[str, Any]]) -> Html:
    rows = []
    for mark in marks:
        seen = mark["step"] is not None
        between = f"{count(mark['before'])} and {count(mark['step'])}" if seen and mark["before"] is not None else "–"
        first = count(mark["step"]) if seen else "not reached"
        cells = [tag("td", text, class_="number") for text in (first, between)]
        rows.append(tag("tr", tag("th", mark["name"], scope="row"), *cells))
    head = tag("tr", *(tag("th", word, scope="col") for word in ("in order", "first checkpoint", "between")))
    return tag("table", tag("thead", head), tag("tbody", *rows), class_="small")
