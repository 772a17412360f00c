"""A2: the drop of cos(g, Hg) marks cleanup, a phase distinct from grokking."""

from __future__ import annotations

import math
from typing import Any

import polars as pl

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, GREEN, ORANGE, RED, Line, Panel, curves_figure, marked
from latebloom.claims.evidence import Number, mean, ratio, share
from latebloom.claims.results import Results
from latebloom.claims.statements.document_a import COSINE, DEPARTURES, LOW, PUBLISHED, SOURCE, STUDY, drop_step, near

BEFORE, AFTER = 1000, 2000
FALL, RISE = 0.9, 0.02
MOST, FEW = 0.8, 0.2
DONE, LEFT = 0.8, 0.5
GROKKING = 3000


def fall_done(row: dict[str, Any], curve: pl.DataFrame, drop: float) -> float:
    """The share that came before the drop, of the fall of Σw² from its peak to its least value up to the drop."""
    memorised = row["memorised.step"]
    if not math.isfinite(drop) or memorised is None:
        return math.nan
    steps, norm = curve["step"].to_numpy(), curve["weight_norm_sq"].to_numpy()
    until = (steps >= memorised) & (steps <= drop + AFTER)
    peak = norm[until].max()
    least = norm[until & (steps >= steps[until][norm[until].argmax()])].min()
    before = norm[until & (steps <= drop - BEFORE)].min()
    return float((peak - before) / (peak - least)) if peak > least else math.nan


def judge(results: Results) -> Judgement:
    """Judges by what Σw² and Gini indices do at the drop, and by when Σw² has fallen."""
    runs = [(row, curve, drop_step(row, curve)) for row, curve in results[STUDY].each()]
    dropped = [(row, curve, drop) for row, curve, drop in runs if math.isfinite(drop)]
    numbers: dict[str, Number] = {}
    for key, column in (("gini", "gini_raw_weights"), ("fourier", "gini_fourier_W_E")):
        words = {"gini": "Gini index of the raw weights", "fourier": "Fourier Gini of W_E"}[key]
        at_drop = [near(c, column, d + AFTER) - near(c, column, d - BEFORE) for _, c, d in dropped]
        numbers[f"{key}_drop"] = mean(
            f"change of the {words} at the drop (−{BEFORE} to +{AFTER} steps)", at_drop, "+.3f"
        )
        grokking = [near(c, column, g + AFTER) - near(c, column, g - GROKKING) for _, c, g in _grokked(runs)]
        numbers[f"{key}_grokking"] = mean(f"the same around generalising (−{GROKKING} to +{AFTER})", grokking, "+.3f")
    for key, places, before in (("drop", dropped, BEFORE), ("grokking", _grokked(runs), GROKKING)):
        then = [near(c, "weight_norm_sq", s + AFTER) for _, c, s in places]
        first = [near(c, "weight_norm_sq", s - before) for _, c, s in places]
        where = {"drop": "the drop", "grokking": "generalising"}[key]
        numbers[f"norm_{key}"] = ratio(f"Σw² after {where} over before (−{before} to +{AFTER})", then, first, ".2f")
    hits = [
        near(c, "weight_norm_sq", d + AFTER) < FALL * near(c, "weight_norm_sq", d - BEFORE)
        and near(c, "gini_raw_weights", d + AFTER) - near(c, "gini_raw_weights", d - BEFORE) > RISE
        for _, c, d in dropped
    ]
    done = [fall_done(*run) for run in dropped]
    numbers["hits"] = share("runs that drop: Σw² falls by 10 % and the raw Gini rises by 0.02 at the drop", hits)
    numbers["done"] = mean("share of the fall of Σw² that is over before the drop", done, ".0%")
    numbers["most_done"] = share("runs in which 80 % of it is over", [d >= DONE for d in done if math.isfinite(d)])
    numbers["most_left"] = share("runs in which half or more is left", [d <= LEFT for d in done if math.isfinite(d)])
    return Judgement(_observation(numbers), _interpretation(numbers), numbers)


