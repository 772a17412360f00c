"""How well the network answers: loss, accuracy, margins, logit scale."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.measures.probe import AT_ONCE, Probe
from latebloom.measures.record import Measure, Record, Values

PRECISION = (
    "all examples of the split, every answer alike where one example asks for several; float64 over every logit, exact "
    "for small losses too; with fresh examples at every step both parts are unseen"
)


def _records(part: str, word: str) -> tuple[Record, ...]:
    return (
        Record(
            f"{part}_loss",
            f"{word} loss",
            "mean over pairs of −log softmax(z)[c]",
            "nats",
            PRECISION,
            "Nanda et al. 2023 (arXiv 2301.05217)",
            better="lower",
        ),
        Record(
            f"{part}_accuracy",
            f"{word} accuracy",
            "share of pairs with z_c > z_j for every j ≠ c",
            "share",
            "a tie counts as wrong",
            "Power et al. 2022 (arXiv 2201.02177)",
            better="higher",
        ),
        Record(
            f"{part}_margin_mean",
            f"{word} margin, mean",
            "mean over pairs of z_c − max_{j≠c} z_j",
            "logits",
            "not divided by any norm",
            "Prieto et al. 2025 (arXiv 2501.04697)",
            better="higher",
        ),
        Record(
            f"{part}_margin_min",
            f"{word} margin, least",
            "min over pairs of z_c − max_{j≠c} z_j",
            "logits",
            "not divided by any norm",
            "Lyu et al. 2023 (arXiv 2311.18817)",
            better="higher",
        ),
    )


RECORDS = (
    *_records("train", "Training"),
    *_records("test", "Test"),
    Record(
        "test_accuracy_untransposed",
        "Test accuracy, no transposes",
        "test accuracy over pairs (a, b) whose transpose (b, a) is not a training pair",
        "share",
        "the same as test_accuracy where a∘b ≠ b∘a; of three operands, every order that never changes the answer",
        "commutativity leaks: raw test accuracy is above chance long before grokking (Nanda et al. 2023, fig. 13)",
        disputes="most papers report the raw accuracy; both are given here",
        better="higher",
    ),
    Record(
        "logit_scale",
        "Logit scale",
        "root mean square over pairs and classes of z less its mean over classes",
        "logits",
        "all pairs; centred, since a constant added to all logits changes nothing",
        "arXiv 2606.18465 (most of the effect of the weight norm goes through it)",
    ),
)


def _part(probe: Probe, name: str, index: Int[Tensor, " part"]) -> Values:
    margins = probe.margins[index]
    return {
        f"{name}_loss": probe.losses[index].mean().item(),
        f"{name}_accuracy": (margins > 0).double().mean().item(),
        f"{name}_margin_mean": margins.mean().item(),
        f"{name}_margin_min": margins.min().item(),
    }


def logit_scale(logits: Float[Tensor, "row class"]) -> float:
    """Root mean square of the logits, each row less its mean; float64, some rows at a time."""
    squares = [(z.double() - z.double().mean(dim=1, keepdim=True)).square().sum() for z in logits.split(AT_ONCE)]
    return (torch.stack(squares).sum() / logits.numel()).sqrt().item()


def _compute(probe: Probe) -> Values:
    subject = probe.subject
    untransposed = probe.margins[subject.untransposed_index]
    return {
        **_part(probe, "train", subject.train_index),
        **_part(probe, "test", subject.test_index),
        "test_accuracy_untransposed": (untransposed > 0).double().mean().item(),
        "logit_scale": logit_scale(probe.logits),
    }


FIT = Measure(
    "fit",
    "How well the network answers: loss, accuracy, margins, logit scale.",
    RECORDS,
    _compute,
    level="light",
    cost=0.2,
    several=True,
)
