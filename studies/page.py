"""Writes docs/sweeps-results.md and its figures from the stored outcomes of the studies in this folder.

python studies/page.py               from studies/results/*.parquet
python studies/page.py --runs runs   takes the outcomes anew from trained studies (`latebloom sweep studies/*.toml`)
"""

from __future__ import annotations

import argparse
import itertools
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from latebloom.analysis.diagram import Diagram, phase_diagram
from latebloom.analysis.end_states import STATES
from latebloom.analysis.outcomes import open_outcomes
from latebloom.analysis.statistics import (
    ByAxis,
    ScalingFit,
    Times,
    by_axis,
    fit_power_law,
    ratio_of_medians,
    times_of,
)
from latebloom.figures.endings import map_of, scaling_of, survival_of
from latebloom.views.study_text import effect, estimate, fit_line

HERE = Path(__file__).parent
RESULTS, PAGE, IMAGES = HERE / "results", HERE.parent / "docs/sweeps-results.md", HERE.parent / "docs/images"
STUDIES = ("lambda", "fraction", "phases")

# First epoch with test loss < 0.1 of one run each, from the loss arrays published with Nanda et al. 2023
# (progress-measures-paper, mod_addition_frac_train_sweep: p = 113, one-layer transformer, λ = 1, seed not given).
PUBLISHED = {0.25: 21848, 0.28: 15037, 0.3: 7930, 0.4: 3109, 0.5: 956, 0.6: 440}
BASE_FRACTION = 0.3

Groups = list[tuple[float, Times]]


@dataclass(frozen=True)
class Swept:
    """A study's outcomes over its one axis.

    Attributes:
        frame: a row a run.
        axis: the column that varies.
        found: medians, tests and fits of the grok step.
    """

    frame: pl.DataFrame
    axis: str
    found: ByAxis

    @property
    def groups(self) -> Groups:
        """The grok times at each value."""
        values = self.found.values
        return [(v, times_of(self.frame.filter(self.frame[self.axis] == v), "grokked")) for v in values]


