"""Writes docs/surgery-results.md and its figures from the stored outcomes of surgeries.

python studies/surgery_page.py               from studies/results/surgery-cost.json and surgery.json
python studies/surgery_page.py --runs runs   takes those of tickets.toml anew from their forks
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
from latebloom.store import Run, open_run
from latebloom.views.inks import drawn_in, inks, ramp, save

HERE = Path(__file__).parent
RESULTS, COST = HERE / "results/surgery.json", HERE / "results/surgery-cost.json"
PAGE, IMAGES = HERE.parent / "docs/surgery-results.md", HERE.parent / "docs/images"
PLAN = tomllib.loads((HERE / "tickets.toml").read_text("utf-8"))
GRID = 20
"""Steps between the points of a curve: those of the log."""
WHOLE = "the whole network (twin)"

Row = dict[str, Any]


def gather(runs: Path) -> list[Row]:
    """A row for each fork of the plan that is done, and one for each parent as its twin."""
    names = [change["name"] for change in PLAN["change"]]
    rows, parents = [], {}
    for folder in sorted((runs / "forks").iterdir()):
        fork = open_run(folder)
        facts = fork.provenance.get("fork", {})
        if facts.get("change") in names and fork.state == "done":
            parent = parents.setdefault(facts["parent"]["run"], open_run(runs / facts["parent"]["folder"]))
            rows.append({"change": facts["change"]} | told(fork, parent))
    return rows + [{"change": WHOLE} | told(parent, parent) for parent in parents.values()]


def told(run: Run, twin: Run) -> Row:
    """What a run shows up to the plan's last step."""
    last = PLAN["steps"]
    frame = run.scalars.sort("step").filter(pl.col("step") <= last)
    events = {event.name: event.found.step for event in find_events(frame)}
    curve = frame.filter(pl.col("step") % GRID == 0)
    return {
        "seed": run.spec["seeds"]["init"],
        "memorised": events["memorised"],
        "generalised": events["generalised"],
        "norm": frame["weight_norm_sq"][0],
        "end": float(frame["test_accuracy"][-1]),
        "keys": [keys_at(one, last) for one in (run, twin)],
        "curve": [curve["step"].to_list(), [round(x, 4) for x in curve["test_accuracy"]]],
    }


def keys_at(run: Run, step: int) -> list[int]:
    """The key frequencies of the log row nearest to a step."""
    table = run.arrays["key_frequencies"].dropna("step").sel(step=step, method="nearest")
    return [int(k) for k in table.frequency.values[table.values > 0]]


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


def groups(rows: list[Row]) -> dict[str, list[Row]]:
    """Rows by change, in the plan's order."""
    names = [WHOLE, *(change["name"] for change in PLAN["change"])]
    found = {name: sorted((r for r in rows if r["change"] == name), key=lambda r: r["seed"]) for name in names}
    return {name: members for name, members in found.items() if members}


def then(row: Row) -> float | None:
    """Test accuracy at the step of memorising; None where it has not memorised."""
    step, curve = row["memorised"], row["curve"]
    return None if step is None else float(np.interp(step, *curve))


def tickets_table(rows: list[Row]) -> list[str]:
    """Tickets and their controls beside the whole network."""
    lines = [
        "| network | seeds | Σw² at step 0 | memorised | generalised | test accuracy at memorising | at the end | "
        "same frequencies |",
        "|---" * 8 + "|",
    ]
    for change, members in groups(rows).items():
        cells = [
            ", ".join(str(r["seed"]) for r in members),
            middle((r["norm"] for r in members), 1),
            middle(r["memorised"] for r in members),
            middle(r["generalised"] for r in members),
            middle((then(r) for r in members), 2),
            middle((r["end"] for r in members), 2),
            middle((overlap(r["keys"]) for r in members), 2),
        ]
        lines.append(f"| {change} | {' | '.join(cells)} |")
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


def tickets_figure(rows: list[Row]) -> Figure:
    """Median over seeds of test accuracy, with the range as a band."""
    named = groups(rows)
    figure = Figure(figsize=(7.6, 4.2), layout="constrained")
    ax = figure.subplots()
    for (label, members), colour in zip(named.items(), ramp(inks(False), len(named)), strict=True):
        steps, lines = members[0]["curve"][0], [r["curve"][1] for r in members]
        ax.plot(steps, np.median(lines, 0), color=colour, label=label, linewidth=1.8)
        ax.fill_between(steps, np.min(lines, 0), np.max(lines, 0), color=colour, alpha=0.12, linewidth=0)
    ax.set(ylim=(-0.02, 1.04), xlabel="steps", ylabel="test accuracy")
    ax.set_title("Tickets and their controls: median and range over seeds")
    ax.legend(fontsize=8)
    return figure


def main() -> None:
    """Outcomes, then figures and page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=Path)
    runs = parser.parse_args().runs
    if runs is not None:
        RESULTS.write_text(json.dumps(gather(runs), separators=(",", ":")), "utf-8")
    with drawn_in(inks(False)):
        save(cost_figure(json.loads(COST.read_text("utf-8"))), IMAGES / "surgery-cost.png")
        save(tickets_figure(json.loads(RESULTS.read_text("utf-8"))), IMAGES / "surgery-tickets.png")
    PAGE.write_text(page(), "utf-8")


def page() -> str:
    """The page's text, from the stored outcomes."""
    text = (HERE / "surgery_page.md").read_text("utf-8")
    cost, rows = (json.loads(file.read_text("utf-8")) for file in (COST, RESULTS))
    words = cost_words(cost) | {
        "STEPS": f"{PLAN['steps']:,}",
        "COST": "\n".join(cost_table(cost)),
        "TICKETS": "\n".join(tickets_table(rows)),
    }
    for name, said in words.items():
        text = text.replace(f"{{{name}}}", said)
    return text


if __name__ == "__main__":
    main()
