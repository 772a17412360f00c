"""B4: sparsity does not increase; weights shrink uniformly."""

from __future__ import annotations

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, GREEN, ORANGE, RED, Line, Panel, curves_figure
from latebloom.claims.evidence import Number, mean, ratio
from latebloom.claims.results import Part, Results
from latebloom.claims.statements.document_b import DEPARTURES, PUBLISHED, SOURCE, at, last

STUDY = "widths"
STABLE, EVEN = 1.5, 0.02
WIDE = 128
SHOWN = (32, 128)
TO = {"grokked": "generalising", "end": "the end"}
MEASURES = {
    "gini_raw_weights": "Gini index of the raw weights",
    "hoyer_raw_weights": "Hoyer sparsity of the raw weights",
    "gini_by_basis[embedding,standard]": "Gini index of the first layer's entries",
    "gini_by_basis[embedding,fourier]": "Gini index of the first layer's Fourier components",
}
SHARES = {"weight_share_below_1e_2": "share of weights below 0.01", "weight_share_below_1e_3": "share below 0.001"}


def ends(part: Part, column: str, until: str) -> tuple[list[float], list[float]]:
    """A measure when each run has memorised, and when it generalises or at its end."""
    rows = part.each()
    first = [at(curve, column, row["memorised.step"]) for row, curve in rows]
    if until == "end":
        return first, [last(curve, column) for _, curve in rows]
    return first, [at(curve, column, row["grokked.step"]) for row, curve in rows]


def judge(results: Results) -> Judgement:
    """Judges by the near-zero share and by the Gini index between memorising and generalising."""
    numbers: dict[str, Number] = {}
    for width in SHOWN:
        part = results[STUDY].where(model_widths=[width, width])
        for until, when in (("grokked", "when generalising"), ("end", "at the end")):
            for column, words in SHARES.items():
                first, then = ends(part, column, until)
                about = f"{words} {when} over that when memorised, width {width}"
                numbers[f"{_key(column)}_{width}_{until}"] = ratio(about, then, first, ".2f")
            for column, words in MEASURES.items():
                first, then = ends(part, column, until)
                about = f"change of the {words} from memorising to {TO[until]}, width {width}"
                differences = [b - a for a, b in zip(first, then, strict=True)]
                numbers[f"{_key(column)}_{width}_{until}"] = mean(about, differences, "+.3f")
        first, then = ends(part, "weight_norm_sq", "grokked")
        numbers[f"norm_{width}"] = ratio(f"Σw² when generalising over that when memorised, width {width}", then, first)
    return Judgement(_observation(numbers), _interpretation(numbers), numbers)


def _key(column: str) -> str:
    return {
        "weight_share_below_1e_2": "small",
        "weight_share_below_1e_3": "tiny",
        "gini_raw_weights": "gini",
        "hoyer_raw_weights": "hoyer",
        "gini_by_basis[embedding,standard]": "first",
        "gini_by_basis[embedding,fourier]": "fourier",
    }[column]


def _observation(numbers: dict[str, Number]) -> Judged:
    found = numbers[f"small_{WIDE}_grokked"]
    told = f"the share of weights below 0.01 becomes {{small_{WIDE}_grokked}} times what it was."
    if found.within(1 / STABLE, STABLE):
        return Judged("supported", told)
    if found.above(STABLE) or found.below(1 / STABLE):
        return Judged("refuted", told)
    return Judged("open", told)


def _interpretation(numbers: dict[str, Number]) -> Judged:
    found = numbers[f"gini_{WIDE}_grokked"]
    told = (
        f"the Gini index of the raw weights changes by {{gini_{WIDE}_grokked}}, "
        f"that of the first layer's Fourier components by {{fourier_{WIDE}_grokked}}."
    )
    if found.within(-EVEN, EVEN):
        return Judged("supported", told)
    if found.above(EVEN) or found.below(-EVEN):
        return Judged("refuted", "the weights do not shrink uniformly: " + told)
    return Judged("open", told)


