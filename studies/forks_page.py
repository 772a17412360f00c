"""Writes docs/forks-results.md and its figures from the stored results of studies/forks.toml and forks-mlp.toml.

python studies/forks_page.py               from studies/results/forks.json and forks.parquet
python studies/forks_page.py --runs runs   adds trained forks to both (parents in runs/quick and runs/sum-mlp)
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
from latebloom.views.inks import save

HERE = Path(__file__).parent
RESULTS, PAGE, IMAGES = HERE / "results", HERE.parent / "docs/forks-results.md", HERE.parent / "docs/images"

NAMES = {
    "optim.weight_decay=0": "decay removed",
    "optim.weight_decay=3": "decay × 3",
    "regular.norm=now": "norm frozen",
    "split.fraction=0.15": "15 % of the pairs",
    "split.fraction=0.2": "20 % of the pairs",
    "split.fraction=0.25": "25 % of the pairs",
    "optim.weight_decay=0, regular.norm=now": "norm frozen, decay removed",
}
"""Forks made by single commands have their settings as their name; those of the file have these."""

CHANGES = {*NAMES.values(), "10 % of the pairs"}

MOMENTS = {
    "memorised": "memorised",
    "400": "circuit formation (step 400)",
    "800": "between (step 800)",
    "grokked": "grokked",
    "cleanup-ended": "after cleanup",
    "3000": "long after (step 3000)",
}

NETWORKS = {
    "quick": "the preset `quick`: a one-layer transformer, 8000 steps",
    "sum-mlp": "`studies/base/sum-mlp.toml`: an MLP on the sum of two embeddings, 4000 steps",
}
"""Folders of parents."""
CURVES = ("train_accuracy", "test_accuracy", "test_loss", "weight_norm_sq", "excluded_loss_all_frequencies")
BEFORE = 200
"""Steps before a fork that a figure shows."""

FORK, TWIN = "#d55e00", "#0072b2"
"""Vermilion and blue of Okabe and Ito's palette, told apart with any colour vision; twins are dashed besides."""

