"""Writes docs/surgery-results.md and its figures from the stored outcomes of surgeries.

python studies/surgery_page.py               from studies/results/surgery-cost.json and surgery.json
python studies/surgery_page.py --runs runs   takes those of tickets.toml and key-frequencies.toml anew from their forks
"""

from __future__ import annotations

import argparse
import json
import statistics
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from latebloom.analysis import find_events
from latebloom.analysis.events import SUSTAINED
from latebloom.store import Run, open_run
from latebloom.views.inks import drawn_in, inks, ramp
from latebloom.views.study_figures import save

HERE = Path(__file__).parent
RESULTS, COST = HERE / "results/surgery.json", HERE / "results/surgery-cost.json"
PAGE, IMAGES = HERE.parent / "docs/surgery-results.md", HERE.parent / "docs/images"
PLANS = {name: tomllib.loads((HERE / f"{name}.toml").read_text("utf-8")) for name in ("tickets", "key-frequencies")}
GRID = 20
"""Steps between the points of a curve: those of the log."""
BACK = 0.95
"""Test accuracy from which on a network is said to be back, in as many log rows in a row as for events."""
WHOLE = "the whole network (twin)"

Row = dict[str, Any]


def gather(runs: Path) -> list[Row]:
    """A row for each fork of the plans, and one for each parent as the twin of the tickets."""
    names = {change["name"]: plan for plan, table in PLANS.items() for change in table["change"]}
    rows, parents = [], {}
    for folder in sorted((runs / "forks").iterdir()):
        fork = open_run(folder)
        facts = fork.provenance.get("fork", {})
        if facts.get("change") not in names or fork.state != "done":
            continue
        parent = parents.setdefault(facts["parent"]["run"], open_run(runs / facts["parent"]["folder"]))
        first, last = fork.spec["fork"]["step"], fork.spec["steps"]
        at = facts["event"] or str(first)
        rows.append(
            {"plan": names[facts["change"]], "change": facts["change"], "at": at} | told(fork, parent, first, last)
        )
    for parent in parents.values():
        last = PLANS["tickets"]["steps"]
        rows.append({"plan": "tickets", "change": WHOLE, "at": "0"} | told(parent, parent, 0, last))
    return rows


def told(run: Run, twin: Run, first: int, last: int) -> Row:
    """What a run shows from one step to another, beside its twin."""
    frames = [r.scalars.sort("step").filter(pl.col("step") <= last) for r in (run, twin)]
    ours, theirs = (frame.filter(pl.col("step") >= first) for frame in frames)
    events = [{e.name: e.found.step for e in find_events(frame)} for frame in frames]
    keys = [keys_at(r, last) for r in (run, twin)]
    after = ours.row(0, named=True)
    curve = ours.filter((pl.col("step") % GRID == 0) | (pl.col("step") == first))
    return {
        "seed": run.spec["seeds"]["init"],
        "first": first,
        "last": last,
        "memorised": [e["memorised"] for e in events],
        "generalised": [e["generalised"] for e in events],
        "before": theirs.row(0, named=True)["test_accuracy"],
        "after": after["test_accuracy"],
        "train_after": after["train_accuracy"],
        "test_loss": [theirs.row(0, named=True)["test_loss"], after["test_loss"]],
        "norm": after["weight_norm_sq"],
        "back": back(ours, first),
        "end": [float(frame["test_accuracy"][-1]) for frame in (ours, theirs)],
        "keys": keys,
        "curve": [curve["step"].to_list(), [round(x, 4) for x in curve["test_accuracy"]]],
    }


def keys_at(run: Run, step: int) -> list[int]:
    """The key frequencies of the log row nearest to a step."""
    table = run.arrays["key_frequencies"].dropna("step").sel(step=step, method="nearest")
    return [int(k) for k in table.frequency.values[table.values > 0]]


def back(frame: pl.DataFrame, first: int) -> int | None:
    """Steps after the surgery until test accuracy is high for good; None where it is not by the end."""
    run = 0
    for step, accuracy in frame.select("step", "test_accuracy").iter_rows():
        run = run + 1 if accuracy >= BACK else 0
        if run == SUSTAINED:
            place = frame["step"].to_list().index(step)
            return frame["step"][place - SUSTAINED + 1] - first
    return None


def middle(values: Iterable[float | None], digits: int = 0) -> str:
    """Median and range over seeds, and how many have none: these count as later than all others."""
    values = list(values)
    known = sorted(v for v in values if v is not None)
    missing = f"; {len(values) - len(known)} of {len(values)} never" if len(known) < len(values) else ""
    if not known:
        return f"never (0 of {len(values)})"
    ordered = [*known, *[float("inf")] * (len(values) - len(known))]
    median = statistics.median(ordered)
    said = "–" if median == float("inf") else f"{median:,.{digits}f}"
    return f"{said} [{known[0]:,.{digits}f} … {known[-1]:,.{digits}f}]{missing}"


