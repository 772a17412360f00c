"""C1: training splits into memorisation, circuit formation and cleanup."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import polars as pl

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import (
    BLUE,
    GREEN,
    ORANGE,
    PINK,
    PURPLE,
    RED,
    YELLOW,
    Line,
    Panel,
    Span,
    aligned,
    curves_figure,
)
from latebloom.claims.evidence import mean, middle, ratio, share
from latebloom.claims.results import Results
from latebloom.claims.statements.document_a import near, taken
from latebloom.claims.statements.document_c import SOURCE

STUDY = "mainline"
RESTRICTED, EXCLUDED, NORM = "restricted_loss_all", "excluded_loss_all_frequencies", "weight_norm_sq"
TENTH, LEAD, RISE, NEAR = 0.1, 500, 3.0, 1500
MOST, FEW = 0.8, 0.2
WINDOW = 500


def first_below(curve: pl.DataFrame, column: str, bound: float, after: float) -> float:
    """The first step from `after` on at which a measure is below a bound; NaN where it never is."""
    rows = taken(curve, column, after).filter(pl.col(column) < bound)
    return float(rows["step"][0]) if rows.height else math.nan


def lead(row: dict[str, Any], curve: pl.DataFrame) -> float:
    """Steps from restricted loss at a tenth of what it was when memorised to the test loss below 1."""
    memorised = row["memorised.step"]
    if memorised is None:
        return math.nan
    formed = first_below(curve, RESTRICTED, TENTH * near(curve, RESTRICTED, memorised), memorised)
    return first_below(curve, "test_loss", 1.0, memorised) - formed


def rise(row: dict[str, Any], curve: pl.DataFrame) -> float:
    """The excluded loss when test accuracy passes one half, over its least value since memorising."""
    memorised = row["memorised.step"]
    half = curve.filter(curve["test_accuracy"] > 0.5)
    if memorised is None or not half.height:
        return math.nan
    rows = taken(curve, EXCLUDED, memorised, float(half["step"][0]))
    return float(rows[EXCLUDED][-1] / rows[EXCLUDED].min()) if rows.height else math.nan  # pyright: ignore[reportOperatorIssue]


def steepest(row: dict[str, Any], curve: pl.DataFrame) -> float:
    """Where Σw² falls fastest in proportion, over windows of 500 steps, counted from generalising."""
    if row["grokked.step"] is None or row["memorised.step"] is None:
        return math.nan
    rows = taken(curve, NORM, row["memorised.step"] + 2000)
    steps, logs = rows["step"].to_numpy().astype(float), np.log(rows[NORM].to_numpy())
    later = np.interp(steps + WINDOW, steps, logs)
    kept = steps + WINDOW <= steps[-1]
    place = int(np.argmin((later - logs)[kept]))
    return float(steps[kept][place] + WINDOW / 2 - row["grokked.step"])


def judge(results: Results) -> Judgement:
    """Judges by whether restricted loss falls and excluded loss rises before the test loss falls, and by Σw²."""
    runs = results[STUDY].each()
    leads, rises, places = ([f(row, curve) for row, curve in runs] for f in (lead, rise, steepest))
    formed = [a >= LEAD and b >= RISE for a, b in zip(leads, rises, strict=True)]
    events = {name: [row.get(f"{name}.step") for row, _ in runs] for name in ("memorised", "grokked")}
    numbers = {
        name: middle(f"step, {name.replace('grokked', 'generalised')}, median", [x or math.nan for x in found], ",.0f")
        for name, found in events.items()
    }
    numbers |= {
        "lead": mean("steps by which restricted loss leads the test loss", leads, ",.0f"),
        "rise": ratio("excluded loss at test accuracy 0.5 over its least value", rises, [1.0] * len(rises), ".1f"),
        "formed": share(f"runs with a lead of {LEAD} or more and a rise of {RISE:g} or more", formed),
        "place": mean("steps from generalising to the steepest fall of Σw²", places, ",.0f"),
        "close": share(f"runs in which that is {NEAR} or less", [abs(p) <= NEAR for p in places if math.isfinite(p)]),
    }
    told = "restricted loss leads the test loss by {lead} steps, excluded loss has risen {rise} times ({formed})."
    value = numbers["formed"].value
    observation = Judged("supported" if value >= MOST else "refuted" if value <= FEW else "mixed", told)
    why = f"Σw² falls fastest {{place}} steps from generalising, within {NEAR} in {{close}} of the runs."
    value = numbers["close"].value
    if not numbers["close"].runs:
        return Judgement(observation, Judged("open", "no run has generalised."), numbers)
    cleanup = Judged("supported" if value >= MOST else "refuted" if value <= FEW else "mixed", why)
    return Judgement(observation, cleanup, numbers)


def figures(results: Results) -> dict[str, Drawn]:
    """The progress measures over training, and the phases."""
    part = aligned(results[STUDY], "grokked")
    losses = [
        Line("train_loss", "training loss", ORANGE),
        Line("test_loss", "test loss", BLUE),
        Line(RESTRICTED, "restricted: all pairs, the key frequencies alone", GREEN),
        Line(EXCLUDED, "excluded: training pairs, all frequencies taken out", RED),
    ]
    phases = (
        Span("circuit-formation-started", "circuit-formation-ended", "circuit formation", YELLOW),
        Span("cleanup-started", "cleanup-ended", "cleanup", PINK),
    )
    panels = [
        Panel("losses", part, losses, "loss (nats)", log_y=True, spans=phases),
        Panel("size of the weights", part, [Line(NORM, "Σw² of all weights", PURPLE)], "Σw²", spans=phases),
    ]
    title = "Progress measures of Nanda et al.'s transformer, addition mod 113"
    caption = (
        "Losses and the sum of squared weights, each line a seed, steps counted from where it has generalised. "
        "Restricted loss is what the logits' waves of a + b at the network's key frequencies alone give; excluded "
        "loss is what is left when the waves of all frequencies are taken out. Shaded, the darker the more runs: "
        "circuit formation, from the least excluded loss to a restricted loss below 0.01, and cleanup, where Σw² "
        "falls fast. Memorisation is what comes before."
    )
    x = "steps from generalising"
    return {"progress": Drawn(curves_figure(panels, title, columns=2, log_x=False, x=x), caption)}


CLAIM = Claim(
    id="C1",
    title="training splits into memorisation, circuit formation and cleanup",
    statement="Training splits into memorisation, circuit formation and cleanup, which restricted and excluded loss "
    "show.",
    source=SOURCE,
    published="One-layer transformer on addition mod 113, 30 % of the pairs, full-batch AdamW with λ = 1, 40 000 "
    "epochs; five seeds.",
    departures="The published initial weights and splits of seeds 0 to 4 (preset `nanda2023`), until 1500 steps "
    "after the end of cleanup or for 25 000. Progress measures with each step's own key frequencies. The run of seed "
    "0 had been looked at before the rule was written (lab log).",
    reads={STUDY: (RESTRICTED, EXCLUDED, "excluded_loss", NORM, "gini_fourier_W_L")},
    rule=(
        "Observation, that a circuit forms before it shows: restricted loss falls to a tenth of what it was when "
        "memorised "
        f"{LEAD} steps or more before the test loss is below 1, and excluded loss (all frequencies, as in the paper's "
        f"figure) has by test accuracy 0.5 risen {RISE:g} times above its least value; in {MOST:.0%} of the runs "
        "supported, "
        f"in {FEW:.0%} or fewer refuted, else mixed. Interpretation, that cleanup comes with generalising: Σw² falls "
        f"fastest in proportion (over windows of {WINDOW} steps, from 2000 steps after memorising on) within {NEAR} "
        "steps "
        f"of generalising, in {MOST:.0%} of the runs supported, in {FEW:.0%} or fewer refuted, else mixed."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "supported, supported": "The circuit is there {lead} steps before the test loss shows it, and while it forms "
        "the network comes to depend on it: excluded loss rises to {rise} times its least value with the training "
        "loss unchanged. The norm falls all the while, and fastest as the network generalises. Restricted loss falls "
        "in jumps here, since each step's own key frequencies are taken: a frequency that is found one step later "
        "changes it at once."
    },
    change="Progress measures with the final network's frequencies, or another definition of cleanup.",
)
