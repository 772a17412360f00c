"""Writes docs/forks-results.md and its figures from the stored results of studies/forks.toml.

python studies/forks_page.py               from studies/results/forks.json and forks.parquet
python studies/forks_page.py --runs runs   takes both anew from trained forks
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Iterable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import polars as pl

from latebloom.analysis.fork_effects import Effect, Median, effects
from latebloom.analysis.forked import Comparison, Parting, Shift, common, compare
from latebloom.errors import LatebloomError
from latebloom.store import open_run
from latebloom.store.layout import finite_json
from latebloom.views.study_figures import save

HERE = Path(__file__).parent
RESULTS, PAGE, IMAGES = HERE / "results", HERE.parent / "docs/forks-results.md", HERE.parent / "docs/images"

NAMES = {
    "optim.weight_decay=0": "decay removed",
    "optim.weight_decay=3": "decay × 3",
    "regular.norm=now": "norm frozen",
    "split.fraction=0.15": "15 % of the pairs",
    "split.fraction=0.2": "20 % of the pairs",
    "split.fraction=0.25": "25 % of the pairs",
}
"""Forks made by single commands have their settings as their name; those of the file have these."""

MOMENTS = {
    "memorised": "memorised",
    "400": "circuit formation (step 400)",
    "grokked": "grokked",
    "cleanup-ended": "after cleanup",
}
CURVES = ("train_accuracy", "test_accuracy", "test_loss", "weight_norm_sq", "excluded_loss_all_frequencies")
BEFORE = 200
"""Steps before a fork that a figure shows."""

FORK, TWIN = "#d55e00", "#0072b2"
"""Vermilion and blue of Okabe and Ito's palette, told apart with any colour vision; twins are dashed besides."""

At = tuple[str, Comparison]


def gathered(runs: Path) -> tuple[list[At], pl.DataFrame]:
    """Every fork that is done, with its moment, and the curves of it and of its twin."""
    found: list[At] = []
    frames = []
    for folder in sorted((runs / "forks").iterdir()):
        facts = open_run(folder).provenance.get("fork") or {}
        if not (folder / "manifest.json").is_file() or not facts.get("twin") or not facts.get("changes"):
            continue
        fork, twin = open_run(folder), open_run(runs / facts["twin"]["folder"])
        one = compare(fork, twin)
        at, change = one.event or str(one.step), NAMES.get(one.change, one.change)
        if at not in MOMENTS or (change not in NAMES.values() and one.surgery is None):
            continue
        found.append((at, replace(one, change=change)))
        for side, frame in zip(("fork", "twin"), common(fork, twin), strict=True):
            kept = frame.filter(pl.col("step") >= one.step - BEFORE)
            names = [name for name in CURVES if name in kept.columns]
            frames.append(
                kept.select(
                    pl.lit(change).alias("change"),
                    pl.lit(at).alias("at"),
                    pl.lit(one.seed).alias("seed"),
                    pl.lit(side).alias("side"),
                    (pl.col("step") - one.step).alias("after"),
                    *(pl.col(name).cast(pl.Float32) for name in names),
                )
            )
    if not found:
        raise LatebloomError(f"expected forks that are done in {runs}/forks, got none: train studies/forks.toml")
    return found, pl.concat(frames, how="diagonal_relaxed")


def stored(found: Iterable[At]) -> str:
    """Comparisons as JSON: an infinite end of a difference is null, and `open` says which are."""
    return json.dumps(finite_json([{"at": at} | one.to_json() for at, one in found]), indent=0, sort_keys=True) + "\n"


def restored(text: str) -> list[At]:
    """What `stored` wrote."""
    return [(table["at"], _comparison(table)) for table in json.loads(text)]


def _comparison(table: dict[str, Any]) -> Comparison:
    known = {field.name: table[field.name] for field in fields(Comparison)}
    parted = tuple(Parting(**one) for one in table["parted"])
    shifts = tuple(
        Shift(**one | {"low": _end(one["low"], -math.inf), "high": _end(one["high"], math.inf)})
        for one in table["shifts"]
    )
    return Comparison(**known | {"parted": parted, "shifts": shifts, "notes": tuple(table["notes"])})


