"""Puts the phases of `nanda2023` runs beside the published ones: the table and the figure of docs/phases.md.

python studies/mainline_page.py               from studies/results/mainline-phases.json
python studies/mainline_page.py --runs RUN…   takes that anew from trained runs
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from latebloom.analysis import Event, find_events
from latebloom.analysis.circuits.over_training import over_training
from latebloom.analysis.watch import Watch
from latebloom.store import Run, open_run
from latebloom.views.inks import drawn_in, inks, save

HERE = Path(__file__).parent
RESULTS = HERE / "results/mainline-phases.json"
PAGE, IMAGE = HERE.parent / "docs/phases.md", HERE.parent / "docs/images/phases-mainline.png"
BEGIN, END = "<!-- begin of studies/mainline_page.py -->", "<!-- end of studies/mainline_page.py -->"

BORDERS = {
    "circuit formation starts": ("live", "circuit-formation-started", 1400),
    "the same, final frequencies": ("final", "circuit-formation-started", 1400),
    "circuit formed, final frequencies": ("final", "circuit-formation-ended", 9400),
    "cleanup starts": ("live", "cleanup-started", 9400),
    "cleanup ends": ("live", "cleanup-ended", 14_000),
}
"""Frequencies, event, and the border that it has in "Memorization (0k–1.4k), Circuit formation (1.4k–9.4k), Cleanup
(9.4k–14k)", for the mainline of Nanda et al. 2023."""

WITHIN = 1000

ANCHORS = {
    "test accuracy ≥ 0.95": ("test_accuracy", "≥", 0.95, 10_208),
    "test accuracy ≥ 0.5": ("test_accuracy", "≥", 0.5, 9381),
    "test loss < 0.1": ("test_loss", "<", 0.1, 10_302),
}
"""Measure, side, threshold, and the published mainline's epoch, read off its figure. The first one is the table's."""

FIRST = next(iter(ANCHORS))

Row = dict[str, Any]


def told(run: Run) -> Row:
    """What is stored of one run: its anchors, and the borders by live and by final frequencies."""
    scalars = run.scalars.sort("step")
    final = over_training(run)
    return {
        "seed": run.spec["seeds"]["init"],
        "run": run.id,
        "last": int(scalars["step"][-1]),
        "keys": list(final.keys),
        "anchors": {name: reached(scalars, *rule[:3]) for name, rule in ANCHORS.items()},
        "live": borders(find_events(scalars)),
        "final": borders(find_events(final.curves, "final")),
    }


def reached(scalars: pl.DataFrame, measure: str, sign: Any, threshold: float) -> int | None:
    """The step from which on a threshold holds in six log rows in a row."""
    watch = Watch(threshold, sign=sign)
    for step, value in scalars.select("step", measure).drop_nulls().iter_rows():
        watch.add(step, value)
    return watch.step


def borders(events: Sequence[Event]) -> dict[str, Any]:
    """The crossing of each border of the phases, and those of the rule at other thresholds."""
    wanted = {event for _, event, _ in BORDERS.values()}
    return {
        event.name: asdict(event.found) | {"others": [asdict(one) for one in event.sensitivity]}
        for event in events
        if event.name in wanted
    }


def scale(row: Row, anchor: str | None = FIRST) -> float | None:
    """This run's time over the mainline's: its step at the anchor over the published one; 1 without an anchor."""
    if anchor is None:
        return 1.0
    step = row["anchors"][anchor]
    return None if step is None else step / ANCHORS[anchor][3]


def difference(row: Row, border: str, anchor: str | None = FIRST, step: int | None = None) -> float | None:
    """A border's step less the published one scaled to this run; of another step than the one found, if it is given."""
    keys, event, published = BORDERS[border]
    step, factor = step or row[keys].get(event, {}).get("step"), scale(row, anchor)
    return None if step is None or factor is None else step - published * factor


def of_mainline(row: Row, border: str, anchor: str | None = FIRST) -> float | None:
    """The difference in the mainline's steps: the stricter one where a run is faster than the mainline."""
    apart, factor = difference(row, border, anchor), scale(row, anchor)
    return None if apart is None or factor is None else apart / factor


def agrees(apart: float | None) -> bool:
    """Whether a difference is known and lies within the tolerance."""
    return apart is not None and abs(apart) <= WITHIN


def cell(row: Row, border: str) -> str:
    """A border's step with its interval, and how far it lies from the published one."""
    keys, event, _ = BORDERS[border]
    crossing, apart = row[keys].get(event, {}), difference(row, border)
    if crossing.get("step") is None or apart is None:
        return f"not found: {crossing.get('reason', 'not looked for')}"
    low, high = crossing["interval"]
    return f"{crossing['step']:,} [{low:,} … {high:,}]; {apart / 1000:+.2f} k{'' if agrees(apart) else ', **no**'}"


def table(rows: list[Row]) -> list[str]:
    """Each seed's borders."""
    heads = [f"{border}, {at / 1000:g} k" for border, (_, _, at) in BORDERS.items()]
    lines = [f"| seed | {FIRST} (scale) | {' | '.join(heads)} |", "|---" * (2 + len(heads)) + "|"]
    for row in rows:
        factor = scale(row)
        first = "–" if factor is None else f"{row['anchors'][FIRST]:,} ({factor:.2f})"
        lines.append(f"| {row['seed']} | {first} | {' | '.join(cell(row, border) for border in BORDERS)} |")
    return lines


