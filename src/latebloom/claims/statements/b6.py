"""B6: wider networks memorise faster."""

from __future__ import annotations

import itertools
import math

import numpy as np

from latebloom.analysis.statistics import Times, fit_power_law, holm, logrank, median, times_of
from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.evidence import Number
from latebloom.claims.points import Group, points_figure
from latebloom.claims.results import Results
from latebloom.claims.statements.document_b import DEPARTURES, PUBLISHED, SOURCE, steps_or_last, width

STUDY = "memorising"
FLAT = 0.1
"""Exponents nearer to 0 than this are called no dependence: 32 times the width would be a factor of 1.4."""


def judge(results: Results) -> Judgement:
    """Judges by the exponent of T ∝ width^b, and by neighbouring widths."""
    runs = results[STUDY].runs.with_columns(width(results[STUDY].runs).alias("width"))
    times = times_of(runs, "memorised")
    fit = fit_power_law(times, {"width": runs["width"].to_numpy().astype(float)})
    b = fit.exponents.get("width")
    slope = Number("b in T ∝ width^b, T the step of memorising", math.nan, runs=fit.runs, form=".2f")
    if b is not None:
        slope = Number(slope.about, b.value, b.low, b.high, fit.runs, ".2f")
    numbers = {"slope": slope, "bend": Number("p of a bend (a term (log width)²)", fit.bend or math.nan, form=".1g")}
    groups = {w: times_of(runs.filter(runs["width"] == w), "memorised") for w in sorted(set(runs["width"]))}
    for w, group in groups.items():
        m = median(group, draws=500)
        step = math.nan if m.step is None else m.step
        about = f"median step, width {w}, seen in {m.seen} of {m.runs}"
        numbers[f"width_{w}"] = Number(about, step, m.low, m.high, m.runs, ",.0f")
    back = _later(list(groups.values()))
    numbers["back"] = Number("neighbours of which the wider is later (log-rank, Holm, p < 0.05)", back)
    return Judgement(_decide(slope, back), None, numbers)


def _later(groups: list[Times]) -> int:
    """How many groups are later than the one before them."""
    pairs = list(itertools.pairwise(groups))
    tests = [logrank([one, other]) for one, other in pairs]
    adjusted = holm([math.nan if test.p is None else test.p for test in tests])
    # fewer events than one common curve would give: later
    later = [test.observed[1] < test.expected[1] for test in tests]
    return sum(bool(p < 0.05) and back for p, back in zip(adjusted, later, strict=True))


def _decide(slope: Number, back: int) -> Judged:
    if slope.below(0) and not back:
        return Judged("supported", "the wider, the sooner: b = {slope}, and no two neighbours are the other way round.")
    if slope.below(0):
        return Judged("mixed", "on the whole the wider the sooner (b = {slope}), but {back} neighbours are not.")
    if slope.above(-FLAT):
        return Judged("refuted", "the width does not hasten memorising: b = {slope}.")
    return Judged("open", "the interval of b is too wide to tell: {slope}.")


def figures(results: Results) -> dict[str, Drawn]:
    """Every run's step of memorising against the width, and the power law."""
    runs = results[STUDY].runs.with_columns(width(results[STUDY].runs).alias("width"))
    fit = fit_power_law(times_of(runs, "memorised"), {"width": runs["width"].to_numpy().astype(float)})
    widths = sorted(set(runs["width"]))
    groups = [Group(f"{w}", *steps_or_last(runs.filter(runs["width"] == w), "memorised")) for w in widths]
    law, b = None, fit.exponents.get("width")
    if b is not None:
        b = Number("", b.value, b.low, b.high, form=".2f")
        law = (
            f"steps ∝ width^{b}, 95 % interval".replace("-", "−"),
            fit.predict({"width": np.array(widths, float)}).tolist(),
        )
    figure = points_figure(
        groups,
        "steps to a training accuracy of 0.99",
        "Memorising by width: addition mod 97, one-hot MLP",
        log_y=True,
        x="width of both hidden layers",
        fit=law,
    )
    caption = (
        "Steps until 99 % of the training pairs are known, by the width of both hidden layers, and the power law that "
        "is fitted to all runs, its exponent {slope} with the 95 % interval; a run that has not memorised by its last "
        "step counts as later."
    )
    return {"memorising": Drawn(figure, caption)}


CLAIM = Claim(
    id="B6",
    title="wider networks memorise faster",
    statement="Wider networks memorise faster (hidden width 32: slower, 128: faster).",
    source=SOURCE,
    published=PUBLISHED,
    departures=DEPARTURES + " Widths 16 to 512, each run until it has memorised or for 6000 steps.",
    reads={STUDY: ()},
    rule=(
        "T is the first step with training accuracy ≥ 0.99, sustained; T ∝ width^b is fitted over all widths with the "
        "censored log-normal likelihood. Supported: the 95 % interval of b lies below 0 and no wider neighbour later "
        f"(log-rank, Holm, p < 0.05). Mixed: b below 0, but a neighbour is later. Refuted: b above −{FLAT}. Else open."
    ),
    judge=judge,
    figures=figures,
    change="Other learning rates or initial weights, if wide networks depended on them more.",
    discussion={
        "supported": "Over a factor of 32 in width the steps fall about as much, from {width_16} at 16 to "
        "{width_512} at 512, though not along one power law (p of a bend {bend}): by more than half from 16 to 32 "
        "and by less than half from 256 to 512. Steps are meant, not seconds: a step's arithmetic grows with the "
        "number of weights, at first as the width and in the end as its square, so that the widest network is not "
        "the cheapest."
    },
    quick={
        STUDY: {
            "seeds": 2,
            "set.steps": 700,
            "set.task.p": 19,
            "set.log.every": 50,
            "axes.model.widths": [[24, 24], [48, 48], [96, 96]],
        }
    },
)