def overlap(keys: Sequence[Sequence[int]]) -> float | None:
    """Jaccard index of the key frequencies of a fork and of its twin at the end."""
    ours, theirs = map(set, keys)
    return len(ours & theirs) / len(ours | theirs) if ours | theirs else None


def groups(rows: list[Row], plan: str) -> dict[tuple[str, str], list[Row]]:
    """Rows by moment and change, in the plan's order."""
    table = PLANS[plan]
    moments = [str(at) for at in table["at"]]
    changes = [change["name"] for change in table["change"]]
    found: dict[tuple[str, str], list[Row]] = {}
    for at in moments:
        for change in [WHOLE, *changes]:
            members = sorted((r for r in rows if (r["at"], r["change"]) == (at, change)), key=lambda r: r["seed"])
            if members:
                found[at, change] = members
    return found


def tickets_table(rows: list[Row]) -> list[str]:
    """Tickets and their controls beside the whole network."""
    lines = [
        "| network | seeds | Σw² at step 0 | memorised | generalised | delay | same frequencies |",
        "|---" * 7 + "|",
    ]
    for (_, change), members in groups(rows, "tickets").items():
        delays = [None if None in (a := (r["generalised"][0], r["memorised"][0])) else a[0] - a[1] for r in members]
        cells = [
            ", ".join(str(r["seed"]) for r in members),
            middle((r["norm"] for r in members), 1),
            middle(r["memorised"][0] for r in members),
            middle(r["generalised"][0] for r in members),
            middle(delays),
            middle((overlap(r["keys"]) for r in members), 2),
        ]
        lines.append(f"| {change} | {' | '.join(cells)} |")
    return lines