def counted(apart: Sequence[float | None]) -> str:
    """How many agree, and the median of what is known."""
    known = [value for value in apart if value is not None]
    middle = f"; {statistics.median(known) / 1000:+.2f} k" if known else ""
    return f"{sum(map(agrees, apart))} of {len(apart)}{middle}"


def summary(rows: list[Row]) -> list[str]:
    """How many seeds agree at each border, by each way of scaling and of counting, and the median difference."""
    lines = ["| time scaled by | ±1 k of | " + " | ".join(BORDERS) + " |", "|---" * (2 + len(BORDERS)) + "|"]
    for anchor in (*ANCHORS, None):
        ways = {"the run's steps": difference} | ({} if anchor is None else {"the mainline's": of_mainline})
        for words, way in ways.items():
            cells = [counted([way(row, border, anchor) for row in rows]) for border in BORDERS]
            lines.append(f"| {anchor or 'nothing'} | {words} | {' | '.join(cells)} |")
    return lines


def lasting(rows: list[Row]) -> str:
    """How long cleanup takes, in words."""
    starts, ends = ([row["live"][f"cleanup-{word}"]["step"] for row in rows] for word in ("started", "ended"))
    delays = [row["anchors"][FIRST] for row in rows]
    took = ", ".join(f"{end - start:,}" for start, end in zip(starts, ends, strict=True))
    later = ", ".join(f"{end - at:,}" for end, at in zip(ends, delays, strict=True))
    return (
        f"Cleanup takes {took} steps in seeds 0 to {len(rows) - 1} (published: 4,600), and ends {later} steps after "
        f"{FIRST} (published: {14_000 - ANCHORS[FIRST][3]:,})."
    )


def sensitivity(rows: list[Row]) -> str:
    """The end of cleanup by the same rule at other thresholds, in words."""
    border = "cleanup ends"
    keys, event, _ = BORDERS[border]
    words = []
    for place, other in enumerate(rows[0][keys][event]["others"]):
        steps = [row[keys][event]["others"][place]["step"] for row in rows]
        apart = [
            None if step is None else difference(row, border, step=step) for row, step in zip(rows, steps, strict=True)
        ]
        words.append(f"{counted(apart)} at {other['threshold']:.0%}")
    return f"Cleanup's end at other shares of the greatest rate than 10 %, seeds within ±1 k: {', '.join(words)}."


def section(rows: list[Row]) -> str:
    """What stands between the page's two marks."""
    return "\n".join([BEGIN, "", *table(rows), "", *summary(rows), "", lasting(rows), "", sensitivity(rows), "", END])


COLOURS = {"memorisation": "#e69f00", "circuit formation": "#56b4e9", "cleanup": "#009e73"}
"""Of Okabe and Ito's palette."""


def figure(rows: list[Row]) -> Figure:
    """The three phases of each seed in its own steps, and the published borders scaled to it."""
    made = Figure(figsize=(7.6, 0.66 * len(rows) + 2.2), layout="constrained")
    ax, ink = made.subplots(), inks(False).ink
    shown = [BORDERS[border] for border in ("circuit formation starts", "cleanup starts", "cleanup ends")]
    for place, row in enumerate([None, *rows]):
        factor = 1.0 if row is None else scale(row)
        crossings = [] if row is None else [row[keys].get(event, {}) for keys, event, _ in shown]
        steps = [0, *(at for _, _, at in shown)] if row is None else [0, *(c.get("step") for c in crossings)]
        if factor is None or None in steps:
            continue
        for (name, colour), start, end in zip(COLOURS.items(), steps, steps[1:], strict=False):
            ax.barh(place, end - start, left=start, height=0.42, color=colour, label=name if row is None else None)
        for crossing in crossings:
            ax.plot(crossing["interval"], [place, place], color=ink, linewidth=1.4, marker="|", markersize=7)
        for _, _, at in shown if row is not None else []:
            label = "published, scaled, ± 1 k" if (place, at) == (1, shown[0][2]) else None
            style = {"color": ink, "markerfacecolor": "none", "capsize": 0, "linewidth": 1, "label": label}
            ax.errorbar(at * factor, place + 0.34, xerr=WITHIN, fmt="D", markersize=4, **style)
    ax.set_yticks(range(len(rows) + 1), ["published", *(f"seed {row['seed']}" for row in rows)])
    ax.invert_yaxis()
    ax.set(xlabel="steps", xlim=(0, None))
    ax.set_title("Phases of nanda2023, with their intervals", fontsize=10)
    made.legend(loc="outside lower center", ncols=4, fontsize=9)
    return made


def main() -> None:
    """As the command line asks."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--runs", nargs="+", type=Path, metavar="RUN", help="folders of nanda2023 runs that are done")
    runs = words.parse_args().runs
    if runs:
        found = sorted((told(open_run(folder)) for folder in runs), key=lambda row: row["seed"])
        RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    rows = json.loads(RESULTS.read_text("utf-8"))
    with drawn_in(inks(False)):
        save(figure(rows), IMAGE)
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(before + section(rows) + rest.partition(END)[2], "utf-8")


if __name__ == "__main__":
    main()
