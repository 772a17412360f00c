"""A6: the transition is sharp and not gradual."""

from __future__ import annotations

import math

import numpy as np
import polars as pl

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.evidence import Number, mean
from latebloom.claims.points import Group, points_figure
from latebloom.claims.results import Results
from latebloom.claims.statements.document_a import (
    COSINE,
    DEPARTURES,
    PUBLISHED,
    SOURCE,
    STUDY,
    drop_step,
    first_above,
    plateau,
    taken,
)

SHARP, GRADUAL = 0.15, 0.3


def cosine_width(curve: pl.DataFrame, drop: float) -> float:
    """Steps from the last row at three quarters of the plateau to the drop, over the drop's step."""
    if not math.isfinite(drop):
        return math.nan
    rows = taken(curve, COSINE, 0, drop)
    high = rows.filter(rows[COSINE] >= 0.75 * plateau(curve, COSINE, drop))
    return (drop - float(high["step"][-1])) / drop if high.height else math.nan


def accuracy_width(curve: pl.DataFrame) -> float:
    """Steps from test accuracy 0.1 to 0.9, over the step at which it passes one half."""
    low, half, high = (first_above(curve, "test_accuracy", bound) for bound in (0.1, 0.5, 0.9))
    return (high - low) / half


def norm_width(curve: pl.DataFrame, memorised: float | None, drop: float) -> float:
    """Steps in which Σw² goes from 10 to 90 % of its fall after memorising, over the step at which it is half way."""
    if memorised is None:
        return math.nan
    rows = taken(curve, "weight_norm_sq", memorised, drop if math.isfinite(drop) else math.inf)
    steps, norm = rows["step"].to_numpy(), rows["weight_norm_sq"].to_numpy()
    peak = int(norm.argmax())
    steps, fallen = steps[peak:], norm[peak] - norm[peak:]
    if len(fallen) < 3 or fallen.max() <= 0:
        return math.nan
    low, half, high = (float(steps[int(np.argmax(fallen >= part * fallen.max()))]) for part in (0.1, 0.5, 0.9))
    return (high - low) / half if half else math.nan


def widths(results: Results) -> dict[str, list[float]]:
    """The width of each transition over its time, each run."""
    runs = [(row, curve, drop_step(row, curve)) for row, curve in results[STUDY].each()]
    return {
        "cosine": [cosine_width(curve, drop) for _, curve, drop in runs],
        "accuracy": [accuracy_width(curve) for _, curve, _ in runs],
        "norm": [norm_width(curve, row["memorised.step"], drop) for row, curve, drop in runs],
    }


def judge(results: Results) -> Judgement:
    """Judges by the width of the cosine's drop, and by that of the fall of Σw²."""
    found = widths(results)
    numbers = {
        "cosine": mean("width over time: drop of the published cosine (3/4 to 0.2)", found["cosine"], ".2f"),
        "norm": mean("width over time: fall of Σw² after memorising (10 to 90 %)", found["norm"], ".2f"),
        "accuracy": mean("width over time: test accuracy from 0.1 to 0.9", found["accuracy"], ".2f"),
    }
    told = "the drop of the published cosine takes {cosine} of the time at which it comes."
    observation = Judged(_sharp(numbers["cosine"], SHARP), told)
    why = "the fall of Σw² takes {norm} of the time at which it is half way, the rise of test accuracy {accuracy}."
    norm = numbers["norm"]
    verdict = "supported" if norm.below(SHARP) else "refuted" if norm.above(GRADUAL) else "mixed"
    return Judgement(observation, Judged(verdict, why), numbers)


def _sharp(found: Number, bound: float):
    return "supported" if found.below(bound) else "refuted" if found.above(bound) else "open"


def figures(results: Results) -> dict[str, Drawn]:
    """Every run's widths."""
    found = widths(results)
    groups = [
        Group("drop of the\npublished cosine\n(3/4 of its level to 0.2)", found["cosine"]),
        Group("rise of the\ntest accuracy\n(0.1 to 0.9)", found["accuracy"]),
        Group("fall of Σw²\nafter memorising\n(10 to 90 %)", found["norm"]),
    ]
    bounds = ((SHARP, f"{SHARP:g}: below it, sharp"), (GRADUAL, f"{GRADUAL:g}: above it, gradual"))
    title = "How sharp is each transition? MLP, addition mod 97, λ = 1"
    figure = points_figure(groups, "steps it takes ÷ step at which it comes", title, bounds)
    caption = (
        "Width of three transitions relative to when they come: the published cos(g, Hg), test accuracy and the sum "
        "of squared weights Σw². Each point a seed, dashed the bounds of the rule."
    )
    return {"widths": Drawn(figure, caption)}


CLAIM = Claim(
    id="A6",
    title="the transition is sharp, not gradual",
    statement="The transition at the drop of cos(g, Hg) is sharp: cleanup is a distinct phase and not gradual.",
    source=SOURCE,
    published=PUBLISHED,
    departures=DEPARTURES,
    reads={STUDY: (COSINE, "weight_norm_sq")},
    rule=(
        "Widths relative to the time of the transition. Observation: the published cosine goes from three quarters of "
        "its "
        f"level to below 0.2 in less than {SHARP:.0%} of the step at which it is there (95 % interval of the mean over "
        "seeds below: supported, above: refuted, else open; rows are 500 steps apart). Interpretation, that cleanup is "
        "sharp: Σw² goes from 10 to 90 % of its fall after memorising (up to the drop of A1) within the same share of "
        "its "
        f"half-way step (supported), or in more than {GRADUAL:.0%} of it (refuted), else mixed."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "supported, refuted": "The published cosine does fall sharply, as a number does that passes the bound of a "
        "number format (A1). What weight decay does to the weights is gradual: Σw² takes {norm} of its time, longer "
        "than the rise of test accuracy ({accuracy})."
    },
    change="Another definition of cleanup's beginning and end.",
)
