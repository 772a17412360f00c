"""Writes docs/prediction-results.md and its figure: what foretells whether a run generalises, and when.

python studies/prediction_page.py               from studies/results/prediction*.parquet and claims/studies
python studies/prediction_page.py --runs runs   takes the first anew from the trained study
"""

from __future__ import annotations

import argparse
import functools
import math
import tomllib
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from latebloom.analysis.alarms import Judged, judged
from latebloom.analysis.outcomes import outcomes
from latebloom.analysis.prediction import (
    BASELINES,
    Forecast,
    Moment,
    Predictor,
    Watched,
    forecast,
    score,
    setting_alone,
    watched,
)
from latebloom.analysis.statistics import holm
from latebloom.analysis.statistics.discrimination import Share, edge, permuted, share
from latebloom.claims.results import read_part
from latebloom.errors import LatebloomError
from latebloom.measures.registry import RECORDS
from latebloom.store import open_study
from latebloom.views.inks import drawn_in, inks, save

HERE = Path(__file__).parent
RESULTS, OUTCOMES = HERE / "results/prediction.parquet", HERE / "results/prediction-runs.parquet"
CLAIMS, TEMPLATE = HERE.parent / "claims/studies", HERE / "prediction_page.md"
PAGE, IMAGE = HERE.parent / "docs/prediction-results.md", HERE.parent / "docs/images/prediction.png"
STUDY = tomllib.loads((HERE / "prediction.toml").read_text("utf-8"))
DECAY = "optim.weight_decay"
AFTER, MOMENTS = 200, (0, 100, 200, 300)
"""Steps after memorising at which the tables read, and all of the figure."""
WINDOW = 200
"""Steps that a slope looks back."""
DEALS = 20_000
"""Permutations: with fewer, their least p times the numbers tried would not be below 0.05 by much."""
AT = {"cosine-grid": (0,), "cleanup": (200, 2000), "mainline": (200, 1000, 2000)}
"""Moments of the claims' studies, else `AFTER`: in cosine-grid a setting generalises at once, the others train long."""
FEW = 3
"""Runs that generalise, below which a study tells nothing."""

READS = {
    "step": "nothing",
    "train_loss": "training pairs",
    "test_loss": "test pairs",
    "test_accuracy": "test pairs",
    "weight_norm_sq": "weights",
    "test_accuracy_untransposed": "test pairs",
    "test_margin_mean": "test pairs",
    "train_margin_mean": "training pairs",
    "logit_scale": "all pairs",
    "gini_raw_weights": "weights",
    "absolute_weight_entropy": "weights",
    "gini_fourier_W_E": "weights",
    "gini_fourier_W_L": "weights",
    "embedding_key_share": "all pairs",
    "key_count": "all pairs",
    "neuron_fve_share": "all pairs",
    "logit_fve": "all pairs",
    "trig_fraction_keys": "all pairs",
    "restricted_loss_all": "all pairs",
    "restricted_accuracy_train": "all pairs",
    "excluded_loss": "all pairs",
    "update_norm": "update",
    "update_relative": "update",
    "alignment_published": "training pairs",
    "alignment_batch": "training pairs",
    "hessian_gradient_norm_batch": "training pairs",
}
"""What a measure is computed from, baselines first. One that fits its projection on all pairs reads test pairs too."""
SLOPES = ("train_loss", "test_loss", "test_accuracy", "weight_norm_sq", "gini_raw_weights")
"""Logged in every row, so that 200 steps have enough of them."""
SETTING = "setting"
LINES = {
    "test_loss": ("#d55e00", "o"),
    "test_accuracy": ("#e69f00", "v"),
    "weight_norm_sq": ("#0072b2", "s"),
    "train_loss": ("#8f9499", "D"),
    "gini_fourier_W_E": ("#009e73", "^"),
    "restricted_accuracy_train": ("#cc79a7", "P"),
}
"""Okabe and Ito's colours, told apart with any colour vision; marks differ besides."""