def _grokked(
    runs: list[tuple[dict[str, Any], pl.DataFrame, float]],
) -> list[tuple[dict[str, Any], pl.DataFrame, float]]:
    return [(row, c, float(row["grokked.step"])) for row, c, _ in runs if row["grokked.step"] is not None]


def _observation(numbers: dict[str, Number]) -> Judged:
    told = "at the drop Σw² becomes {norm_drop} times what it was, and the raw Gini index changes by {gini_drop}."
    hits = numbers["hits"]
    if not hits.runs:
        return Judged("open", "no run has dropped.")
    return Judged("supported" if hits.value >= MOST else "refuted" if hits.value <= FEW else "mixed", told)


def _interpretation(numbers: dict[str, Number]) -> Judged:
    told = "{done} of the fall of Σw² is over before the drop; around generalising it becomes {norm_grokking} times."
    if not numbers["hits"].runs:
        return Judged("open", "no run has dropped.")
    if numbers["most_done"].value >= MOST:
        return Judged("refuted", told)
    return Judged("supported" if numbers["most_left"].value >= MOST else "mixed", told)


def figures(results: Results) -> dict[str, Drawn]:
    """The cosine beside what cleanup is known by."""
    part = marked(results[STUDY], "dropped", drop_step)
    sparse = [
        Line("gini_raw_weights", "Gini index of all weights", RED),
        Line("gini_fourier_W_E", "Gini index of the embedding's frequencies", GREEN),
    ]
    cosine, norm = Line(COSINE, "cos(g, Hg) as published", ORANGE), Line("weight_norm_sq", "Σw² of all weights", BLUE)
    panels = [
        Panel("published cosine", part, [cosine], "cos(g, Hg)", bounds=((LOW, f"cosine of {LOW:g}"),)),
        Panel("size of the weights", part, [norm], "Σw²"),
        Panel("sparsity (0: all alike, 1: one holds all)", part, sparse, "Gini index"),
    ]
    caption = (
        "The drop of the published cosine (g the gradient, H the Hessian) beside the sum of squared weights and two "
        "Gini indices, each line a seed. A cleanup would be a fall of Σw² and a rise of the Gini indices."
    )
    title = "Is the drop of cos(g, Hg) a cleanup? MLP, addition mod 97, AdamW with λ = 1"
    return {"cleanup": Drawn(curves_figure(panels, title, log_x=False), caption)}


CLAIM = Claim(
    id="A2",
    title="the drop of cos(g, Hg) marks cleanup, a phase distinct from grokking",
    statement="At the drop of cos(g, Hg) the memorising circuit is pruned by weight decay: a cleanup phase of its "
    "own, long after grokking, in which the weight norm falls and the Gini index rises.",
    source=SOURCE,
    published=PUBLISHED + " Neither norm nor Gini index was logged with it.",
    departures=DEPARTURES,
    reads={
        STUDY: (
            COSINE,
            "weight_norm_sq",
            "gini_raw_weights",
            "gini_fourier_W_E",
            "restricted_loss_all",
            "excluded_loss",
        )
    },
    rule=(
        f"The drop is that of A1. Observation: from {BEFORE} steps before to {AFTER} after it Σw² falls by 10 % or "
        "more and "
        f"the Gini index of the raw weights rises by more than {RISE}, in {MOST:.0%} of the runs that drop "
        "(supported), in "
        f"{FEW:.0%} or fewer (refuted), else mixed. Interpretation, that cleanup is then: of the fall of Σw² from its "
        "peak "
        f"after memorising to its least value up to the drop's end, {DONE:.0%} are over before the drop in {MOST:.0%} "
        "of the "
        f"runs (refuted), or half is left in {MOST:.0%} of them (supported), else mixed."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "refuted, refuted": "What marks a cleanup comes with grokking and not with the drop: around generalising Σw² "
        "becomes {norm_grokking} times what it was, the Gini index of the raw weights changes by {gini_grokking} and "
        "that of the embedding's Fourier norms by {fourier_grokking}; at the drop these are {norm_drop}, {gini_drop} "
        "and {fourier_drop}. There is one cleanup, as in Nanda et al. (C1), and the drop of the cosine is no second "
        "one: A1 says where it comes from."
    },
    change="A run in which the norm falls a second time, at the drop.",
)
