"""D4: attention is critical for algorithmic reasoning."""

from __future__ import annotations

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, LEARNT, ORANGE, Line, Panel, curves_figure
from latebloom.claims.evidence import Number, middle, share
from latebloom.claims.results import Results
from latebloom.claims.statements.document_b import happened, steps_by_seed

STUDY = "widths"
WIDTHS = (32, 128)
MOST = 0.8


def judge(results: Results) -> Judgement:
    """Judges by the share of networks without attention that learn the rule."""
    numbers: dict[str, Number] = {}
    for width in WIDTHS:
        runs = results[STUDY].where(model_widths=[width, width]).runs
        about = f"runs without attention with test accuracy ≥ 0.95, width {width}"
        numbers[f"learnt_{width}"] = share(about, happened(runs, "grokked"))
    runs = results[STUDY].where(model_widths=[128, 128]).runs
    numbers["step"] = middle("step at which they have it, width 128, median", steps_by_seed(runs, "grokked"), ",.0f")
    learnt = numbers["learnt_128"].value
    told = "{learnt_128} of the networks of width 128 without attention learn addition mod 97 (median step {step})."
    verdict = "refuted" if learnt >= MOST else "supported" if learnt == 0 else "mixed"
    return Judgement(Judged(verdict, told), None, numbers)


def figures(results: Results) -> dict[str, Drawn]:
    """Accuracies of networks without attention."""
    lines = [Line("train_accuracy", "training accuracy", ORANGE), Line("test_accuracy", "test accuracy", BLUE)]
    panels = [
        Panel(
            f"hidden layers of width {w}", results[STUDY].where(model_widths=[w, w]), lines, "accuracy", bounds=LEARNT
        )
        for w in WIDTHS
    ]
    title = "Addition mod 97 without attention: one-hot MLPs, half of the pairs, λ = 1"
    return {"accuracies": Drawn(curves_figure(panels, title, columns=2), "Accuracy over training, each line a seed.")}


CLAIM = Claim(
    id="D4",
    title="attention is critical for algorithmic reasoning",
    statement="Attention layers are critical for learning algorithmic tasks.",
    source='"Grokking: Delayed Generalization After Memorization", architecture choices',
    published="No experiment is given; the set-ups of the overview are transformers of one or two layers.",
    departures="MLPs on one-hot operands, no attention, addition mod 97, half of the pairs, AdamW, λ = 1 (the runs "
    "of B3). One task that needs both operands at once; that a transformer learns it is published.",
    reads={STUDY: ()},
    rule=(
        f"Critical means that without it the rule is not learnt. Refuted: {MOST:.0%} or more of the MLPs of width 128 "
        "reach "
        "a test accuracy of 0.95, sustained; supported: none does; else mixed. Sequences longer than two operands are "
        "not "
        "looked at."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "refuted": "Both operands have to meet in one layer; a hidden layer does that as well as attention. At width "
        "32 {learnt_32} of the networks learn the rule too."
    },
    change="Tasks whose input has no fixed length, which an MLP cannot read.",
)
