"""Writes docs/regrowth-results.md and its figure from the stored outcomes of studies/regrowth.toml.

python studies/regrowth_page.py               from studies/results/regrowth.json
python studies/regrowth_page.py --runs runs   takes that anew from trained forks
"""

from __future__ import annotations

import argparse
import json
import statistics
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from matplotlib.figure import Figure

from latebloom.analysis.watch import Watch
from latebloom.errors import LatebloomError
from latebloom.store import Run, open_run
from latebloom.views.inks import drawn_in, inks, save

HERE = Path(__file__).parent
RESULTS, TEMPLATE = HERE / "results/regrowth.json", HERE / "regrowth_page.md"
PAGE, IMAGE = HERE.parent / "docs/regrowth-results.md", HERE.parent / "docs/images/regrowth.png"
PLAN = tomllib.loads((HERE / "regrowth.toml").read_text("utf-8"))
CHANGE = PLAN["change"][0]["name"]
MOMENTS = {str(at): f"step {at}" if isinstance(at, int) else at for at in PLAN["at"]}
TRAIN, TEST = 0.99, 0.95

Row = dict[str, Any]


def gather(runs: Path) -> list[Row]:
    """A row for each fork of the plan that is done."""
    rows = []
    for folder in sorted((runs / "forks").iterdir()):
        fork = open_run(folder)
        facts = fork.provenance.get("fork") or {}
        if facts.get("change") == CHANGE and fork.state == "done":
            parent = open_run(runs / facts["parent"]["folder"])
            rows.append(told(fork, open_run(runs / facts["twin"]["folder"]), parent, facts))
    if not rows:
        raise LatebloomError(f"expected forks that are done in {runs}/forks, got none: train studies/regrowth.toml")
    order = list(MOMENTS)
    return sorted(rows, key=lambda row: (order.index(row["at"]), row["seed"]))


def told(fork: Run, twin: Run, parent: Run, facts: dict[str, Any]) -> Row:
    """What a fork shows beside its twin."""
    step, last = facts["step"], fork.spec["steps"]
    frames = [run.scalars.sort("step").filter(pl.col("step").is_between(step, last)) for run in (fork, twin)]
    return {
        "at": facts["event"] or str(step),
        "seed": fork.spec["seeds"]["init"],
        "step": step,
        "removed": keys_at(parent, parent.checkpoints[-1]),
        "before": {name: facts["before"][name] for name in ("train_accuracy", "test_accuracy")},
        "fork": side(fork, frames[0], step),
        "twin": side(twin, frames[1], step),
    }


def side(run: Run, frame: pl.DataFrame, step: int) -> Row:
    """Accuracies from the fork on, when they are back, and the key frequencies of each row."""
    table = run.arrays["key_frequencies"].dropna("step").sel(step=slice(step, int(frame["step"][-1])))
    places, frequency = table.values > 0, table.frequency.values
    return {
        "after": (frame["step"] - step).to_list(),
        "test_accuracy": [round(value, 4) for value in frame["test_accuracy"]],
        "train_accuracy": [round(value, 4) for value in frame["train_accuracy"]],
        "back": {name: first(frame, name, level, step) for name, level in BACK.items()},
        "keys_after": (table.step.values - step).tolist(),
        "keys": [[int(k) for k in frequency[row]] for row in places],
    }


BACK = {"train_accuracy": TRAIN, "test_accuracy": TEST}


def first(frame: pl.DataFrame, measure: str, level: float, step: int) -> int | None:
    """Steps from the fork to the first of six log rows in a row that reach a level."""
    watch = Watch(level)
    for at, value in frame.select("step", measure).drop_nulls().iter_rows():
        watch.add(at, value)
    return None if watch.step is None else watch.step - step


def keys_at(run: Run, step: int) -> list[int]:
    """The key frequencies of the log row nearest to a step."""
    table = run.arrays["key_frequencies"].dropna("step").sel(step=step, method="nearest")
    return [int(k) for k in table.frequency.values[table.values > 0]]


def middle(values: Iterable[float | None], digits: int = 2) -> str:
    """Median and range over seeds; those without a value count as later than all others."""
    values = list(values)
    known = sorted(value for value in values if value is not None)
    if not known:
        return f"never ({len(values)} seeds)"
    ordered = [*known, *[float("inf")] * (len(values) - len(known))]
    median = statistics.median(ordered)
    said = "–" if median == float("inf") else f"{median:,.{digits}f}"
    missing = f"; {len(values) - len(known)} of {len(values)} never" if len(known) < len(values) else ""
    return f"{said} [{known[0]:,.{digits}f} … {known[-1]:,.{digits}f}]{missing}"