def keys_table(rows: list[Row]) -> list[str]:
    """What is lost at each moment, and when it is back."""
    lines = [
        "| moment | step | what is removed | test accuracy before → after | training accuracy after | "
        "steps until back | fork − twin, generalised | same frequencies |",
        "|---" * 8 + "|",
    ]
    for (at, change), members in groups(rows, "key-frequencies").items():
        moved = [None if None in r["generalised"] else r["generalised"][0] - r["generalised"][1] for r in members]
        cells = [
            at,
            middle(r["first"] for r in members),
            change,
            f"{middle((r['before'] for r in members), 2)} → {middle((r['after'] for r in members), 2)}",
            middle((r["train_after"] for r in members), 2),
            middle(r["back"] for r in members),
            middle(moved),
            middle((overlap(r["keys"]) for r in members), 2),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def cost_table(rows: list[Row]) -> list[str]:
    """Training and test accuracy after each surgery at each moment, no training after it."""
    moments = list(dict.fromkeys(str(r["moment"]) for r in rows))
    lines = ["| surgery | " + " | ".join(moments) + " |", "|---" * (len(moments) + 1) + "|"]
    for name in dict.fromkeys(r["surgery"] for r in rows):
        cells = []
        for moment in moments:
            scores = [r["scores"] for r in rows if (r["surgery"], str(r["moment"])) == (name, moment)]
            known = [s for s in scores if isinstance(s, dict)]
            said = [middle((s[f"{part}_accuracy"] for s in known), 2) for part in ("train", "test")]
            refused = f"; refused {len(scores) - len(known)} of {len(scores)}" if len(known) < len(scores) else ""
            cells.append(f"{said[0]}; **{said[1]}**{refused}" if known else f"refused {len(scores)} of {len(scores)}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def beats(rows: list[Row], one: str, other: str, moment: str) -> str:
    """In how many seeds one surgery leaves a higher test accuracy than another."""
    pairs = []
    for seed in sorted({r["seed"] for r in rows}):
        found = {r["surgery"]: r["scores"] for r in rows if r["seed"] == seed and str(r["moment"]) == moment}
        if isinstance(found[one], dict) and isinstance(found[other], dict):
            pairs.append(found[one]["test_accuracy"] > found[other]["test_accuracy"])
    return f"{sum(pairs)} of {len(pairs)}"


def cost_words(rows: list[Row]) -> dict[str, str]:
    """Numbers in the page's sentences."""
    kept, whole = "key frequencies kept in both", "nothing"
    return {
        "KEPT_MEMORISED": beats(rows, kept, whole, "memorised"),
        "KEPT_400": beats(rows, kept, whole, "400"),
        "KEPT_OTHERS": beats(rows, kept, "as many others kept in both", "memorised"),
        "KEPT_GROKKED": beats(rows, whole, kept, "grokked"),
    }


SHOWN = {
    "nothing": "the whole network",
    "key frequencies kept in both": "keys kept",
    "as many others removed from both": "others removed",
    "key frequencies removed from both": "keys removed",
    "memorising neurons removed": "memorising neurons removed",
}
"""Surgeries in the figure of costs, with shorter names."""


def cost_figure(rows: list[Row]) -> Figure:
    """Test accuracy right after surgeries: a dot a seed, a bar at the median."""
    moments = list(dict.fromkeys(str(r["moment"]) for r in rows))
    colours = inks(False)
    figure = Figure(figsize=(7.6, 3.8), layout="constrained")
    ax = figure.subplots()
    for i, ((name, label), colour) in enumerate(zip(SHOWN.items(), ramp(colours, len(SHOWN)), strict=True)):
        for x, moment in enumerate(moments):
            scores = [r["scores"] for r in rows if (r["surgery"], str(r["moment"])) == (name, moment)]
            known = [s["test_accuracy"] for s in scores if isinstance(s, dict)]
            at = x + 0.15 * (i - (len(SHOWN) - 1) / 2)
            ax.plot(
                [at] * len(known),
                known,
                "o",
                color=colour,
                markersize=4,
                alpha=0.7,
                label=label if x == len(moments) - 1 else None,
            )
            if known:
                ax.plot([at - 0.05, at + 0.05], [statistics.median(known)] * 2, color=colour, linewidth=2)
    ax.set_xticks(range(len(moments)), moments)
    ax.set(ylabel="test accuracy", ylim=(-0.02, 1.04), title="Right after a surgery: a dot is a seed, a bar the median")
    ax.legend(fontsize=8)
    return figure


def curves(ax: Any, named: Sequence[tuple[str, list[Row]]], colours: Any, since: bool) -> None:
    """Median over seeds of test accuracy, with the range as a band."""
    for (label, members), colour in zip(named, ramp(colours, len(named)), strict=True):
        base = [r["first"] if since else 0 for r in members]
        grid = np.arange(0, min(r["last"] - b for r, b in zip(members, base, strict=True)) + 1, GRID)
        lines = [
            np.interp(grid, np.array(r["curve"][0]) - b, r["curve"][1]) for r, b in zip(members, base, strict=True)
        ]
        ax.plot(grid, np.median(lines, 0), color=colour, label=label, linewidth=1.8)
        ax.fill_between(grid, np.min(lines, 0), np.max(lines, 0), color=colour, alpha=0.12, linewidth=0)
    ax.set_ylim(-0.02, 1.04)


def figures(rows: list[Row]) -> None:
    """Curves of tickets, and of networks that have lost frequencies."""
    colours = inks(False)
    with drawn_in(colours):
        figure = Figure(figsize=(7.6, 4.2), layout="constrained")
        ax = figure.subplots()
        curves(
            ax, [(change, members) for (_, change), members in groups(rows, "tickets").items()], colours, since=False
        )
        ax.set(xlabel="steps", ylabel="test accuracy", title="Tickets and their controls: median and range over seeds")
        ax.legend(fontsize=8)
        save(figure, IMAGES / "surgery-tickets.png")
        if not groups(rows, "key-frequencies"):
            return
        moments = [str(at) for at in PLANS["key-frequencies"]["at"]]
        figure = Figure(figsize=(9.6, 2.9), layout="constrained")
        for ax, at in zip(figure.subplots(1, len(moments), sharey=True), moments, strict=True):
            found = [(change, m) for (moment, change), m in groups(rows, "key-frequencies").items() if moment == at]
            curves(ax, found, colours, since=True)
            ax.set(title=at, xlabel="steps after the surgery")
            if at == moments[0]:
                ax.set_ylabel("test accuracy")
                ax.legend(fontsize=7)
        save(figure, IMAGES / "surgery-keys.png")


def main() -> None:
    """Outcomes, then page and figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path)
    runs = parser.parse_args().runs
    if runs is not None:
        RESULTS.write_text(json.dumps(gather(runs), separators=(",", ":")), "utf-8")
    with drawn_in(inks(False)):
        save(cost_figure(json.loads(COST.read_text("utf-8"))), IMAGES / "surgery-cost.png")
    if RESULTS.is_file():
        figures(json.loads(RESULTS.read_text("utf-8")))
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """The page's text, from the stored outcomes."""
    cost = json.loads(COST.read_text("utf-8"))
    rows = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else []
    text = (HERE / "surgery_page.md").read_text("utf-8")
    words = cost_words(cost) | {
        name: "\n".join(table)
        for name, table in (("COST", cost_table(cost)), ("TICKETS", tickets_table(rows)), ("KEYS", keys_table(rows)))
    }
    for name, said in words.items():
        text = text.replace(f"{{{name}}}", said)
    return text


if __name__ == "__main__":
    main()
