"""A5: after the drop, gradient directions are more diverse."""

from __future__ import annotations

import math

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, Line, Panel, curves_figure, marked
from latebloom.claims.evidence import ratio
from latebloom.claims.results import Results
from latebloom.claims.statements.document_a import DEPARTURES, PUBLISHED, SOURCE, STUDY, drop_step, taken

RANK = "gradient_effective_rank"
MORE, APART = 1.1, 500


def judge(results: Results) -> Judgement:
    """Judges by the effective rank of single examples' gradients before and after the drop, and around grokking."""
    before, after, early = [], [], []
    for row, curve in results[STUDY].each():
        drop, grokked = drop_step(row, curve), row["grokked.step"]
        if not math.isfinite(drop):
            continue
        known = taken(curve, RANK, grokked, drop - APART)
        then = taken(curve, RANK, drop + APART)
        first = taken(curve, RANK, row["memorised.step"], grokked)
        before.append(float(known[RANK][-1]) if known.height else math.nan)
        after.append(float(then[RANK][0]) if then.height else math.nan)
        early.append(float(first[RANK][-1]) if first.height else math.nan)
    numbers = {
        "drop": ratio("effective rank after the drop over before it", after, before, ".2f"),
        "grokking": ratio("effective rank before the drop over that before generalising", before, early, ".2f"),
    }
    found = numbers["drop"]
    told = "the effective rank of single examples' gradients becomes {drop} times what it was."
    verdict = "supported" if found.above(MORE) else "refuted" if found.below(MORE) else "open"
    return Judgement(Judged(verdict, told), None, numbers)


def figures(results: Results) -> dict[str, Drawn]:
    """The rank over training."""
    line = [Line(RANK, "effective rank of the covariance of single examples' gradients", BLUE)]
    part = marked(results[STUDY], "dropped", drop_step)
    panel = Panel("128 training pairs, the same at every step", part, line, "effective rank (directions)")
    title = "How many directions do gradients have? MLP, addition mod 97, λ = 1"
    caption = (
        "Effective rank of the covariance of single training examples' gradients: the exponential of the entropy of "
        "its eigenvalues' shares, 127 at most; each line a seed. The rule compares it before and after the drop."
    )
    return {"rank": Drawn(curves_figure([panel], title, log_x=False), caption)}


CLAIM = Claim(
    id="A5",
    title="after the drop, gradient directions are more diverse",
    statement="After the drop of cos(g, Hg) the gradient directions are more diverse.",
    source=SOURCE,
    published=PUBLISHED + " Concluded from the low cosine.",
    departures=DEPARTURES + " Gradients of single examples every 3000 steps (more often before 3000).",
    reads={STUDY: (RANK, "gradient_top_share", "alignment_published")},
    rule=(
        "The effective rank of the covariance of single examples' gradients, first value at least 500 steps after the "
        "drop "
        "of A1 over the last one at least 500 before it and after generalising; geometric mean over the runs that "
        "drop. "
        f"Supported: its 95 % interval lies above {MORE}; refuted: below {MORE}; else open."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "refuted": "Directions become fewer, not more, and not at the drop: the effective rank falls as the networks "
        "generalise, to {grokking} times what it was, and stays there through the drop. That they are more diverse "
        "was concluded from the low cosine, which is an artefact (A1)."
    },
    change="Another measure of diversity, of the updates of successive steps for example.",
)
