"""D3: model size has a sweet spot."""

from __future__ import annotations

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.evidence import Number, mean, ratio, share
from latebloom.claims.points import Group, points_figure
from latebloom.claims.results import Part, Results
from latebloom.claims.statements.document_b import happened, last, steps_by_seed, steps_or_last
from latebloom.claims.statements.document_d import LOOKED, NETWORK, SOURCE

STUDY = "sizes"
WIDTHS = {1: (4, 64, 512), 2: (4, 64, 128)}
LAYERS = {1: "one hidden layer", 2: "two hidden layers"}
MOST, FEW = 0.8, 0.2


def cell(part: Part, width: int, depth: int) -> Part:
    """The runs of one size."""
    return part.where(model_widths=[width] * depth)


def judge(results: Results) -> Judgement:
    """Judges by the share of runs that generalise at the least and at the greatest width."""
    part = results[STUDY]
    numbers: dict[str, Number] = {}
    least, greatest = [], []
    for depth in WIDTHS:
        shares = {}
        for width in WIDTHS[depth]:
            about = f"generalised: width {width}, {LAYERS[depth]}"
            shares[width] = share(about, happened(cell(part, width, depth).runs, "grokked"))
            numbers[f"w{width}_{depth}"] = shares[width]
        small, middle, large = WIDTHS[depth]
        ends = [last(curve, "train_accuracy") for _, curve in cell(part, small, depth).each()]
        about = f"explored afterwards: training accuracy at the last step, width {small}, {LAYERS[depth]}"
        numbers[f"train_{depth}"] = mean(about, ends, ".0%")
        wide, medium = (steps_by_seed(cell(part, w, depth).runs, "grokked") for w in (large, middle))
        about = f"steps of generalising, width {large} over {middle}, {LAYERS[depth]}"
        numbers[f"ratio_{depth}"] = ratio(about, wide, medium, ".2f")
        least.append(shares[small].value)
        greatest.append(shares[large].value)
    for name, place in (("small", 0), ("large", -1)):
        runs = [hit for d in WIDTHS for hit in happened(cell(part, WIDTHS[d][place], d).runs, "grokked")]
        words = {"small": "least", "large": "greatest"}[name]
        numbers[name] = share(f"generalised at the {words} width, both depths", runs)
    return Judgement(_observation(least, greatest), None, numbers)


def _observation(least: list[float], greatest: list[float]) -> Judged:
    told = "{small} of the runs of the least width and {large} of those of the greatest generalise."
    if min(least) <= FEW and min(greatest) <= FEW:
        return Judged("supported", told)
    return Judged("refuted" if min(*least, *greatest) >= MOST else "mixed", told)


def figures(results: Results) -> dict[str, Drawn]:
    """The step of generalising of every run, by size."""
    groups = []
    for depth in WIDTHS:
        for width in WIDTHS[depth]:
            known, ended = steps_or_last(cell(results[STUDY], width, depth).runs, "grokked")
            size = f"{width}, {width}" if depth > 1 else f"{width}"
            groups.append(Group(f"{size}\n{len(known)} of {len(known) + len(ended)}", known, ended))
    figure = points_figure(
        groups,
        "steps until generalised",
        "Generalising (test accuracy ≥ 0.95) by size: addition mod 31, MLP, AdamW, λ = 1",
        log_y=True,
        x="widths of the hidden layers (one, or two); how many runs generalised",
    )
    caption = (
        "Each point a run that generalised within 3000 steps, each triangle one that had not; below each column the "
        "widths of its hidden layers, and how many runs did."
    )
    return {"sizes": Drawn(figure, caption)}


CLAIM = Claim(
    id="D3",
    title="there is a best model size",
    statement="Model size has a sweet spot: too small or too large a network does not grok.",
    source=SOURCE,
    published="No experiment is given.",
    departures=NETWORK
    + " Widths 4, 64 and 512 of one hidden layer, 4, 64 and 128 of two, learning rate 2e-3, 3000 steps at most. "
    + LOOKED
    + " They had width 64. The learning rate was doubled before these runs, since at 1e-3 some of C4's ended too soon.",
    reads={STUDY: ()},
    rule=(
        "Generalised: test accuracy ≥ 0.95, sustained, within 3000 steps. Supported: at one of the depths "
        f"{FEW:.0%} or fewer of the runs of the least width generalise, and at one of them {FEW:.0%} or "
        f"fewer of those of the greatest; refuted: {MOST:.0%} or more do at both widths everywhere; else mixed."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "mixed": "The lower end is there, but it has nothing to do with grokking: the narrowest networks, of width "
        "4, do not even learn their training pairs (training accuracy {train_1} with one hidden layer, {train_2} "
        "with two), so they cannot generalise late. An upper end was not found: the widest networks generalise in "
        "all runs, with one hidden layer in {ratio_1} times the steps of width 64, with two in {ratio_2} times. So "
        "what was tried shows a least size, and no best one."
    },
    doubt="Its word is mixed because one of its two halves holds, and that half is underfitting and not grokking.",
    change="Widths far above 512, or deeper networks, which take hours, or other parametrisations of the width.",
)
