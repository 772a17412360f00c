"""A3: memorisation to step 8000, transition to 10 000, then both circuits to 20 000."""

from __future__ import annotations

import math

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, GREEN, ORANGE, Line, Panel, curves_figure, marked
from latebloom.claims.evidence import Number, mean, middle, share
from latebloom.claims.results import Results
from latebloom.claims.statements.document_a import (
    DEPARTURES,
    PUBLISHED,
    SOURCE,
    STUDY,
    drop_step,
    first_above,
    typical,
)

FIRST, SECOND = 8000, 10000
AFTER, APART = 2000, 2.0
MOST, FEW = 0.8, 0.2


def judge(results: Results) -> Judgement:
    """Judges by when test accuracy passes 0.1 and 0.9, and by the gap of the losses after that."""
    runs = [(row, curve, drop_step(row, curve)) for row, curve in results[STUDY].each()]
    memorised = [math.nan if row["memorised.step"] is None else float(row["memorised.step"]) for row, _, _ in runs]
    low = [first_above(curve, "test_accuracy", 0.1) for _, curve, _ in runs]
    high = [first_above(curve, "test_accuracy", 0.9) for _, curve, _ in runs]
    gaps = []
    for row, curve, drop in runs:
        begin = math.nan if row["grokked.step"] is None else row["grokked.step"] + AFTER
        end = drop if math.isfinite(drop) else math.inf
        train, test = (typical(curve, f"{name}_loss", begin, end) for name in ("train", "test"))
        gaps.append(test / train)
    numbers = {
        "memorised": middle("step of memorising (training accuracy ≥ 0.99), median", memorised, ",.0f"),
        "low": middle("first step with test accuracy above 0.1, median", low, ",.0f"),
        "high": middle("first step with test accuracy above 0.9, median", high, ",.0f"),
        "gap": mean("test loss over training loss, 2000 steps after generalising to the drop", gaps, ".3g"),
        "apart": share("runs in which it is 2 or more", [gap >= APART for gap in gaps if math.isfinite(gap)]),
    }
    return Judgement(_observation(numbers), _interpretation(numbers["apart"]), numbers)


def _holds(found: Number, step: int) -> bool:
    return found.low is not None and found.high is not None and found.low <= step <= found.high


def _observation(numbers: dict[str, Number]) -> Judged:
    held = [_holds(numbers["low"], FIRST), _holds(numbers["high"], SECOND)]
    told = "memorised at {memorised}; test accuracy passes 0.1 at {low} and 0.9 at {high}."
    return Judged("supported" if all(held) else "mixed" if any(held) else "refuted", told)


def _interpretation(apart: Number) -> Judged:
    told = "after grokking the test loss is {gap} times the training loss; it is twice or more in {apart} of the runs."
    if not apart.runs:
        return Judged("open", "no run has generalised.")
    return Judged("supported" if apart.value >= MOST else "refuted" if apart.value <= FEW else "mixed", told)


def figures(results: Results) -> dict[str, Drawn]:
    """Accuracies and losses."""
    part = marked(results[STUDY], "dropped", drop_step)
    accuracies = [Line("train_accuracy", "training", ORANGE), Line("test_accuracy", "test", BLUE)]
    losses = [Line("train_loss", "training", ORANGE), Line("test_loss", "test", BLUE)]
    excluded = [Line("excluded_loss", "training, without the key frequencies (excluded loss)", GREEN)]
    y = "loss (nats)"
    panels = [
        Panel("accuracy", part, accuracies, "accuracy", bounds=((0.1, "accuracy of 0.1"), (0.9, "accuracy of 0.9"))),
        Panel("loss", part, losses, y, log_y=True),
        Panel("loss without the key frequencies", part, excluded, y, log_y=True),
    ]
    title = "Phases of an MLP on addition mod 97, AdamW with λ = 1"
    caption = (
        "Accuracies, losses, and the excluded loss: that of the training pairs when the network's key frequencies are "
        "taken out of its logits, which is high where it depends on them. Each line a seed. The rule compares the "
        "steps at which test accuracy passes 0.1 and 0.9 with 8000 and 10 000."
    )
    return {"phases": Drawn(curves_figure(panels, title), caption)}


CLAIM = Claim(
    id="A3",
    title="memorisation to 8000, transition to 10 000, both circuits to 20 000",
    statement="Memorisation lasts to step 8000, test accuracy rises from 0 to 1 between 8000 and 10 000, and then up "
    "to 20 000 the memorising and the generalising circuit coexist.",
    source=SOURCE,
    published=PUBLISHED + " Its marks are the first test accuracies above 0.1 and above 0.9.",
    departures=DEPARTURES,
    reads={STUDY: ("excluded_loss", "restricted_loss_all", "alignment_published")},
    rule=(
        f"Observation supported: {FIRST} lies in the 95 % interval of the median first step with test accuracy above "
        "0.1, "
        f"and {SECOND} in that above 0.9 (intervals between order statistics; of five runs their range); mixed: one of "
        "them; refuted: neither. Interpretation, that what was memorised is still in use: from 2000 steps after "
        f"generalising to the drop of A1 (or the end) the median test loss is {APART:g} times the median training "
        "loss or "
        f"more, in {MOST:.0%} of the runs (supported), in {FEW:.0%} or fewer (refuted), else mixed."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "mixed, refuted": "The order is right and the steps are those of one run: test accuracy begins to rise at "
        "{low} and is up at {high}, over a range of seeds that holds 8000 for the one and not 10 000 for the other. "
        "Memorising is over at {memorised} and not at 8000. That both circuits coexist up to 20 000 is not seen: "
        "once the networks have generalised, test and training loss fall together ({gap} to one), which leaves "
        "nothing for memory to add, and the excluded loss has by then left its low of memorisation for that of "
        "guessing (right panel)."
    },
    change="The authors' own draws of split and weights, which we do not have.",
)
