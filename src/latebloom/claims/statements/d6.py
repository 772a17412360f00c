"""D6: sparse sub-networks enable grokking."""

from __future__ import annotations

import math
from collections.abc import Sequence

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, LEARNT, ORANGE, Line, Panel, curves_figure
from latebloom.claims.evidence import Number, middle, ratio, share
from latebloom.claims.results import Part, Results
from latebloom.claims.statements.document_b import happened, steps_by_seed
from latebloom.claims.statements.document_d import SOURCE

WHOLE, FORKS = "tickets", "ticket-forks"
CONTROLS = {
    "norm": "no mask, the ticket's norm",
    "random": "random mask, as dense as the ticket",
    "memorised": "mask of the memorised network",
}
NAMES = {"whole": "the whole network", "ticket": "ticket: mask of step 8000"} | CONTROLS


def network(results: Results, name: str) -> Part:
    """The runs of one kind of network, one a seed."""
    return results[WHOLE] if name == "whole" else results[FORKS].where(change=name)


def times(part: Part, seeds: Sequence[int]) -> list[float]:
    """Steps to generalise by seed: the last step where a run has not, NaN where there is no run."""
    found = {
        row["seed"]: float(row["last_step"] if row["grokked.step"] is None else row["grokked.step"])
        for row in part.runs.iter_rows(named=True)
    }
    return [found.get(seed, math.nan) for seed in seeds]


def judge(results: Results) -> Judgement:
    """Judges by the steps to generalise of tickets over those of whole networks and of controls."""
    numbers: dict[str, Number] = {}
    seeds = results[WHOLE].runs["seed"].to_list()
    steps = {name: times(network(results, name), seeds) for name in NAMES}
    for name, words in NAMES.items():
        part = network(results, name)
        numbers[f"share_{name}"] = share(f"generalised: {words}", happened(part.runs, "grokked"))
        numbers[f"memorised_{name}"] = middle(
            f"step of memorising, median: {words}", steps_by_seed(part.runs, "memorised"), ",.0f"
        )
        numbers[f"step_{name}"] = middle(f"step of generalising or last step, median: {words}", steps[name], ",.0f")
    for name in ("whole", *CONTROLS):
        about = f"steps to generalise of the ticket over those of: {NAMES[name]}"
        numbers[f"over_{name}"] = ratio(about, steps["ticket"], steps[name], ".2f")
    return Judgement(_observation(numbers), _interpretation(numbers), numbers)


def _observation(numbers: dict[str, Number]) -> Judged:
    found = numbers["over_whole"]
    told = "a ticket generalises in {over_whole} times the steps of the whole network, in {share_ticket} of the runs."
    return Judged("supported" if found.below(1) else "refuted" if found.above(1) else "mixed", told)


def _interpretation(numbers: dict[str, Number]) -> Judged:
    found = [numbers[f"over_{name}"] for name in CONTROLS]
    told = (
        "it takes {over_norm} times the steps of a whole network at its norm, {over_random} times those of a random "
        "mask as dense, {over_memorised} times those of a mask from the memorised network."
    )
    if all(one.below(1) for one in found):
        return Judged("supported", told)
    return Judged("refuted" if any(one.above(1) for one in found) else "mixed", told)


def figures(results: Results) -> dict[str, Drawn]:
    """Accuracies, a panel a kind of network."""
    lines = [Line("train_accuracy", "training accuracy", ORANGE), Line("test_accuracy", "test accuracy", BLUE)]
    panels = [Panel(words, network(results, name), lines, "accuracy", bounds=LEARNT) for name, words in NAMES.items()]
    title = "Lottery tickets (the initial weights that a mask keeps) and controls: addition mod 67, MLP, λ = 1"
    caption = (
        "Accuracy over training, each line a seed. A ticket is the initial weights without those that are not among "
        "the largest 40 % of the whole network at step 8000; its controls are all initial weights at its norm, a "
        "random mask, and one of the network when it has memorised. A network that sums embeddings answers the "
        "transposes of its training pairs, which alone is a test accuracy of .4."
    )
    return {"tickets": Drawn(curves_figure(panels, title, columns=3), caption)}


CLAIM = Claim(
    id="D6",
    title="sparse sub-networks enable grokking",
    statement="Sparse sub-networks (lottery tickets) enable grokking.",
    source=SOURCE,
    published="No experiment is given; the one that the field has is Minegishi et al. 2023 (arXiv 2310.19470): the "
    "weights that are large in a network that has generalised, at their initial values, generalise without delay; a "
    "whole network of the same norm, random masks and masks of memorised networks do not. Their code: addition mod "
    "67, 40 % of the unordered pairs, MLP 67 → 500 (summed over operands) → 48 ReLUs → 500 → 67 without biases, "
    "AdamW with a rate of 1e-3 and λ = 1; the largest 40 % of all weights are kept; neurons that lose all inputs get "
    "them back.",
    departures="48 ReLUs → 67 in one map instead of two; 40 % of the ordered pairs, which are 64 % of the unordered "
    "ones; no neuron is brought back; initial weights N(0, 1/fan-in). The mask is that of step 8000, and all "
    "networks are trained for 8000 steps from step 0. Before the rule was written, seed 99, which is not among those "
    "that decide, was looked at: with 22.5 % of the pairs the whole network had not generalised by step 12 000, with "
    "30 % not by 8000, with 40 % at 5040, its ticket at 680, the control of equal norm at 3260, a random mask not at "
    "all. An earlier study of tickets in a narrower network with biases found no gain (docs/surgery-results.md, "
    "Tickets).",
    reads={WHOLE: (), FORKS: ()},
    forks={FORKS: WHOLE},
    rule=(
        "Compared are steps to generalise (test accuracy ≥ 0.95, sustained), run by run of the same seed; a run that "
        "has not generalised counts with its last step. Observation, a ticket generalises sooner than the whole "
        "network: supported if the 95 % interval of the ratio lies below 1; refuted if it lies above 1; else mixed. "
        "Interpretation, it is the sub-network, and neither its norm, nor its density, nor any mask of a trained "
        "network: supported if the intervals of the ticket's steps over those of all three controls lie below 1; "
        "refuted if one of them lies above 1; else mixed."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "supported, supported": "The published result is met: with the mask of the end a network learns the test "
        "pairs while it memorises, and the plateau of the whole network is gone. Σw² alone changes nothing here: the "
        "whole network at the ticket's norm generalises at step {step_norm}, the untouched one at {step_whole}. "
        "Masks as dense that are random, or those of the memorised network, are worse than none: they memorise later "
        '(steps {memorised_random} and {memorised_memorised}) and do not generalise within 8000 steps. "Enable" '
        "says more than is seen: the whole network generalises too, and a ticket is only had by letting it do so "
        "first."
    },
    change="Other networks, tasks and shares that are kept; tickets that are found without training to the end first.",
)
