"""D2: smaller batches promote grokking; lower learning rates delay but improve it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from latebloom.claims.claim import Claim, Drawn, Judged, Judgement
from latebloom.claims.drawing import BLUE, LEARNT, ORANGE, Line, Panel, curves_figure
from latebloom.claims.evidence import Number, middle, ratio, share
from latebloom.claims.results import Part, Results
from latebloom.claims.statements.document_b import happened, last
from latebloom.claims.statements.document_d import LOOKED, NETWORK, SOURCE

STUDY = "batches-and-rates"
ARMS: Mapping[str, tuple[str, dict[str, Any]]] = {
    "b64": ("batch 64", {"batch": "64"}),
    "b192": ("batch 192", {"batch": "192"}),
    "full": ("full batch (576), rate 0.001", {"batch": "full", "optim_lr": 1e-3}),
    "slow": ("full batch, rate 0.0005", {"batch": "full", "optim_lr": 5e-4, "optim_weight_decay": 1.0}),
    "fast": ("full batch, rate 0.002", {"batch": "full", "optim_lr": 2e-3}),
    "slow_decayed": ("rate 0.0005, λ = 2", {"batch": "full", "optim_lr": 5e-4, "optim_weight_decay": 2.0}),
}
PAIRS = 576
SIZES = {"b64": 64, "b192": 192, "full": PAIRS}


def arm(part: Part, name: str) -> Part:
    """The runs of one batch size and learning rate; a batch size is text, since "full" is among its values."""
    return part.where(**ARMS[name][1])


def steps(part: Part, name: str) -> list[float]:
    """Steps of generalising by seed; a run that ends before counts as its last step, which is too few."""
    rows = arm(part, name).runs.sort("seed").iter_rows(named=True)
    return [float(row["last_step"] if row["grokked.step"] is None else row["grokked.step"]) for row in rows]


def epochs(part: Part, name: str) -> list[float]:
    """The same counted in passes over the training pairs."""
    return [step / -(-PAIRS // SIZES[name]) for step in steps(part, name)]


def final(part: Part, name: str) -> list[float]:
    """Test losses at the last step, by seed."""
    runs = sorted(arm(part, name).each(), key=lambda run: run[0]["seed"])
    return [last(curve, "test_loss") for _, curve in runs]


def judge(results: Results) -> Judgement:
    """Judges by the step of generalising at one batch size and learning rate over that at another."""
    part = results[STUDY]
    numbers: dict[str, Number] = {}
    for name, (words, _) in ARMS.items():
        numbers[f"grokked_{name}"] = share(f"generalised, {words}", happened(arm(part, name).runs, "grokked"))
        numbers[f"step_{name}"] = middle(f"step of generalising, {words}, median", steps(part, name), ",.0f")
    clocks = {"steps": steps, "epochs": epochs}
    for clock, of in clocks.items():
        about = f"{clock} of generalising, batch 64 over full batch"
        numbers[f"batch_{clock}"] = ratio(about, of(part, "b64"), of(part, "full"), ".2f")
    slow, fast = steps(part, "slow"), steps(part, "fast")
    numbers["delay"] = ratio("steps of generalising, rate 0.0005 over rate 0.002", slow, fast, ".2f")
    decayed = steps(part, "slow_decayed")
    numbers["decayed"] = ratio(
        "the same at rate 0.0005 with λ = 2 over rate 0.001 with λ = 1", decayed, steps(part, "full"), ".2f"
    )
    numbers["better"] = ratio(
        "test loss at the last step, rate 0.0005 over rate 0.002", final(part, "slow"), final(part, "fast")
    )
    return Judgement(_observation(numbers), _interpretation(numbers["better"]), numbers)


def _observation(numbers: dict[str, Number]) -> Judged:
    told = (
        "with a batch of 64 generalising takes {batch_steps} times the steps and {batch_epochs} times the epochs of "
        "the full batch; with a quarter of the learning rate {delay} times the steps."
    )
    smaller, delay = numbers["batch_steps"], numbers["delay"]
    if smaller.below(1) and delay.above(1):
        return Judged("supported", told)
    return Judged("refuted" if smaller.above(1) and delay.below(1) else "mixed", told)


def _interpretation(better: Number) -> Judged:
    told = "after equally many steps the test loss is {better} times that at the higher rate."
    return Judged("supported" if better.below(1) else "refuted" if better.above(1) else "open", told)


def figures(results: Results) -> dict[str, Drawn]:
    """Accuracies, a panel for each batch size and learning rate."""
    lines = [Line("train_accuracy", "training accuracy", ORANGE), Line("test_accuracy", "test accuracy", BLUE)]
    panels = [
        Panel(words, arm(results[STUDY], name), lines, "accuracy", bounds=LEARNT) for name, (words, _) in ARMS.items()
    ]
    title = "Batch size and learning rate: addition mod 31, MLP, AdamW; rate 0.001 and λ = 1 where nothing else is said"
    caption = (
        "Accuracy over training by batch size and learning rate, each line a seed, to step 4000; full is a batch of "
        "all 576 training pairs."
    )
    return {"batches-and-rates": Drawn(curves_figure(panels, title), caption)}


CLAIM = Claim(
    id="D2",
    title="smaller batches promote grokking; lower learning rates delay but improve it",
    statement="Smaller batches promote grokking; lower learning rates delay but improve it.",
    source=SOURCE,
    published="No experiment is given.",
    departures=NETWORK + " Batches of 64, 192 and all 576 pairs, learning rates of 0.0005, 0.001 and 0.002, and "
    "0.0005 with λ = 2, which decays as fast as 0.001 with λ = 1; 4000 steps. " + LOOKED + " One of them showed that "
    "batches of 64 and 256 generalise after the full batch, at steps 5060, 4000 and 2100.",
    reads={STUDY: ()},
    rule=(
        "Each run's step of generalising (test accuracy ≥ 0.95, sustained); one that has not counts as its last "
        "step. Ratios are geometric means over seeds, with 95 % intervals. Observation: batches of 64 generalise in "
        "fewer steps than the full batch, which gives them a ninth of the data, and a rate of 0.0005 takes more "
        "steps than 0.002: both intervals on the claimed side of 1 supported, both on the other refuted, else mixed. "
        "Interpretation, that a lower rate improves it: the test loss after 4000 steps is lower at 0.0005 than at "
        "0.002 (supported), higher (refuted), else open."
    ),
    judge=judge,
    figures=figures,
    discussion={
        "mixed, refuted": "Half of it is the opposite of what is said: counted in steps, smaller batches come later "
        "({grokked_b64} of the runs with a batch of 64 generalise within 4000 steps, {grokked_full} with the full "
        "batch). Since runs that had not ended count as their last step, the true ratio is {batch_steps} or more. "
        "Counted in passes over the data it is open: these runs ended after a ninth of the passes that the full "
        "batch had, and the one longer run, of another seed, needed fewer. A lower rate does delay, and more than by "
        "its weaker decay per step: with λ doubled to make up for it {grokked_slow_decayed} of the runs generalise "
        "in 4000 steps."
    },
    doubt="The rule compares test losses after equally many steps, when the slow runs have not generalised yet. That "
    "a lower rate ends better once it has generalised is neither shown nor excluded.",
    change="Runs so long that every cell has generalised, with the test loss compared equally long after that. A "
    "network or optimiser in which the noise of small batches helps; a comparison at each one's own best weight "
    "decay.",
)