def figures(results: Results) -> dict[str, Drawn]:
    """Sparsity over training at both published widths."""
    ginis = [
        Line("gini_raw_weights", "Gini index of all weights", BLUE),
        Line("gini_by_basis[embedding,fourier]", "Gini index of the first layer's Fourier components", GREEN),
    ]
    hoyer, small = Line("hoyer_raw_weights", "Hoyer sparsity of all weights", ORANGE), "weight_share_below_1e_2"
    parts = {w: results[STUDY].where(model_widths=[w, w]) for w in SHOWN}
    panels = [Panel(f"width {w}", part, ginis, "Gini index") for w, part in parts.items()]
    panels += [Panel(f"width {w}", part, [hoyer], "Hoyer sparsity") for w, part in parts.items()]
    line = [Line(small, "share of all weights", RED)]
    shares = [Panel(f"width {w}", part, line, "share with |w| < 0.01") for w, part in parts.items()]
    return {
        "sparsity": Drawn(
            curves_figure(panels, "Sparsity without a threshold: addition mod 97, one-hot MLP, λ = 1", columns=2),
            "Gini index and Hoyer sparsity (0: all alike, 1: one holds everything), each line a seed. The rule "
            "compares memorising with generalising, at width 128.",
        ),
        "near-zero": Drawn(
            curves_figure(shares, "Near-zero weights, as published: addition mod 97, one-hot MLP, λ = 1", columns=2),
            "Share of weights below 0.01 in magnitude, each line a seed. The rule compares memorising with "
            "generalising, at width 128.",
        ),
    }


CLAIM = Claim(
    id="B4",
    title="sparsity does not increase: weights shrink uniformly",
    statement="Weights shrink uniformly while a network groks; the share of near-zero weights stays about the same.",
    source=SOURCE,
    published=PUBLISHED + " Sparsity: share of |w| < 0.01 over all weight matrices.",
    departures=DEPARTURES + " Width 128 decides, width 32 is shown beside it.",
    reads={
        STUDY: (
            "gini_raw_weights",
            "hoyer_raw_weights",
            "weight_share_below_1e_2",
            "weight_share_below_1e_3",
            "gini_by_basis",
            "weight_norm_sq",
            "weight_quantile_by_mean",
        )
    },
    rule=(
        "Width 128, from the first step with training accuracy ≥ 0.99 to generalising (test accuracy ≥ 0.95). "
        f"Observation: the share of |w| < 0.01 is stable where it changes by less than a factor {STABLE} (whole 95 % "
        "interval of the geometric mean over seeds: supported), refuted where it lies wholly outside, else open. "
        "Interpretation, uniform shrinkage: no index without a scale can change then. Supported where the Gini index "
        "of "
        f"the raw weights changes by less than {EVEN} (whole interval), refuted where it lies wholly outside, else "
        "open."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "open, refuted": "At width 128 Σw² falls to {norm_128} of what it was, and not all alike: an index without a "
        "scale moves. The Gini index changes by {gini_128_grokked} until generalising and by {gini_128_end} until "
        "the end. At width 32 it changes by {gini_32_grokked}, the other way: a narrow network spreads over all the "
        "weights it has. At both widths the first layer's *Fourier components* become sparser ({fourier_128_grokked} "
        "and {fourier_32_grokked}), while its entries do at one width and not at the other ({first_128_grokked} and "
        "{first_32_grokked}): whether grokking makes weights sparse depends on the basis and on the width. A share "
        "below a fixed threshold cannot tell: it moves when all weights shrink alike."
    },
    doubt="The index that decides pools all matrices, so that matrices which shrink evenly, each by its own factor, "
    "move it too; the first layer's own index changes by {first_128_grokked} at width 128, which alone would leave "
    "the interpretation open. The observation rests on a share below a fixed threshold, which cannot tell shrinking "
    "from thinning.",
    change="Other bounds: the rule's factor and margin are ours, the document gives none.",
)
