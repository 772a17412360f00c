"""B5: the circuit's size is stable: compression without pruning."""

from __future__ import annotations

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, ORANGE, Line, Panel, curves_figure
from latebloom.claims.evidence import Number, ratio
from latebloom.claims.results import Results
from latebloom.claims.statements.b4 import ends
from latebloom.claims.statements.document_b import DEPARTURES, PUBLISHED, SOURCE

STUDY = "widths"
STABLE = 0.1
SHOWN = (32, 128)


def judge(results: Results) -> Judgement:
    """Judges by the count of active units and by the circuit that ablation finds, from memorising to the end."""
    numbers: dict[str, Number] = {}
    for width in SHOWN:
        part = results[STUDY].where(model_widths=[width, width])
        for key, column, words in (
            ("active", "active_units[1]", "active units of the last layer"),
            ("circuit", "circuit_size_merrill", "circuit size by ablation"),
        ):
            first, then = ends(part, column, "end")
            about = f"{words} at the end over that when memorised, width {width}"
            numbers[f"{key}_{width}"] = ratio(about, then, first, ".2f")
    return Judgement(_observation(numbers["active_128"]), _interpretation(numbers["circuit_128"]), numbers)


def _observation(found: Number) -> Judged:
    told = "the number of active units becomes {active_128} times what it was."
    if found.within(1 - STABLE, 1 + STABLE):
        return Judged("supported", told)
    outside = found.above(1 + STABLE) or found.below(1 - STABLE)
    return Judged("refuted" if outside else "open", told)


def _interpretation(found: Number) -> Judged:
    told = "the neurons that the answers need become {circuit_128} times as many."
    if found.below(1 - STABLE):
        return Judged("refuted", "it is pruned: " + told)
    if found.above(1 - STABLE):
        return Judged("supported", told)
    return Judged("open", told)


def figures(results: Results) -> dict[str, Drawn]:
    """Active units and circuit size over training."""
    lines = [
        Line("active_units[1]", "active: not 0 on an example (mean)", ORANGE),
        Line("circuit_size_merrill", "circuit: enough to keep every training prediction", BLUE),
    ]
    y = "neurons of the last hidden layer"
    panels = [Panel(f"width {w}", results[STUDY].where(model_widths=[w, w]), lines, y) for w in SHOWN]
    caption = (
        "Neurons of the last hidden layer that are not 0 on an example (mean), and the least number that keeps every "
        "training prediction when the others are set to 0, added in the order of their incoming norms; each line a "
        "seed. The rule compares memorising with the last step, at width 128."
    )
    title = "Active neurons and circuit size: addition mod 97, one-hot MLP, λ = 1"
    return {"circuit": Drawn(curves_figure(panels, title, columns=2), caption)}


CLAIM = Claim(
    id="B5",
    title="circuit size is stable: compression without pruning",
    statement="The size of the circuit stays about the same while a network groks: it is compressed and not pruned.",
    source=SOURCE,
    published=PUBLISHED + ' Circuit size: units with an activation of 0.01 or more, "effective neurons".',
    departures=DEPARTURES + " Active units are those that are not exactly 0 after ReLU, the last hidden layer; "
    "circuit size is that of Merrill et al. 2023 (arXiv 2303.11873), every 1000 steps.",
    reads={STUDY: ("active_units", "circuit_size_merrill", "effective_neurons_with_logits")},
    rule=(
        "Width 128, from memorising to the last step. Observation, the count of active units of the last layer is "
        "stable: "
        f"supported where it changes by less than {STABLE:.0%} (whole 95 % interval of the geometric mean over seeds), "
        "refuted where the interval lies wholly outside, else open. Interpretation, nothing is pruned: refuted where "
        "the "
        f"circuit by ablation shrinks by more than {STABLE:.0%} (whole interval), supported where it does not, else "
        "open."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "supported, refuted": "The count of active units hardly moves ({active_128} times), but it does not say how "
        "many neurons matter: at width 128 the training answers need {circuit_128} times as many at the end as when "
        "they were memorised. At width 32, where all are needed from the start, nothing is pruned ({circuit_32})."
    },
    change="Another order of ablation: sizes are upper bounds, since only sets that begin an order are tried.",
)