def gather(runs: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Outcomes, and every scalar of every log row up to the step of generalising."""
    study = open_study(runs / "prediction")
    events = [f"{event}.{end}" for event in ("memorised", "grokked") for end in ("step", "after", "censored_at")]
    kept = outcomes(study).select("run", "seed", DECAY, "last_step", "end_budget", *events).sort(DECAY, "seed")
    scalars = study.scalars().sort("run", "step")
    return kept, scalars.with_columns(pl.col(pl.Float64).cast(pl.Float32))


def title(name: str) -> str:
    """A measure in words, as its record has it."""
    return {"step": "the step itself", SETTING: "the setting, in hindsight"}.get(name) or RECORDS[name].title


def two(found: Share) -> str:
    """A share with its interval."""
    if not found.pairs:
        return "–"
    # rounded zeros lose their sign
    value, low, high = (f"{round(x, 2) + 0.0:.2f}" for x in (found.value, found.low, found.high))
    return f"{value} [{low} … {high}]"


def chance(p: float) -> str:
    """A p-value."""
    return "–" if math.isnan(p) else f"{p:.3f}"


@functools.cache
def ours() -> list[Watched]:
    """The runs of prediction.toml."""
    return watched(pl.read_parquet(OUTCOMES), pl.read_parquet(RESULTS), [DECAY])


@functools.cache
def told(name: str, after: int = AFTER, rule: str = "value") -> Forecast:
    """The forecast of one measure at one moment."""
    budget = STUDY["set"]["steps"]
    if name == SETTING:
        return score(ours(), setting_alone(ours()), Moment(after), budget)
    return forecast(ours(), Predictor(name, rule, WINDOW), Moment(after), budget)  # pyright: ignore[reportArgumentType]


@functools.cache
def adjusted(after: int = AFTER) -> dict[tuple[str, str], float]:
    """P-values of C within settings, by Holm's method over every number that was looked at, shown or not."""
    names = ["step", *sorted(ours()[0].measures)]
    tried = [(name, "value") for name in names] + [(name, "slope") for name in SLOPES]
    p = [permuted(told(name, after, rule).when.within(), DEALS) for name, rule in tried]
    return dict(zip(tried, holm(p).tolist(), strict=True))


def rows() -> list[tuple[str, str]]:
    """Measures and rules of the table, baselines first."""
    have = ("step", SETTING, *ours()[0].measures)
    named = [name for name in READS if name in have]
    first = [name for name in named if name in BASELINES]
    rest = [name for name in named if name not in BASELINES]
    values = [(name, "value") for name in (*first, SETTING, *rest)]
    return values + [(name, "slope") for name in SLOPES]


def words(name: str, rule: str) -> str:
    """A number in words, for a table."""
    named = title(name).replace("|", "\\|")
    return named if rule == "value" else f"{named}, slope"


def four(found: Forecast) -> list[str]:
    """AUROC over all pairs and within settings, C likewise."""
    try:
        whether = found.whether
    except LatebloomError:
        return ["–", "–", two(share(found.when)), two(share(found.when.within()))]
    return [two(share(p)) for p in (whether, whether.within(), found.when, found.when.within())]


def beyond(name: str, other: str, after: int = AFTER, rule: str = "value") -> str:
    """By how much C within settings is better than a baseline's."""
    if (name, rule) == (other, "value"):
        return "–"
    return two(edge(told(name, after, rule).when.within(), told(other, after).when.within()))


def table() -> list[str]:
    """Every number at the tables' moment."""
    lines = [
        "| number | reads | AUROC, all pairs | AUROC, within settings | C, all pairs | C, within settings | p | "
        "over test loss | over Σw² |",
        "|---" * 9 + "|",
    ]
    for name, rule in rows():
        p = chance(adjusted().get((name, rule), math.nan))
        over = f"{beyond(name, 'test_loss', rule=rule)} | {beyond(name, 'weight_norm_sq', rule=rule)}"
        shares = " | ".join(four(told(name, AFTER, rule)))
        lines.append(f"| {words(name, rule)} | {READS.get(name, 'outcomes')} | {shares} | {p} | {over} |")
    return lines


def by_moment() -> list[str]:
    """C within settings at each moment, with its p."""
    lines = [
        "| number | " + " | ".join(f"+{after}" for after in MOMENTS) + " |",
        "|---" * (1 + len(MOMENTS)) + "|",
    ]
    for name in sounded():
        cells = [
            f"{two(share(told(name, after).when.within()))}, p {chance(adjusted(after)[name, 'value'])}"
            for after in MOMENTS
        ]
        lines.append(f"| {words(name, 'value')} | {' | '.join(cells)} |")
    return lines


@functools.cache
def alarm(name: str) -> Judged:
    """A measure's alarm, its thresholds judged on the settings left out."""
    return judged(ours(), name)


def sounded() -> list[str]:
    """The measures whose alarms are judged."""
    return [name for name, rule in rows() if rule == "value" and name != SETTING]


def alarms() -> list[str]:
    """Hits, false alarms and leads."""
    lines = [
        "| measure | hits | false alarms | hits less false alarms | lead, steps | lead, share of the delay |",
        "|---" * 6 + "|",
    ]
    for name in sounded():
        found = alarm(name)
        youden = Share(found.youden, found.youden_low, found.youden_high, 1, 1.0)
        lead = found.lead
        ends = " … ".join("–" if end is None else f"{end:,.0f}" for end in (lead.low, lead.high))
        steps = "–" if lead.step is None else f"{lead.step:,.0f} [{ends}]"
        relative = "–" if math.isnan(found.relative) else f"{found.relative:.2f}"
        counts = f"{found.hits} of {found.came} | {found.false} of {found.stayed}"
        lines.append(f"| {words(name, 'value')} | {counts} | {two(youden)} | {steps} | {relative} |")
    return lines


def stored() -> tuple[list[str], list[str]]:
    """The claims' studies: a table of those that can tell, and why the others cannot."""
    lines = [
        "| study | moment | runs | generalise | number | AUROC, all pairs | AUROC, within settings | C, all pairs | "
        "C, within settings |",
        "|---" * 9 + "|",
    ]
    silent = []
    for folder in sorted(CLAIMS.iterdir()):
        part = read_part(folder)
        if part is None:
            continue
        runs = watched(part.runs, part.curves, [name for name in part.facts["axes"] if name in part.runs.columns])
        budget = part.runs["end_budget" if "end_budget" in part.runs.columns else "last_step"].cast(float).to_list()
        for after in AT.get(folder.name, (AFTER,)):
            step = forecast(runs, Predictor("step"), Moment(after), min(budget))
            seen = int(step.left.seen.sum())
            if seen < FEW:
                silent.append(f"- {folder.name}: of {len(step.left)} runs that had not generalised by then, {seen} do.")
            else:
                lines += of_study(folder.name, runs, after, min(budget))
    return lines, silent


def of_study(study: str, runs: list[Watched], after: int, budget: float) -> list[str]:
    """A study's rows at one moment."""
    have = [name for name in READS if name == "step" or name in runs[0].measures]
    found = {name: forecast(runs, Predictor(name), Moment(after), budget) for name in have}
    found[SETTING] = score(runs, setting_alone(runs), Moment(after), budget)
    lines = []
    for name, one in found.items():
        known = ~np.isnan(one.number)
        if name == SETTING and len(set(one.group)) == 1:
            continue
        counts = f"{known.sum()} | {one.came[known].sum()}"
        lines.append(f"| {study} | +{after} | {counts} | {words(name, 'value')} | {' | '.join(four(one))} |")
    return lines


def told_apart(after: int) -> str:
    """The numbers that say something within settings at a moment, p below 0.05 after Holm."""
    known = [f"{title(name)}{', slope' * (rule == 'slope')}" for (name, rule), p in adjusted(after).items() if p < 0.05]
    return ", ".join(known) or "none"


def page() -> str:
    """The page's text, from the stored results."""
    text = TEMPLATE.read_text("utf-8")
    lines, silent = stored()
    found = told("step")
    ends = [run.generalised for run in ours() if not run.censored]
    values = {
        "RUNS": str(len(found.left)),
        "CAME": str(found.came.sum()),
        "SEEDS": str(STUDY["seeds"]),
        "P": str(STUDY["set"]["task"]["p"]),
        "BUDGET": f"{STUDY['set']['steps']:,}",
        "AFTER": str(AFTER),
        "WINDOW": str(WINDOW),
        "TRIED": str(len(adjusted())),
        "EDGE0": beyond("restricted_accuracy_train", "test_loss", 0),
        "ABOVE": str(sum(alarm(name).youden_low > 0 for name in sounded())),
        "ALARMED": str(len(sounded())),
        "EARLY": told_apart(0),
        "LATER": told_apart(AFTER),
        "LAST": told_apart(MOMENTS[-1]),
        "FIRST": f"{min(ends):,.0f}",
        "DECAYS": "; ".join(
            f"λ = {decay}: {sum(not run.censored for run in ours() if run.group == i)} of {STUDY['seeds']}"
            for i, decay in enumerate(STUDY["axes"]["optim"]["weight_decay"])
        ),
        "TABLE": "\n".join(table()),
        "MOMENTS": "\n".join(by_moment()),
        "ALARMS": "\n".join(alarms()),
        "STORED": "\n".join(lines),
        "SILENT": "\n".join(silent),
    }
    for name, _ in rows():
        values[f"C {name}"] = two(share(told(name).when.within()))
        values[f"ALL {name}"] = two(share(told(name).when))
        values[f"WHETHER {name}"] = two(share(told(name).whether))
        if name != SETTING:
            values[f"EDGE {name}"] = beyond(name, "test_loss")
            values[f"NORM {name}"] = beyond(name, "weight_norm_sq")
            values[f"HITS {name}"] = f"{alarm(name).hits} of {alarm(name).came}"
            values[f"FALSE {name}"] = f"{alarm(name).false} of {alarm(name).stayed}"
            values[f"LEAD {name}"] = f"{alarm(name).lead.step or math.nan:,.0f}"
    for name, said in values.items():
        text = text.replace(f"{{{name}}}", said)
    return text


def figure() -> Figure:
    """C within settings: every number at one moment, and some over the moments."""
    made = Figure(figsize=(11, 7.5), layout="constrained")
    left, right = made.subplots(1, 2, width_ratios=[1.25, 1])
    _shares(left)
    for name, (colour, mark) in LINES.items():
        found = [share(told(name, after).when.within()) for after in MOMENTS]
        turned = [max(one.value, 1 - one.value) for one in found]
        style = "-" if name in BASELINES else "--"
        right.plot(MOMENTS, turned, style, color=colour, marker=mark, ms=7, label=title(name))
    right.axhline(0.5, color=inks(False).faint, linewidth=1)
    right.set(xlabel="steps after memorising", ylabel="C within settings, its better side", ylim=(0.45, 0.9))
    right.set_xticks(MOMENTS)
    right.set_title("how it grows (dashed: no baseline)", fontsize=10)
    right.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=2)
    return made