def main() -> None:
    """Takes outcomes anew where asked, then draws and writes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, help="the folder that the studies were trained in")
    runs = parser.parse_args().runs
    if runs is not None:
        RESULTS.mkdir(exist_ok=True)
        for name in STUDIES:
            open_outcomes(name, runs).drop("wall_s").write_parquet(RESULTS / f"{name}.parquet", compression="zstd")
    draw()
    PAGE.write_text(page(), "utf-8")
    print(PAGE)


def swept(name: str, axis: str) -> Swept:
    """The stored outcomes of a study of one axis."""
    frame = stored(name)
    return Swept(frame, axis, by_axis(frame, axis, "grokked", (axis,)))


def stored(name: str) -> pl.DataFrame:
    """The stored outcomes of a study."""
    return open_outcomes(str(RESULTS / f"{name}.parquet"), Path())


def diagram() -> Diagram:
    """Learning rate × weight decay."""
    return phase_diagram(stored("phases"), "lr", "weight_decay")


def draw() -> None:
    """The figures of the page."""
    decay, fraction = swept("lambda", "optim.weight_decay"), swept("fraction", "split.fraction")
    x = decay.frame[decay.axis].to_numpy()
    groups = [(f"λ = {v:g}", times) for v, times in decay.groups]
    title = "When runs grok, by weight decay λ (p = 59)"
    survival_of(groups, "grokked", title).save(IMAGES / "sweep-survival.png")
    times = times_of(decay.frame, "grokked")
    title = "Grok step against weight decay (p = 59)"
    scaling_of(x, times, decay.found.fits[0], "λ", "grokked", title).save(IMAGES / "sweep-lambda.png")
    shares = [(f"{v:.0%}", times) for v, times in fraction.groups]
    title = "When runs grok, by the share of pairs trained on (p = 113)"
    survival_of(shares, "grokked", title).save(IMAGES / "sweep-fraction.png")
    for show in ("state", "grokked", "delay"):
        map_of(diagram(), show).save(IMAGES / f"sweep-phases-{show}.png")


def page() -> str:
    """The page, every number from the stored outcomes."""
    decay, fraction = swept("lambda", "optim.weight_decay"), swept("fraction", "split.fraction")
    parts = [*decay_part(decay), *fraction_part(fraction), *phases_part(diagram()), *limits(decay, fraction)]
    return "\n".join([INTRODUCTION, *parts, ""])


def decay_part(decay: Swept) -> list[str]:
    """Weight decay: table, tests, fits."""
    found = decay.found
    normal = found.fits[0]
    b = normal.exponents[decay.axis]
    slow = decay.frame.filter(decay.frame[decay.axis] <= 1)
    straight = fit_power_law(times_of(slow, "grokked"), {decay.axis: slow[decay.axis].to_numpy()})
    return [
        "## Weight decay",
        "",
        f"p = 59, 45 % of the pairs, λ from {found.values[0]:g} to {found.values[-1]:g}, {seeds(decay.frame)} seeds, "
        f"{budget(decay.frame)} steps at most. {censored(decay.frame)}",
        "",
        *medians(found, "λ"),
        "",
        f"All curves alike is refuted (log-rank χ² = {found.logrank.statistic:.1f}, {found.logrank.df} degrees of "
        f"freedom, p = {found.logrank.p:.1g}).",
        "",
        "![Survival curves by weight decay, with numbers at risk](images/sweep-survival.png)",
        "",
        "The power law T ∝ λ^b over all values, with the censored likelihood:",
        "",
        *(f"- {fit_line(fit)}" for fit in found.fits),
        "",
        f"The exponent −1 of T ∝ 1/λ lies {inside(b.low, b.high, -1)} the interval of the log-normal fit, and "
        f"{bent(normal)}. Over λ ≤ 1 alone (a range chosen after looking at the figure) the exponent is "
        f"{estimate(straight.exponents[decay.axis])}, where −1 lies "
        f"{inside(straight.exponents[decay.axis].low, straight.exponents[decay.axis].high, -1)} the interval, and "
        f"{bent(straight)}.",
        "",
        "![Grok step against weight decay, with the fit and censored runs](images/sweep-lambda.png)",
        "",
    ]


def fraction_part(fraction: Swept) -> list[str]:
    """Data fraction: ours beside the published factors."""
    groups = dict(fraction.groups)
    base = groups[BASE_FRACTION]
    rows = []
    for value, m in zip(fraction.found.values, fraction.found.medians, strict=True):
        theirs = f"{PUBLISHED[value] / PUBLISHED[BASE_FRACTION]:.2f}" if value in PUBLISHED else "–"
        ours = effect(ratio_of_medians(groups[value], base))
        rows.append(f"| {value:g} | {step(m.step)} | {m.runs - m.seen} of {m.runs} | {ours} | {theirs} |")
    return [
        "## Data fraction",
        "",
        f"p = 113 and λ = 1 as in the published sweep, but our small network; {seeds(fraction.frame)} seeds, "
        f"{budget(fraction.frame)} steps at most. {censored(fraction.frame)}",
        "",
        "| fraction | median step | censored | ratio to 0.3, ours [95 % over seeds] | ratio to 0.3, published |",
        "|---|---|---|---|---|",
        *rows,
        "",
        "Published: the first epoch with test loss < 0.1 of one run at each fraction (loss arrays of Nanda et al. "
        "2023, a one-layer transformer, seed not given); ours: test accuracy ≥ 0.95, sustained. Fewer pairs, later "
        f"grokking, in both: {same_order(fraction)}. Across networks the factors need not agree.",
        "",
        "![Survival curves by data fraction, with numbers at risk](images/sweep-fraction.png)",
        "",
    ]


def phases_part(found: Diagram) -> list[str]:
    """Learning rate × weight decay."""
    frame = stored("phases")
    counts = Counter(frame["end_state"].to_list())
    unanimous = sum(len(cell.states) == 1 for cell in found.cells)
    rows = [f"| {state} | {counts[state]} | {about} |" for state, about in STATES.items() if counts[state]]
    return [
        "## Learning rate × weight decay",
        "",
        f"p = 23, 70 % of the pairs, {len(found.xs)} learning rates × {len(found.ys)} weight decays, {seeds(frame)} "
        f"seeds: {frame.height} runs, {least(found)} seeds in each cell or more. {unanimous} of {len(found.cells)} "
        "cells end the same way with every seed.",
        "",
        "![What runs end as, by learning rate and weight decay](images/sweep-phases-state.png)",
        "",
        "| end state | runs | rule in words |",
        "|---|---|---|",
        *rows,
        "",
        unclear(frame),
        "",
        f"The four phases are those of Liu et al. 2022 (arXiv 2205.10343): the first steps with 90 % training and 90 % "
        f"test accuracy, {1000:,} steps or more apart for grokking; here within {found.budget:,} steps, in the paper "
        "within 100,000. They vary learning rate and decay of the decoder alone and hold the embedding's learning rate "
        "at 0.001 without decay, on addition without a modulus; here both are of all parameters, and the test accuracy "
        "is that of pairs whose transpose was not trained on.",
        "",
        "![Median step of grokking, by learning rate and weight decay](images/sweep-phases-grokked.png)",
        "",
        "![Median delay, by learning rate and weight decay](images/sweep-phases-delay.png)",
        "",
    ]


def unclear(frame: pl.DataFrame) -> str:
    """Why some end states cannot be told."""
    open_ = frame.filter(frame["end_state"] == "unclear")
    stopped = open_.filter(open_["grokked.step"].is_not_null() & (open_["last_step"] < open_["end_budget"])).height
    return (
        f"{open_.height} runs are unclear. {stopped} of them were stopped 1000 steps after their accuracy on all test "
        "pairs had reached 0.95, while that on the pairs whose transpose was not trained on, which the rule reads, had "
        "not been 0.9."
    )


def limits(decay: Swept, fraction: Swept) -> list[str]:
    """What the numbers do not say."""
    steps = [step for swept_ in (decay, fraction) for step in swept_.found.steps]
    apart = sum(step.p_holm is not None and step.p_holm < 0.05 for step in steps)
    return [
        "## What this cannot tell",
        "",
        "- One architecture, one task, one p each: exponents and factors are those of this set-up.",
        f"- Few seeds: {apart} of the {len(steps)} pairs of neighbouring values (of λ, of the fraction) are told "
        "apart at p < 0.05 (log-rank, Holm); `latebloom statistics` prints each with Cliff's delta.",
        "- Runs stop soon after they grok: a collapse or anti-grokking later than that is not looked for.",
    ]


def medians(found: ByAxis, name: str) -> list[str]:
    """The table of medians."""
    rows = [f"| {name} | median step | 95 % over seeds | censored |", "|---|---|---|---|"]
    for value, m in zip(found.values, found.medians, strict=True):
        between = f"{step(m.low)} … {step(m.high)}" if m.step is not None else "–"
        rows.append(f"| {value:g} | {step(m.step)} | {between} | {m.runs - m.seen} of {m.runs} |")
    return rows


def step(value: float | None) -> str:
    """A step; – where there is none."""
    return "–" if value is None else f"{value:,.0f}"


def seeds(frame: pl.DataFrame) -> int:
    """How many seeds."""
    return frame["seed"].n_unique()


def budget(frame: pl.DataFrame) -> str:
    """The steps given to each run."""
    return f"{frame['end_budget'][0]:,}"


def censored(frame: pl.DataFrame) -> str:
    """How many runs ended before they grokked."""
    gone = frame["grokked.step"].null_count()
    if not gone:
        return f"All {frame.height} runs grokked."
    return f"{gone} of {frame.height} runs ended before they grokked: they are censored, not dropped."


def least(found: Diagram) -> int:
    """The fewest seeds of a cell."""
    return min(cell.seeds for cell in found.cells)


def inside(low: float | None, high: float | None, value: float) -> str:
    """Whether a value lies in an interval."""
    return "inside" if (low is None or low <= value) and (high is None or value <= high) else "outside"


def bent(fit: ScalingFit) -> str:
    """Whether a line is enough."""
    if fit.bend is None:
        return "a bend was not tested"
    return f"the points {'bend' if fit.bend < 0.05 else 'show no bend'} (p = {fit.bend:.1g} for a term (log λ)²)"


def same_order(fraction: Swept) -> str:
    """Whether ours and the published steps fall with the fraction alike."""
    medians = dict(zip(fraction.found.values, fraction.found.medians, strict=True))
    both = [(medians[v].step, PUBLISHED[v]) for v in sorted(PUBLISHED) if v in medians and medians[v].step is not None]
    ordered = all(a[0] > b[0] and a[1] > b[1] for a, b in itertools.pairwise(both))
    return f"{'yes' if ordered else 'no'}, over {len(both)} fractions"


INTRODUCTION = """# Three sweeps

What `latebloom statistics` and `latebloom diagram` make of three small studies. All train a small network that groks in
seconds (`studies/base/sum-mlp.toml`: a + b mod p, summed embeddings of width 64, 128 hidden units, full-batch AdamW,
learning rate 0.001 where it does not vary). The sum makes it symmetric, so that it answers the transposes of its
training pairs at once: its test accuracy is high before it generalises. Grokked is test accuracy ≥ 0.95 in six
evaluations in a row, logged every 20 steps.

```
latebloom sweep studies/lambda.toml        # likewise fraction.toml, phases.toml
latebloom statistics lambda                # or studies/results/lambda.parquet, without training
latebloom diagram phases lr weight-decay -o phases.png
python studies/page.py                     # this page and its figures, from studies/results
```

Every number below is filled in by the last command. The seed is the unit: it draws split and initial weights.
Intervals of medians and of their ratios are percentiles over bootstrapped seeds; with five or six seeds they are at
most the range of what was seen, and too narrow. Intervals of fitted exponents are those of the profile likelihood.
"""


if __name__ == "__main__":
    main()