def moments(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows by moment, in the plan's order."""
    return {at: [row for row in rows if row["at"] == at] for at in MOMENTS}


def table(rows: list[Row]) -> list[str]:
    """Accuracy before, right after and at the end, and how soon it is back."""
    lines = [
        "| at | seeds | test accuracy before | right after | at the end | twin's | training ≥ .99 after | "
        "test ≥ .95 after | twin's |",
        "|---" * 9 + "|",
    ]
    for at, members in moments(rows).items():
        cells = [
            middle(row["before"]["test_accuracy"] for row in members),
            middle(row["fork"]["test_accuracy"][0] for row in members),
            *(middle(row[who]["test_accuracy"][-1] for row in members) for who in ("fork", "twin")),
            middle((row["fork"]["back"]["train_accuracy"] for row in members), 0),
            *(middle((row[who]["back"]["test_accuracy"] for row in members), 0) for who in ("fork", "twin")),
        ]
        lines.append(f"| {MOMENTS[at]} | {len(members)} | {' | '.join(cells)} |")
    return lines


def returned(row: Row, place: int) -> tuple[int, int]:
    """Of the frequencies taken out, how many are key at a row; and how many others are."""
    keys = row["fork"]["keys"][place]
    return sum(k in row["removed"] for k in keys), sum(k not in row["removed"] for k in keys)


def frequencies(rows: list[Row]) -> list[str]:
    """Which frequencies come back."""
    lines = [
        "| at | seed | taken out | key at the end, of those | others key at the end | twin's key then |",
        "|---" * 6 + "|",
    ]
    for row in rows:
        end, removed = row["fork"]["keys"][-1], row["removed"]
        parts = [
            removed,
            [k for k in end if k in removed],
            [k for k in end if k not in removed],
            row["twin"]["keys"][-1],
        ]
        said = [", ".join(map(str, part)) or "none" for part in parts]
        lines.append(f"| {MOMENTS[row['at']]} | {row['seed']} | {' | '.join(said)} |")
    return lines


def page(rows: list[Row]) -> str:
    """The page's text, from the stored outcomes."""
    text = TEMPLATE.read_text("utf-8")
    words = {"STEPS": f"{PLAN['steps']:,}", "TABLE": "\n".join(table(rows)), "KEYS": "\n".join(frequencies(rows))}
    for name, said in words.items():
        text = text.replace(f"{{{name}}}", said)
    return text


FORK, TWIN, NEW = "#d55e00", "#0072b2", "#009e73"
"""Of Okabe and Ito's palette, told apart with any colour vision; lines differ in their strokes besides."""


def figure(rows: list[Row]) -> Figure:
    """Test accuracy above, key frequencies below, a column a moment and a line a seed."""
    made = Figure(figsize=(11.5, 5.6), layout="constrained")
    axes = made.subplots(2, len(MOMENTS), sharex=True, sharey="row")
    for (at, members), above, below in zip(moments(rows).items(), *axes, strict=True):
        for place, row in enumerate(members):
            for who, colour, style in (("fork", FORK, "-"), ("twin", TWIN, "--")):
                label = {"fork": "keys taken out", "twin": "untouched twin"}[who] if place == 0 else None
                above.plot(
                    row[who]["after"], row[who]["test_accuracy"], style, color=colour, linewidth=1.2, label=label
                )
            _counts(below, row, place == 0)
        above.set_title(f"at {MOMENTS[at]}", fontsize=10)
        below.set_xlabel("steps after the surgery")
        for ax in (above, below):
            ax.grid(color=inks(False).faint, alpha=0.2)
    axes[0][0].set(ylabel="test accuracy", ylim=(-0.03, 1.03))
    axes[1][0].set(ylabel="key frequencies", ylim=(-0.3, None))
    handles = {label: line for ax in axes.flat for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    made.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=5, fontsize=9)
    return made


def _counts(ax: Any, row: Row, first: bool) -> None:
    """How many key frequencies each row has of those taken out, and of others."""
    places = range(len(row["fork"]["keys"]))
    counts = [returned(row, place) for place in places]
    for (colour, style, label), values in zip(
        ((FORK, "-", "key, of those taken out"), (NEW, "-.", "key, others")),
        zip(*counts, strict=True),
        strict=True,
    ):
        said = label if first else None
        ax.plot(row["fork"]["keys_after"], values, style, color=colour, linewidth=1.1, alpha=0.8, label=said)


def main() -> None:
    """As the command line asks."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--runs", type=Path, help="a runs folder with the forks")
    runs = words.parse_args().runs
    if runs is not None:
        RESULTS.write_text(json.dumps(gather(runs), separators=(",", ":")) + "\n", "utf-8")
    rows = json.loads(RESULTS.read_text("utf-8"))
    with drawn_in(inks(False)):
        save(figure(rows), IMAGE)
    PAGE.write_text(page(rows), "utf-8")


if __name__ == "__main__":
    main()
