"""A4: a high cosine means that the gradient follows a dominant eigenvector of the Hessian."""

from __future__ import annotations

import math

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, GREEN, ORANGE, Line, Panel, curves_figure, marked
from latebloom.claims.evidence import mean
from latebloom.claims.results import Results
from latebloom.claims.statements.document_a import DEPARTURES, EXACT, PUBLISHED, SOURCE, STUDY, drop_step, typical

FIRST, TOP = "gradient_captured[1]", "gradient_captured_top"
HALF = 0.5


def judge(results: Results) -> Judgement:
    """Judges by the share of the gradient's square along the first eigenvector while the cosine is high."""
    ones, tops, cosines, curvatures = [], [], [], []
    for row, curve in results[STUDY].each():
        drop = drop_step(row, curve)
        begin = math.nan if row["memorised.step"] is None else row["memorised.step"]
        end = drop if math.isfinite(drop) else math.inf
        ones.append(typical(curve, FIRST, begin, end))
        tops.append(typical(curve, TOP, begin, end))
        cosines.append(typical(curve, EXACT, begin, end))
        curvatures.append(typical(curve, "gradient_curvature", begin, end) / typical(curve, "hessian_max", begin, end))
    numbers = {
        "one": mean("share of ‖g‖² along the first eigenvector", ones, ".1%"),
        "top": mean("share of ‖g‖² along the leading eigenvectors together", tops, ".1%"),
        "cosine": mean("exact cosine of the minibatch over the same steps", cosines, ".2f"),
        "curvature": mean("curvature along the gradient over the largest eigenvalue", curvatures, ".2f"),
    }
    told = (
        "while the cosine is {cosine}, {one} of the gradient's square lies along the first eigenvector, {top} along "
        "all leading ones."
    )
    one = numbers["one"]
    verdict = "supported" if one.above(HALF) else "refuted" if one.below(HALF) else "open"
    return Judgement(Judged(verdict, told), None, numbers)


def figures(results: Results) -> dict[str, Drawn]:
    """Shares of the gradient over training, beside the cosine."""
    part = marked(results[STUDY], "dropped", drop_step)
    shares = [
        Line(FIRST, "along the first eigenvector", BLUE),
        Line(TOP, "along the first eight together", GREEN),
    ]
    cosine = [Line("alignment", "cos(g, Hg), exact, all training pairs", ORANGE)]
    half = (HALF, f"share of {HALF:g}: more of it and the first one dominates")
    panels = [
        Panel("gradient along the Hessian's eigenvectors", part, shares, "share of ‖g‖²", bounds=(half,)),
        Panel("its cosine with Hg", part, cosine, "cos(g, Hg)"),
    ]
    title = "Does the gradient follow an eigenvector? MLP, addition mod 97, λ = 1"
    caption = (
        "Share of the squared gradient along the eigenvectors of the Hessian's largest eigenvalues, taken every 6000 "
        "steps on all training pairs, beside the exact cosine of g and Hg, which is high all the same. Each line a "
        "seed."
    )
    return {"eigenvectors": Drawn(curves_figure(panels, title, columns=2, log_x=False), caption)}


CLAIM = Claim(
    id="A4",
    title="a high cosine means that the gradient follows a dominant eigenvector",
    statement="cos(g, Hg) near 0.85 says that the optimisation follows a dominant eigenvector of the Hessian.",
    source=SOURCE,
    published=PUBLISHED + " No eigenvector was computed.",
    departures=DEPARTURES + " Eigenvectors by Lanczos, all training pairs, every 6000 steps.",
    reads={STUDY: ("gradient_captured", TOP, "hessian_max", "gradient_curvature", "alignment", EXACT)},
    rule=(
        "For each run the median share of ‖g‖² along the eigenvector of the largest eigenvalue, from memorising to the "
        f"drop of A1 or the end. Supported: the 95 % interval of its mean over seeds lies above {HALF:.0%}; refuted: "
        "below; "
        "else open."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "refuted": "A cosine near 1 needs no dominant eigenvector: cos(g, Hg) is high when the curvature is alike "
        "along all that the gradient is made of, be it one direction or many. Here it is many: the leading "
        "eigenvectors together hold {top} of its square. Eigenvectors are those of all training pairs, and the "
        "cosine of the published kind is of minibatches; the figure has that of all pairs."
    },
    change="A share above one half on minibatches, whose Hessian was not decomposed.",
)
