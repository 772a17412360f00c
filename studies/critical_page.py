"""Writes docs/critical-results.md and its figure from the stored curves of critical.toml and critical-forks.toml.

python studies/critical_page.py               from studies/results/critical.parquet
python studies/critical_page.py --runs runs   takes that anew from the trained study and its forks
"""

from __future__ import annotations

import argparse
import itertools
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from matplotlib import colormaps
from matplotlib.figure import Figure

from latebloom.analysis.statistics.bootstrap import DRAWS, interval
from latebloom.errors import LatebloomError
from latebloom.store import Run, open_run, open_study
from latebloom.views.inks import drawn_in, inks, save

HERE = Path(__file__).parent
RESULTS, TEMPLATE = HERE / "results/critical.parquet", HERE / "critical_page.md"
PAGE, IMAGE = HERE.parent / "docs/critical-results.md", HERE.parent / "docs/images/critical.png"
STUDY = tomllib.loads((HERE / "critical.toml").read_text("utf-8"))
PLAN = tomllib.loads((HERE / "critical-forks.toml").read_text("utf-8"))
FRACTION, ACCURACY, MEMORISED = "split.fraction", "test_accuracy_untransposed", "train_accuracy"
SIDES = {"scratch": "from scratch", "fork": "had grokked"}
LAST = 6
"""Evaluations that an end is the median of, and each half of what is looked at for drift."""
HALF = 0.5
"""The accuracy at which a curve over sizes is called critical."""
PARTIAL = (0.1, 0.9)
"""Between these a network generalises in part; as `latebloom.analysis.end_states` has it."""


@dataclass(frozen=True)
class End:
    """Where one run ended.

    Attributes:
        accuracy: median of its last evaluations.
        drift: that, less the median of as many evaluations at half of its steps.
    """

    side: str
    fraction: float
    seed: int
    accuracy: float
    drift: float


def gather(runs: Path) -> pl.DataFrame:
    """A row for each log row of each run that is done, counted from its beginning, or from the fork."""
    study = open_study(runs / "critical")
    done = study.runs.filter(pl.col("state") == "done")
    frames = [
        _curve(open_run(study.folder / name), "scratch", fraction, 0)
        for name, fraction in done.select("run", FRACTION).iter_rows()
    ]
    parents = {name for name, fraction in done.select("run", FRACTION).iter_rows() if fraction == _most()}
    for folder in sorted((runs / "forks").iterdir()):
        fork = open_run(folder)
        facts = fork.provenance.get("fork") or {}
        if fork.state == "done" and facts.get("twin") and facts["parent"]["run"] in parents:
            frames.append(_curve(fork, "fork", fork.spec["split"]["fraction"], facts["step"]))
    if not any(frame["side"][0] == "fork" for frame in frames):
        raise LatebloomError(f"expected forks of {runs}/critical, got none: train studies/critical-forks.toml")
    return pl.concat(frames)


def _most() -> float:
    """The share of pairs on which the networks that are forked were trained."""
    return max(STUDY["axes"]["split"]["fraction"])


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _curve(run: Run, side: str, fraction: float, start: int) -> pl.DataFrame:
    rows = run.scalars.sort("step").filter(pl.col("step") >= start).drop_nulls(ACCURACY)
    return rows.select(
        pl.lit(side).alias("side"),
        pl.lit(float(fraction)).alias("fraction"),
        pl.lit(int(run.spec["seeds"]["init"])).alias("seed"),
        (pl.col("step") - start).alias("after"),
        pl.col(ACCURACY).round(4).cast(pl.Float32).alias("accuracy"),
        pl.col(MEMORISED).round(4).cast(pl.Float32).alias("memorised"),
    )


