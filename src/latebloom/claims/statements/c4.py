"""C4: grokking occurs for other architectures, primes and data fractions, and not where much data is given."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.evidence import Number, middle, share
from latebloom.claims.points import Group, points_figure
from latebloom.claims.results import Part, Results
from latebloom.claims.statements import c1, c3
from latebloom.claims.statements.document_a import STUDY as CLEANUP
from latebloom.claims.statements.document_c import MAINLINE, SOURCE
from latebloom.claims.statements.document_d import LATE, LOOKED, late_of

STUDY, WIDTHS = "primes-and-fractions", "widths"
MOST, FEW = 0.8, 0.2


def _data(p: int, fraction: float) -> Callable[[Results], Part]:
    return lambda results: results[STUDY].where(task_p=p, split_fraction=fraction)


CELLS: dict[str, tuple[str, str, Callable[[Results], Part]]] = {
    "transformer": ("transformer, p = 113, 30 %", "network", lambda r: r[c1.STUDY]),
    "concatenated": ("MLP, two embeddings, p = 97, 30 %", "network", lambda r: r[CLEANUP]),
    "one_hot": ("MLP, one-hot, p = 97, 50 %", "network", lambda r: r[WIDTHS].where(model_widths=[128, 128])),
    "summed": ("MLP, one embedding, p = 59, 45 %", "network", lambda r: r[c3.STUDY].where(optim_weight_decay=1.0)),
    "p23": ("small MLP, p = 23, 60 %", "prime", _data(23, 0.6)),
    "p31": ("small MLP, p = 31, 60 %", "prime", _data(31, 0.6)),
    "p41": ("small MLP, p = 41, 60 %", "prime", _data(41, 0.6)),
    "little": ("small MLP, p = 31, 20 %", "little", _data(31, 0.2)),
    "much": ("small MLP, p = 31, 95 %", "much", _data(31, 0.95)),
}
"""Every cell: what it is, which part of the claim it tests, and its runs."""


def judge(results: Results) -> Judgement:
    """Judges by the share of runs that generalise late."""
    numbers: dict[str, Number] = {}
    for name, (words, _, of) in CELLS.items():
        numbers[name] = share(f"generalised late: {words}", late_of(of(results)))
        numbers[f"delay_{name}"] = middle(
            f"step of generalising over that of memorising, median: {words}", delays(of(results)), ".1f"
        )
    return Judgement(_observation(numbers), _interpretation(numbers["much"]), numbers)


def delays(part: Part) -> list[float]:
    """Steps of generalising over steps of memorising, of the runs that did both."""
    steps = zip(part.runs["grokked.step"], part.runs["memorised.step"], strict=True)
    return [grokked / memorised for grokked, memorised in steps if grokked is not None and memorised]


def _observation(numbers: dict[str, Number]) -> Judged:
    asked = [name for name, (_, kind, _) in CELLS.items() if kind in ("network", "prime")]
    told = (
        "late generalising in {transformer} of the transformers, {concatenated}, {one_hot} and {summed} of three "
        "kinds of MLP, and {p23}, {p31} and {p41} of small ones at p = 23, 31 and 41."
    )
    values = [numbers[name].value for name in asked]
    if min(values) >= MOST:
        return Judged("supported", told)
    return Judged("refuted" if max(values) <= FEW else "mixed", told)


def _interpretation(much: Number) -> Judged:
    told = "with 95 % of the pairs {much} of the runs generalise late, with 20 % {little}."
    return Judged("supported" if much.value <= FEW else "refuted" if much.value >= MOST else "mixed", told)


def figures(results: Results) -> dict[str, Drawn]:
    """How late every run generalises, by cell."""
    groups = []
    for words, _, of in CELLS.values():
        part, found = of(results), delays(of(results))
        name = f"{words.replace(', ', chr(10))}\n{len(found)} of {part.runs.height}"
        groups.append(Group(name, found, _least(part)))
    y = "generalised ÷ memorised, steps"
    title = "How late do networks generalise? Addition mod p, AdamW, λ = 1"
    bounds = ((1.0, "1: at the same time"), (LATE, f"{LATE:g}: from here on it counts as late"))
    x = "network, prime, share of the pairs that is trained on; how many runs memorised and generalised"
    figure = points_figure(groups, y, title, bounds, log_y=True, x=x)
    caption = (
        "Each point a run that memorised (training accuracy ≥ 0.99) and generalised (test accuracy ≥ 0.95); each "
        "triangle one that had not generalised by its last step, which is taken for the step of generalising."
    )
    return {"delays": Drawn(figure, caption)}


def _least(part: Part) -> list[float]:
    """The last step over that of memorising, of the runs that memorised and had not generalised by then."""
    runs = part.runs.filter(pl.col("grokked.step").is_null() & pl.col("memorised.step").is_not_null())
    return (runs["last_step"] / runs["memorised.step"]).to_list()


CLAIM = Claim(
    id="C4",
    title="grokking occurs in other architectures, primes and fractions, and not with much data",
    statement="Grokking occurs for other architectures, primes and data fractions, and does not where much data is "
    "given.",
    source=SOURCE,
    published=MAINLINE + " P = 53, 109, 401; two layers; fractions from 0.1 to 0.95: 10 and 20 % do not generalise "
    "within 40 000 epochs, 60 % and more at once.",
    departures="Four networks of other claims (C1, A1, B3, C3; what B3's do was known) and a small MLP (summed "
    "embeddings of 32, one hidden layer of 64 ReLUs, AdamW, λ = 1, 3000 steps at most) at p = 23, 31 and 41 with 60 "
    "% of the pairs, at p = 31 with 20 and 95 %. " + LOOKED,
    reads={c1.STUDY: (), CLEANUP: (), WIDTHS: (), c3.STUDY: (), STUDY: ()},
    rule=(
        "A run generalises late if it memorises (training accuracy ≥ 0.99) and its test accuracy is ≥ 0.95, both "
        f"sustained, after {LATE:g} times as many steps or more. Observation: late in {MOST:.0%} or more of the runs "
        f"of each of the four networks and three primes supported, in {FEW:.0%} or fewer of each refuted, else mixed. "
        f"Interpretation, that much data takes the delay away: with 95 % of the pairs {FEW:.0%} or fewer late "
        f"supported, {MOST:.0%} or more refuted, else mixed. With 20 % the share is told and decides nothing: those "
        "runs are censored."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "mixed, supported": "All four networks of the other claims generalise late, from {delay_summed} to "
        "{delay_transformer} times as late as they memorise. What keeps the verdict from being supported are the "
        "small networks at small primes: {p23}, {p31} and {p41} of them are late by their last step, and most others "
        "have not generalised by then, so that they are censored and no counterexample. With 95 % of the pairs they "
        "generalise {delay_much} times as late as they memorise: little is left to be delayed, as published."
    },
    change="A network or prime that generalises at once at a fraction at which these are late.",
)
