"""B1: Adam without weight decay neither memorises nor groks."""

from __future__ import annotations

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, KNOWN, ORANGE, Line, Panel, curves_figure
from latebloom.claims.evidence import Number, ratio, share
from latebloom.claims.results import Part, Results
from latebloom.claims.statements.document_b import DEPARTURES, PUBLISHED, SOURCE, happened, steps_by_seed

STUDY = "decay"
ARMS = {
    "none": ("Adam, no decay", "adam", 0.0),
    "decoupled_1": ("AdamW, λ = 1", "adamw", 1.0),
    "coupled_0001": ("Adam, coupled λ = 0.001", "adam", 0.001),
    "coupled_01": ("Adam, coupled λ = 0.1", "adam", 0.1),
    "coupled_1": ("Adam, coupled λ = 1", "adam", 1.0),
}
MOST, LATER = 0.8, 1.5


def arm(part: Part, name: str) -> Part:
    """The runs of one kind and strength of decay."""
    return part.where(optim_name=ARMS[name][1], optim_weight_decay=ARMS[name][2])


def judge(results: Results) -> Judgement:
    """Judges by the share of runs without decay that memorise, and by when."""
    part = results[STUDY]
    numbers: dict[str, Number] = {}
    for name, (title, _, _) in ARMS.items():
        runs = arm(part, name).runs
        numbers[f"memorised_{name}"] = share(f"memorised, {title}", happened(runs, "memorised"))
        numbers[f"grokked_{name}"] = share(f"generalised within its steps, {title}", happened(runs, "grokked"))
    none, decoupled = (steps_by_seed(arm(part, name).runs, "memorised") for name in ("none", "decoupled_1"))
    numbers["ratio"] = ratio("step of memorising without decay over that with AdamW, λ = 1", none, decoupled)
    return Judgement(_observation(numbers), _interpretation(numbers), numbers)


def _observation(numbers: dict[str, Number]) -> Judged:
    known, grokked = numbers["memorised_none"].value, numbers["grokked_none"].value
    told = "without decay {memorised_none} of the runs memorise and {grokked_none} generalise."
    if known >= MOST:
        return Judged("refuted", told)
    return Judged("supported" if known == grokked == 0 else "mixed", told)


def _interpretation(numbers: dict[str, Number]) -> Judged:
    later = numbers["ratio"]
    if numbers["memorised_none"].value <= 1 - MOST or later.above(LATER):
        return Judged("supported", "memorising needs decay, or is much sooner with it: ratio {ratio}.")
    if numbers["memorised_none"].value >= MOST and later.below(LATER):
        return Judged("refuted", "memorising does not need decay: without it, it takes {ratio} times as many steps.")
    return Judged("mixed", "memorising without decay takes {ratio} times as many steps.")


def figures(results: Results) -> dict[str, Drawn]:
    """Accuracies over training, a panel for each kind of decay."""
    lines = [Line("train_accuracy", "training accuracy", ORANGE), Line("test_accuracy", "test accuracy", BLUE)]
    panels = [
        Panel(title, arm(results[STUDY], name), lines, "accuracy", bounds=KNOWN) for name, (title, _, _) in ARMS.items()
    ]
    caption = (
        "Accuracy over training, each line a seed; memorised is a training accuracy that stays at 0.99 or more. "
        "Coupled decay adds λw to the gradient, which Adam then rescales; AdamW shrinks the weights apart from it. "
        "Runs end 100 steps after they generalise; those with coupled decay are given 500 steps, "
        "that of AdamW 600, those without decay 2000."
    )
    title = "Addition mod 97, one-hot MLP of width 128: kinds of weight decay (coupled: λw is added to the gradient)"
    return {"decay": Drawn(curves_figure(panels, title), caption)}


CLAIM = Claim(
    id="B1",
    title="Adam without weight decay neither memorises nor groks",
    statement="Weight decay is essential not only to generalise but even to memorise: Adam without it does neither.",
    source=SOURCE,
    published=PUBLISHED + " Adam without decay beside AdamW.",
    departures=DEPARTURES + " 2000 steps without decay, 600 with λ = 1, 500 with coupled decay (λw added to the "
    "gradient, which Adam then rescales: `Adam(weight_decay = λ)` in PyTorch).",
    reads={STUDY: ("weight_norm_sq",)},
    rule=(
        f"Memorised: training accuracy ≥ 0.99, sustained. Observation refuted: {MOST:.0%} or more of the runs without "
        "decay memorise (what is neither this nor that is not this); supported: none memorises and none generalises; "
        "else mixed. Interpretation, that decay is what makes memorising possible: supported where at most "
        f"{1 - MOST:.0%} memorise without it, or memorising takes more than {LATER} times the steps of AdamW with λ = "
        "1 "
        "(whole interval of the ratio over paired seeds); refuted where it takes less and they memorise; else mixed. "
        "Runs with coupled decay decide nothing: they are to show what the authors may have trained."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "refuted, refuted": "Without decay the training pairs are known in {ratio} times the steps that AdamW takes. "
        "What fits the document is decay *coupled* into Adam's gradient, which is what "
        "`torch.optim.Adam(weight_decay = λ)` does: Adam divides it by the size of the gradient, so that it is as "
        "strong as the loss however small λw is. With λ = 1 {memorised_coupled_1} of the runs memorise, with 0.1 "
        "{memorised_coupled_01}: both stay at chance. Whether the authors trained that is not known. With λ = 0.001 "
        "coupled decay lets the test accuracy rise together with the training accuracy. That no run without decay "
        "generalises ({grokked_none}) is the other half of the claim: it is true for these steps, and is judged by "
        "B2."
    },
    change="Runs without decay that fail to memorise at another learning rate or with another initialisation.",
    quick={
        STUDY: {
            "seeds": 2,
            "set.task.p": 19,
            "set.log.every": 50,
            "set.model.widths": [64, 64],
            "zipped.decay.steps": [400, 300, 200, 200, 200],
        }
    },
)
