"""Ablations beside their controls, as a table with a small picture in every row."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from latebloom.views.circuit_tables import number, table
from latebloom.views.findings import raised
from latebloom.views.markup import Html, join, tag

STRIP, EDGE = 240, 8
"""Width of the pictures and the room at their ends, in pixels."""


def ablations(record: Mapping[str, Any]) -> Html:
    """Every ablation under its heading, beside its control, on one logarithmic axis of the loss."""
    found = record["ablations"]
    losses = [a["score"]["loss_all"] for a in found] + [record["baseline"]["loss_all"]]
    losses += [v for a in found if a["control"] for v in a["control"]["median_least_greatest"]["loss_all"]]
    known = [x for x in losses if x is not None and x > 0]
    if not known:
        return Html("")
    low, high = math.floor(math.log10(min(known))), math.ceil(math.log10(max(known)))
    own = record["baseline"]["loss_all"]
    legend = tag("p", _legend(own), class_="quiet legend-line")
    groups = dict.fromkeys(a["group"] for a in found)
    drawn = [
        join(tag("h3", group), _ablation_rows([a for a in found if a["group"] == group], own, low, max(high, low + 1)))
        for group in groups
    ]
    return join(legend, *drawn)


def _legend(own: float | None) -> Html:
    return join(
        tag("svg", _dot(8), width=16, height=16, viewBox="0 0 16 20", class_="strip"),
        " the loss over all pairs after the ablation; ",
        tag("svg", _range(2, 16, 30), width=34, height=16, viewBox="0 0 34 20", class_="strip"),
        f" its control's range and median; the dashed line is the network's own loss, {number(own)}. The axis is "
        "logarithmic. Open a row for what exactly was done and what the control is.",
    )


def _ablation_rows(found: Sequence[Mapping[str, Any]], own: float | None, low: int, high: int) -> Html:
    axis = f"10{raised(low)} … 10{raised(high)} nats"
    heads = ("ablation", axis, "loss, all", "train", "test", "accuracy, all", "control’s loss")
    body = [_ablation_row(a, own, low, high) for a in found]
    return table(heads, body, "Ablations", "ablations")


def _ablation_row(a: Mapping[str, Any], own: float | None, low: int, high: int) -> Html:
    score, control = a["score"], a["control"]
    told = control["median_least_greatest"]["loss_all"] if control else None
    against = f"No control: {a['no_control']}."
    if control:
        draws = len(control["draws"])
        against = f"Control: {control['what']}; {draws} draw{'s' if draws > 1 else ''}."
    words = tag("p", f"{a['what'][0].upper()}{a['what'][1:]}.")
    what = tag("details", tag("summary", a["title"]), words, tag("p", against))
    said = "–"
    if told:
        median, least, greatest = (number(value, 3) for value in told)
        said = join(median) if least == greatest else join(median, tag("span", f"{least} – {greatest}", class_="range"))
    cells = [tag("th", what, scope="row"), tag("td", _strip(score["loss_all"], told, own, low, high))]
    for name in ("loss_all", "loss_train", "loss_test", "accuracy_all"):
        cells.append(tag("td", number(score[name]), class_="number"))
    return tag("tr", *cells, tag("td", said, class_="number quiet"))


def _strip(loss: float | None, told: Sequence[float | None] | None, own: float | None, low: int, high: int) -> Html:
    def x(value: float | None) -> float | None:
        if value is None:
            return None
        share = (math.log10(max(value, 10.0**low)) - low) / (high - low)
        return EDGE + share * (STRIP - 2 * EDGE)

    drawn = [tag("line", x1=EDGE, x2=STRIP - EDGE, y1=10, y2=10, class_="track")]
    if (at := x(own)) is not None:
        drawn.append(tag("line", x1=f"{at:.1f}", x2=f"{at:.1f}", y1=0, y2=20, class_="own"))
    if told:
        median, least, greatest = map(x, told)
        if median is not None and least is not None and greatest is not None:
            drawn.append(_range(least, median, greatest))
    if (at := x(loss)) is not None:
        drawn.append(_dot(at))
    return tag(
        "svg", *drawn, viewBox=f"0 0 {STRIP} 20", width=STRIP, height=20, class_="strip", role="img",
        aria_label=f"loss {number(loss)}, the network's own {number(own)}",
    )  # fmt: skip


def _dot(at: float) -> Html:
    return tag("circle", cx=f"{at:.1f}", cy=10, r=5)


def _range(least: float, median: float, greatest: float) -> Html:
    wide = {"x": f"{least - 2:.1f}", "width": f"{greatest - least + 4:.1f}"}
    bar = tag("rect", **wide, y=5, height=10, rx=2, class_="control")
    return join(bar, tag("line", x1=f"{median:.1f}", x2=f"{median:.1f}", y1=3, y2=17, class_="median"))