At = tuple[str, str, Comparison]
"""The folder of the parent, the moment, the fork beside its twin."""


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
        network = str(facts["parent"]["folder"]).split("/")[0]
        if at not in MOMENTS or network not in NETWORKS or change not in CHANGES:
            continue
        found.append((network, at, replace(one, change=change)))
        for side, frame in zip(("fork", "twin"), common(fork, twin), strict=True):
            kept = frame.filter(pl.col("step") >= one.step - BEFORE)
            names = [name for name in CURVES if name in kept.columns]
            frames.append(
                kept.select(
                    pl.lit(network).alias("network"),
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


def added(old: tuple[list[At], pl.DataFrame], new: tuple[list[At], pl.DataFrame]) -> tuple[list[At], pl.DataFrame]:
    """What was stored and what is new; of a fork that both have, the new one."""
    again = {_key(one) for one in new[0]}
    kept = [one for one in old[0] if _key(one) not in again]
    keys = pl.struct("network", "change", "at", "seed").map_elements(
        lambda row: tuple(row.values()) in again, return_dtype=pl.Boolean
    )
    return [*kept, *new[0]], pl.concat([old[1].filter(~keys), new[1]], how="diagonal_relaxed")


def _key(one: At) -> tuple[str, str, str, int]:
    network, at, comparison = one
    return network, comparison.change, at, comparison.seed


def stored(found: Iterable[At]) -> str:
    """Comparisons as JSON; an infinite end of a difference is null."""
    tables = [{"network": network, "at": at} | one.to_json() for network, at, one in found]
    return json.dumps(finite_json(tables), indent=0, sort_keys=True) + "\n"


def restored(text: str) -> list[At]:
    """What `stored` wrote."""
    return [(table["network"], table["at"], _comparison(table)) for table in json.loads(text)]


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


def page(found: list[At]) -> str:
    """The page: of each kind of network two tables, and its figures."""
    lines = [
        "# Results: forks",
        "",
        "Written by `python studies/forks_page.py` from `studies/results/forks.json`; the forks are those of",
        "`studies/forks.toml` and `studies/forks-mlp.toml`. Task: a + b mod 59, 45 % of the pairs, AdamW, λ = 1. Each",
        "fork stands beside its untouched twin, which is the parent itself, bit for bit. Medians over parents (one a",
        "seed), with 95 % intervals from parents drawn anew; with five parents such an interval spans nearly all of",
        "them. Differences are in steps, fork less twin. `> x`: the twin had the event and the fork not by its end, x",
        "steps later. Only events that something is known of; *never* counts forks without an event that the twin had.",
        "How it is found: [forks](forks.md).",
        "",
        (HERE / "forks_findings.md").read_text("utf-8").rstrip(),
    ]
    for network, what in NETWORKS.items():
        members = [(at, one) for folder, at, one in found if folder == network]
        if members:
            lines += ["", f"## {what[0].upper()}{what[1:]}", "", *_tables(effects(members)), ""]
            lines += [f"![{name}](images/{name}.png)" for name in _groups(network, found)]
    return "\n".join(lines) + "\n"


def _tables(told: list[Effect]) -> list[str]:
    lines = [
        "| change | at | parents | parts after, steps | test accuracy | twin's | test loss | twin's | Σw² | twin's |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for effect in told:
        cells = [effect.change, MOMENTS[effect.at], str(len(effect.parents)), spelt(effect.parts, "steps")]
        for name in ("test_accuracy", "test_loss", "weight_norm_sq"):
            cells += [spelt(side[name]) for side in (effect.fork_end, effect.twin_end)]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "| change | at | event | fork − twin | 95 % | later | earlier | same | never |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for effect in told:
        for event in effect.events:
            if event.event in EVENTS and event.steps is not None:
                counts = (event.later, event.earlier, event.same, event.never)
                head = [effect.change, MOMENTS[effect.at], event.title]
                told_of = [spelt(event.steps, "steps"), _interval(event.steps), *map(str, counts)]
                lines.append(f"| {' | '.join([*head, *told_of])} |")
    return lines


EVENTS = ("generalised", "grokked", "gap-closed", "circuit-formation-ended", "cleanup-started", "cleanup-ended",
          "anti-grokked", "collapsed", "margin-positive")  # fmt: skip


def spelt(median: Median, unit: str = "") -> str:
    """A median, or what censoring leaves of it."""
    form = "{:+,.0f}" if unit else "{:.3g}"
    low, high = (form.format(end) if math.isfinite(end) else "" for end in (median.low, median.high))
    if low == high:
        return low or "–"
    return f"> {low}" if not high else f"< {high}" if not low else f"{low} … {high}"


def _interval(median: Median) -> str:
    ends = ("−∞" if end == -math.inf else "∞" if end == math.inf else f"{end:+,.0f}" for end in median.interval)
    return " … ".join(ends)


def _groups(network: str, found: list[At]) -> dict[str, list[tuple[str, str]]]:
    """Figures by name: which changes at which moments each shows."""
    there = list(dict.fromkeys((one.change, at) for folder, at, one in found if folder == network))
    groups: dict[str, list[tuple[str, str]]] = {}
    for change, at in there:
        kind = "decay" if change == "decay removed" else "data" if change.endswith("of the pairs") else "other"
        groups.setdefault(f"forks-{network}-{kind}", []).append((change, at))
    return groups


def figures(found: list[At], curves: pl.DataFrame) -> dict[str, Any]:
    """Figures by their names: each change at its moments, test accuracy above Σw²."""
    made = {}
    for network in NETWORKS:
        part = curves.filter(pl.col("network") == network)
        members = [(at, one) for folder, at, one in found if folder == network]
        made |= {name: _figure(keys, members, part) for name, keys in _groups(network, found).items()}
    return made


def _figure(keys: list[tuple[str, str]], found: list[tuple[str, Comparison]], curves: pl.DataFrame) -> Any:
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
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(4, 2 * len(keys)),
                  fontsize=8)  # fmt: skip
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
    return sorted(found, key=lambda one: (one[0], one[2].change, moments.index(one[1]), one[2].seed))


def main() -> None:
    """As the command line asks."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--runs", type=Path, help="a runs folder with the forks")
    runs = words.parse_args().runs
    found = restored((RESULTS / "forks.json").read_text("utf-8"))
    curves = pl.read_parquet(RESULTS / "forks.parquet")
    if runs is not None:
        found, curves = added((found, curves), gathered(runs))
        (RESULTS / "forks.json").write_text(stored(ordered(found)), "utf-8")
        curves.write_parquet(RESULTS / "forks.parquet", compression="zstd")
    found = ordered(found)
    made = figures(found, curves)
    for name, figure in made.items():
        save(figure, IMAGES / f"{name}.png")
    PAGE.write_text(page(found), "utf-8")


if __name__ == "__main__":
    main()