def ends(curves: pl.DataFrame) -> list[End]:
    """Where every run ended, by side, size and seed."""
    found = []
    for (side, fraction, seed), rows in curves.group_by("side", "fraction", "seed", maintain_order=True):
        rows = rows.sort("after")
        half = rows.filter(pl.col("after") <= rows["after"][-1] // 2)["accuracy"][-LAST:]
        end = float(rows["accuracy"][-LAST:].median())
        found.append(End(str(side), float(fraction), int(seed), end, end - float(half.median())))
    return sorted(found, key=lambda one: (one.side, one.fraction, one.seed))


def of(found: list[End], side: str, fraction: float) -> dict[int, float]:
    """The ends of one side and size by seed."""
    return {one.seed: one.accuracy for one in found if (one.side, one.fraction) == (side, fraction)}


def sizes(found: list[End], side: str) -> list[float]:
    """The shares of pairs that one side has, ascending."""
    return sorted({one.fraction for one in found if one.side == side})


def crossing(found: list[End], side: str, seed: int) -> float | None:
    """The share of pairs at which a seed's end passes `HALF`, between its neighbours by a straight line.

    None where it does not within the sizes that were trained. The lowest one, should there be several.
    """
    points = sorted((one.fraction, one.accuracy) for one in found if (one.side, one.seed) == (side, seed))
    for (x, low), (y, high) in itertools.pairwise(points):
        if low < HALF <= high:
            return x + (y - x) * (HALF - low) / (high - low)
    return None


def told(values: list[float], digits: int = 2) -> str:
    """Median and 95 % interval over seeds drawn anew."""
    if not values:
        return "–"
    array = np.sort(np.array(values))
    drawn = np.random.default_rng(0).choice(array, (DRAWS, len(array)))
    low, high = interval(np.median(drawn, axis=1), 0.95)
    # rounded zeros lose their sign
    middle, low, high = (f"{round(float(value), digits) + 0.0:.{digits}f}" for value in (np.median(array), low, high))
    return f"{middle} [{low} … {high}]"


def table(found: list[End]) -> list[str]:
    """A row for each size: both sides, their difference, and what still moves."""
    count = int(STUDY["set"]["task"]["p"]) ** 2
    lines = [
        "| share | pairs | from scratch | in part | still moving | had grokked | in part | still moving | difference |",
        "|---" * 9 + "|",
    ]
    for fraction in sorted({one.fraction for one in found}):
        cells = [_percent(fraction), str(int(fraction * count))]
        for side in SIDES:
            here = [one for one in found if (one.side, one.fraction) == (side, fraction)]
            partial = sum(PARTIAL[0] <= one.accuracy < PARTIAL[1] for one in here)
            drift = told([one.drift for one in here])
            cells += [told([one.accuracy for one in here]), f"{partial} of {len(here)}" if here else "–", drift]
        ours, theirs = (of(found, side, fraction) for side in ("fork", "scratch"))
        cells.append(told([ours[seed] - theirs[seed] for seed in ours.keys() & theirs.keys()]))
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def critical(found: list[End]) -> list[str]:
    """The critical size from both sides."""
    lines = ["| side | seeds | share of pairs at which test accuracy is 0.5 |", "|---|---|---|"]
    for side, name in SIDES.items():
        crossed = [crossing(found, side, seed) for seed in sorted({one.seed for one in found if one.side == side})]
        known = [value for value in crossed if value is not None]
        lines.append(f"| {name} | {len(known)} of {len(crossed)} | {told(known, 3)} |")
    return lines


def page(curves: pl.DataFrame) -> str:
    """The page's text, from the stored curves."""
    found = ends(curves)
    text = TEMPLATE.read_text("utf-8")
    values = {
        "P": str(STUDY["set"]["task"]["p"]),
        "STEPS": f"{STUDY['set']['steps']:,}",
        "AT": f"{PLAN['at'][0]:,}",
        "FORKED": f"{PLAN['steps']:,}",
        "MOST": _percent(_most()),
        "TABLE": "\n".join(table(found)),
        "CRITICAL": "\n".join(critical(found)),
    }
    for name, said in values.items():
        text = text.replace(f"{{{name}}}", said)
    return text


SCRATCH, FORK = "#0072b2", "#d55e00"
"""Blue and vermilion of Okabe and Ito's palette, told apart with any colour vision; marks differ besides."""


def figure(curves: pl.DataFrame) -> Figure:
    """Ends over sizes, and the curves that lead there: from scratch, and of networks that had grokked."""
    made = Figure(figsize=(12.5, 4.4), layout="constrained")
    left, middle, right = made.subplots(1, 3, sharey=True, width_ratios=[1.15, 1, 1])
    found = ends(curves)
    for side, colour, mark, style in (("scratch", SCRATCH, "o", "-"), ("fork", FORK, "v", "--")):
        here = [one for one in found if one.side == side]
        left.plot([one.fraction for one in here], [one.accuracy for one in here], mark, color=colour, alpha=0.45, ms=5)
        xs = sizes(found, side)
        medians = [float(np.median(list(of(found, side, x).values()))) for x in xs]
        left.plot(xs, medians, style, color=colour, marker=mark, ms=7, label=f"{SIDES[side]}, median of seeds")
    left.axhline(HALF, color=inks(False).faint, linewidth=1)
    left.set(xlabel="share of the pairs trained on", ylabel="test accuracy at the end", ylim=(-0.03, 1.03))
    left.legend(fontsize=8, loc="lower right")
    left.set_title("a mark a seed", fontsize=10)
    handles = _curves(middle, curves, "scratch")
    middle.set(xlabel="steps from the beginning")
    middle.set_title("from scratch", fontsize=10)
    handles |= _curves(right, curves, "fork")
    right.set(xlabel="steps after the change of data")
    right.set_title(f"had grokked on {_percent(_most())} of the pairs", fontsize=10)
    for ax in (left, middle, right):
        ax.grid(color=inks(False).faint, alpha=0.2)
    middle.set_ylabel("test accuracy")
    lines = {_percent(fraction): handles[fraction] for fraction in sorted(handles)}
    made.legend(lines.values(), lines.keys(), loc="outside right center", title="of the pairs", fontsize=8)
    return made


def _curves(ax: Any, curves: pl.DataFrame, side: str) -> dict[float, Any]:
    """A line a run, darker and then lighter with the size."""
    every = sorted(set(curves["fraction"]))
    handles = {}
    for (fraction, _), rows in curves.filter(pl.col("side") == side).group_by("fraction", "seed", maintain_order=True):
        low, high = inks(False).ends
        colour = colormaps[inks(False).ramp](low + (high - low) * every.index(fraction) / (len(every) - 1))
        rows = rows.sort("after")
        (handles[float(fraction)],) = ax.plot(rows["after"], rows["accuracy"], color=colour, linewidth=1.1)
    return handles


def main() -> None:
    """As the command line asks."""
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--runs", type=Path, help="a runs folder with the study and its forks")
    runs = words.parse_args().runs
    if runs is not None:
        gather(runs).write_parquet(RESULTS, compression="zstd")
    curves = pl.read_parquet(RESULTS)
    with drawn_in(inks(False)):
        save(figure(curves), IMAGE)
    PAGE.write_text(page(curves), "utf-8")


if __name__ == "__main__":
    main()