def _end(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def page(told: list[Effect]) -> str:
    """The page's tables, a line for each change at each moment."""
    lines = [
        "# Results: forks",
        "",
        "Written by `python studies/forks_page.py` from `studies/results/forks.json`; the forks are those of",
        "`studies/forks.toml`. Parents: preset `quick` (a + b mod 59, 45 % of the pairs, λ = 1, one-layer",
        "transformer), 8000 steps. Each fork stands beside its untouched twin (the parent itself, bit for bit).",
        "Medians over parents, with 95 % intervals from parents drawn anew; with five parents such an interval spans",
        "nearly all of them. How they are found: [](forks).",
        "",
        "## What became of measures",
        "",
        "| change | at | parents | fork and twin part after | test accuracy, fork | twin | Σw², fork | twin |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for effect in told:
        cells = [effect.change, MOMENTS[effect.at], str(len(effect.parents)), spelt(effect.parts, "steps")]
        for name in ("test_accuracy", "weight_norm_sq"):
            cells += [spelt(side[name]) for side in (effect.fork_end, effect.twin_end)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "## What became of events",
        "",
        "Steps in the fork less steps in the twin. `> x`: the twin had the event and the fork not by its end, x steps",
        "later. Only events that something is known of; *never* counts forks without an event that the twin had.",
        "",
        "| change | at | event | fork − twin | 95 % | later | earlier | same | never |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for effect in told:
        for event in effect.events:
            if event.event in EVENTS and event.steps is not None:
                counts = (event.later, event.earlier, event.same, event.never)
                head = [
                    effect.change,
                    MOMENTS[effect.at],
                    event.title,
                    spelt(event.steps, "steps"),
                    _interval(event.steps),
                ]
                lines.append(f"| {' | '.join([*head, *map(str, counts)])} |")
    return "\n".join(lines) + "\n"


EVENTS = ("generalised", "grokked", "gap-closed", "circuit-formation-ended", "cleanup-started", "cleanup-ended",
          "anti-grokked", "collapsed")  # fmt: skip


def spelt(median: Median, unit: str = "") -> str:
    """A median, or what censoring leaves of it."""
    form = "{:+,.0f}" if unit else "{:.3g}"
    low, high = (form.format(end) if math.isfinite(end) else "" for end in (median.low, median.high))
    if low == high:
        return low or ("never" if median.low == math.inf else "–")
    return f"> {low}" if not high else f"< {high}" if not low else f"{low} … {high}"


def _interval(median: Median) -> str:
    ends = ("−∞" if end == -math.inf else "∞" if end == math.inf else f"{end:+,.0f}" for end in median.interval)
    return " … ".join(ends)


def figures(found: list[At], curves: pl.DataFrame) -> dict[str, Any]:
    """Figures by their names: each change at its moments, test accuracy above Σw²."""
    changes = dict.fromkeys(one.change for _, one in found)
    decay = [("decay removed", at) for at in MOMENTS]
    data = [(change, "cleanup-ended") for change in changes if change.endswith("of the pairs")]
    rest = [(c, at) for at, c in dict.fromkeys((at, one.change) for at, one in found)]
    rest = [key for key in rest if key not in decay and key not in data]
    groups = {"forks-decay": decay, "forks-data": sorted(data), "forks-other": rest}
    there = {(one.change, at) for at, one in found}
    kept = {name: [key for key in keys if key in there] for name, keys in groups.items()}
    return {name: _figure(keys, found, curves) for name, keys in kept.items() if keys}


def _figure(keys: list[tuple[str, str]], found: list[At], curves: pl.DataFrame) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.0 * len(keys) + 1.2, 5.6), layout="constrained")
    axes = figure.subplots(2, len(keys), sharex="col", sharey="row", squeeze=False)
    for column, (change, at) in enumerate(keys):
        members = [one for moment, one in found if (one.change, moment) == (change, at)]
        for row, name in enumerate(("test_accuracy", "weight_norm_sq")):
            ax = axes[row][column]
            _curves(ax, curves.filter((pl.col("change") == change) & (pl.col("at") == at)), name)
            ax.axvline(0, color="#8a9199", linewidth=1)
            ax.grid(color="#8a9199", alpha=0.2)
        _events(axes[0][column], members)
        axes[0][column].set_title(f"{change}\nat: {MOMENTS[at]}, {len(members)} seeds", fontsize=9)
        axes[1][column].set_xlabel("steps after the fork")
    axes[0][0].set_ylabel("test accuracy")
    axes[0][0].set_ylim(-0.03, 1.03)
    axes[1][0].set_ylabel("Σw² (log scale)")
    axes[1][0].set_yscale("log")
    handles = {label: line for ax in axes[0] for line, label in zip(*ax.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, fontsize=8)
    return figure


def _curves(ax: Any, curves: pl.DataFrame, name: str) -> None:
    for side, colour, style in (("twin", TWIN, "--"), ("fork", FORK, "-")):
        for place, (_, part) in enumerate(curves.filter(pl.col("side") == side).group_by("seed", maintain_order=True)):
            drawn = part.drop_nulls(name)
            label = (f"{side}, a line a seed" if side == "fork" else "untouched twin") if place == 0 else None
            ax.plot(drawn["after"], drawn[name], style, color=colour, linewidth=1.1, alpha=0.8, label=label)


def _events(ax: Any, members: list[Comparison]) -> None:
    """Where test accuracy reached .95 for good in each fork (triangles) and twin (circles), on the top edge."""
    for side, colour, mark in (("twin", TWIN, "o"), ("fork", FORK, "v")):
        seen = [(getattr(s, side), one.step) for one in members for s in one.shifts if s.event == "generalised"]
        steps = [at - step for at, step in seen if at is not None and at >= step]
        # an empty line that is not clipped would take the corner of the figure into the layout
        if steps:
            style = {"color": colour, "markersize": 5, "clip_on": False, "label": f"generalised, {side}"}
            ax.plot(steps, [1.0] * len(steps), mark, **style)


def ordered(found: Iterable[At]) -> list[At]:
    """By change, moment and seed, so that the page does not depend on the order of folders."""
    moments = list(MOMENTS)
    return sorted(found, key=lambda pair: (pair[1].change, moments.index(pair[0]), pair[1].seed))


def main() -> None:
    """As the command line asks."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--runs", type=Path, help="a runs folder with the forks")
    runs = words.parse_args().runs
    if runs is not None:
        RESULTS.mkdir(exist_ok=True)
        found, curves = gathered(runs)
        (RESULTS / "forks.json").write_text(stored(ordered(found)), "utf-8")
        curves.write_parquet(RESULTS / "forks.parquet", compression="zstd")
    found, curves = restored((RESULTS / "forks.json").read_text("utf-8")), pl.read_parquet(RESULTS / "forks.parquet")
    found = ordered(found)
    made = figures(found, curves)
    for name, figure in made.items():
        save(figure, IMAGES / f"{name}.png")
    shown = "\n".join(f"\n![{name}](images/{name}.png)" for name in made)
    PAGE.write_text(page(effects(found)) + shown + "\n", "utf-8")


if __name__ == "__main__":
    main()