def _shares(ax: Axes) -> None:
    shown = [(name, rule) for name, rule in rows() if name != SETTING]
    for place, (name, rule) in enumerate(reversed(shown)):
        found = share(told(name, AFTER, rule).when.within())
        base = name in BASELINES and rule == "value"
        colour, mark = ("#d55e00", "o") if base else ("#0072b2", "D")
        ax.plot([found.low, found.high], [place, place], color=colour, linewidth=1.4)
        ax.plot([found.value], [place], mark, color=colour, ms=6)
    names = [title(name) if rule == "value" else f"{title(name)}, slope" for name, rule in reversed(shown)]
    ax.set_yticks(range(len(names)), names)
    ax.axvline(0.5, color=inks(False).faint, linewidth=1)
    ax.set(xlim=(0, 1), ylim=(-0.7, len(names) - 0.3), xlabel="C within settings, 95 % interval over seeds")
    ax.set_title(f"{AFTER} steps after memorising (circles: baselines)", fontsize=10)


def main() -> None:
    """As the command line asks."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--runs", type=Path, help="a runs folder with the study")
    runs = asked.parse_args().runs
    if runs is not None:
        kept, curves = gather(runs)
        kept.write_parquet(OUTCOMES, compression="zstd")
        curves.write_parquet(RESULTS, compression="zstd")
    with drawn_in(inks(False)):
        save(figure(), IMAGE)
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
