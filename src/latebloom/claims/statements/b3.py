"""B3: after memorising, the median activation of narrow networks rises and that of wide ones falls."""

from __future__ import annotations

from dataclasses import replace

import polars as pl

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, GREEN, LEARNT, ORANGE, PURPLE, Line, Panel, curves_figure
from latebloom.claims.evidence import Number, mean
from latebloom.claims.results import Part, Results
from latebloom.claims.statements.document_b import DEPARTURES, PUBLISHED, SOURCE, at, last

STUDY = "widths"
WIDTHS = (32, 128)
KINDS = {"median": "median activation", "mean": "mean activation", "norm": "norm of the activations"}
LAYERS = (0, 1)
EARLY = 500
"""A step at which wide networks have memorised and narrow ones have not."""


def layer_mean(curve: pl.DataFrame, kind: str) -> pl.DataFrame:
    """A curve with the mean over both hidden layers of an activation measure as the column `kind`."""
    columns = [f"activation_post_{kind}[{layer}]" for layer in LAYERS]
    return curve.with_columns(pl.mean_horizontal(columns).alias(kind))


def changes(part: Part, kind: str, until: str) -> list[float]:
    """The relative change of a measure after memorising, each run; NaN where it did not memorise or not generalise."""
    found = []
    for row, curve in part.each():
        curve = layer_mean(curve, kind)
        first = at(curve, kind, row["memorised.step"])
        end = last(curve, kind) if until == "end" else at(curve, kind, row["grokked.step"])
        found.append(end / first - 1 if row["memorised.step"] is not None and first else float("nan"))
    return found


def judge(results: Results) -> Judgement:
    """Judges by the relative change of the median at widths 32 and 128, and by its dependence on the width."""
    numbers: dict[str, Number] = {}
    for width in WIDTHS:
        part = results[STUDY].where(model_widths=[width, width])
        for kind, words in KINDS.items():
            for until, when in (("end", "to the end"), ("grokked", "to generalising")):
                about = f"relative change of the {words}, width {width}, from memorising {when}"
                numbers[f"{kind}_{width}_{until}"] = mean(about, changes(part, kind, until), "+.1%")
        early = [_from(curve, EARLY) for _, curve in part.each()]
        about = f"explored afterwards: change of the median, width {width}, from step {EARLY} to the end"
        numbers[f"early_{width}"] = mean(about, early, "+.1%")
    return Judgement(_observation(numbers), _interpretation(numbers), numbers)


def _from(curve: pl.DataFrame, step: int) -> float:
    curve = layer_mean(curve, "median")
    return last(curve, "median") / at(curve, "median", step) - 1


def _observation(numbers: dict[str, Number]) -> Judged:
    narrow, wide = numbers["median_32_end"], numbers["median_128_end"]
    told = "the median changes by {median_32_end} at width 32 and by {median_128_end} at width 128."
    held = (narrow.above(0), wide.below(0))
    against = (narrow.below(0), wide.above(0))
    if all(held):
        return Judged("supported", told)
    if any(held) and any(against):
        return Judged("mixed", "one half holds: " + told)
    return Judged("refuted", told) if any(against) else Judged("open", "an interval contains 0: " + told)


def _interpretation(numbers: dict[str, Number]) -> Judged:
    """Whether wide differs from narrow, as claimed, by every measure and at both times."""
    names = [f"{kind}_{{}}_{until}" for kind in KINDS for until in ("end", "grokked")]
    pairs = [(numbers[name.format(32)], numbers[name.format(128)]) for name in names]
    known = [(narrow, wide) for narrow, wide in pairs if narrow.runs > 1 and wide.runs > 1]
    apart = sum(narrow.low is not None and wide.below(narrow.low) for narrow, wide in known)
    numbers["variants"] = Number("variants (three measures, two times) that can be compared", len(known))
    numbers["apart"] = Number("of them those with a whole interval at width 128 below that at width 32", apart)
    told = "wide networks fall more than narrow ones in {apart} of {variants} variants."
    if not known:
        return Judged("open", "no variant has two runs at both widths.")
    if apart == len(known):
        return Judged("supported", told)
    return Judged("refuted" if apart <= len(known) / 2 else "mixed", told)


def figures(results: Results) -> dict[str, Drawn]:
    """The median over training, a panel for each width."""
    part = results[STUDY]
    columns = [
        pl.mean_horizontal(f"activation_post_{kind}[0]", f"activation_post_{kind}[1]").alias(kind)
        for kind in ("median", "mean")
    ]
    part = replace(part, curves=part.curves.with_columns(*columns))
    lines = [Line("median", "median activation", GREEN), Line("mean", "mean activation", PURPLE)]
    panels = [Panel(f"width {w}", part.where(model_widths=[w, w]), lines, "activation after ReLU") for w in WIDTHS]
    accuracies = [Line("train_accuracy", "training accuracy", ORANGE), Line("test_accuracy", "test accuracy", BLUE)]
    whole = [
        Panel(f"width {w}", part.where(model_widths=[w, w]), accuracies, "accuracy", bounds=LEARNT) for w in WIDTHS
    ]
    return {
        "activations": Drawn(
            curves_figure(panels, "Activations by width of the hidden layers: addition mod 97, one-hot MLP", columns=2),
            "Median and mean activation on the training pairs, mean of both hidden layers, each line a seed.",
        ),
        "accuracies": Drawn(
            curves_figure(whole, "Accuracy of the same networks: addition mod 97, one-hot MLP", columns=2),
            "Accuracy of the same runs.",
        ),
    }


CLAIM = Claim(
    id="B3",
    title="after memorising, the median activation rises at width 32 and falls at 128",
    statement="After memorising, the median activation rises in a network of hidden width 32 and falls in one of "
    "128: whether norms decay while a network groks depends on its capacity.",
    source=SOURCE,
    published=PUBLISHED + " Median activation by eye from single runs; it is not said which layer.",
    departures=DEPARTURES + " Widths 32 and 128, both of 3500 steps. Activations after ReLU at the training pairs, "
    "both hidden layers, the logits left out.",
    reads={
        STUDY: (*(f"activation_post_{kind}" for kind in KINDS), "activation_pre_median", "weight_norm_sq"),
    },
    rule=(
        "For each run the relative change of the median activation (mean of both hidden layers) from the first step "
        "with training accuracy ≥ 0.99 to the last step. Observation supported: at width 32 the 95 % interval of the "
        "mean over seeds lies above 0 and at 128 below 0; mixed: one of them as claimed and the other the opposite; "
        "refuted: one is the opposite and the other not as claimed; open: no interval is on the opposite side, but "
        "one contains 0. Interpretation, that the direction depends on the width: the interval at 128 lies below "
        "that at 32 for median, mean and norm, at the end and when the run generalises: in all of these supported, "
        "in half or fewer refuted, else mixed. Variants in which a width has fewer than two such runs are not "
        "counted; where none is left: open."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "mixed, mixed": "The median falls at both widths once the training pairs are known. The rise at width 32 is "
        "there before that: activations grow until a network has memorised, and narrow ones memorise later (B6). "
        "Read from the same step {EARLY} on for both, the median changes by {early_32} at width 32 and by "
        "{early_128} at 128: a comparison that is not aligned on memorising shows what the document describes, "
        "though it does not say how it compared. Wide networks do fall more.".replace("{EARLY}", f"{EARLY}")
    },
    change="Longer runs: activations still move at the last step.",
)
