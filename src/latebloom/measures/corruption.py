"""What becomes of corrupted training labels: memorised, or answered as the task has it."""

from __future__ import annotations

from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values

SOURCE = "Doshi et al. 2023 (arXiv 2310.13061)"

RECORDS = (
    Record(
        "corrupted_accuracy",
        "Corrupted labels memorised",
        "share of the corrupted training pairs with z_c > z_j for every j ≠ c, c the corrupted label",
        "share",
        "corrupted training pairs; a tie counts as wrong",
        SOURCE,
    ),
    Record(
        "corrupted_accuracy_true",
        "Corrupted labels answered truly",
        "share of the corrupted training pairs with z_c > z_j for every j ≠ c, c the task's own label",
        "share",
        "corrupted training pairs; a tie counts as wrong; 1 with a low training accuracy is full inversion",
        SOURCE,
        better="higher",
    ),
)


def _compute(probe: Probe) -> Values:
    subject = probe.subject
    assert subject.corrupted_index is not None  # `missing` says so otherwise
    assert subject.true_labels is not None
    logits = probe.logits[subject.corrupted_index]
    truth = subject.true_labels[subject.corrupted_index]
    answer = logits.gather(1, truth[:, None]).squeeze(1)
    others = logits.scatter(1, truth[:, None], -float("inf")).max(dim=1).values
    return {
        "corrupted_accuracy": (probe.margins[subject.corrupted_index] > 0).double().mean().item(),
        "corrupted_accuracy_true": (answer > others).double().mean().item(),
    }


def _missing(subject: Subject) -> str:
    return "" if subject.corrupted_index is not None else "no training label was corrupted"


CORRUPTION = Measure(
    "corruption",
    "Whether corrupted training labels are memorised, or answered as the task has it.",
    RECORDS,
    _compute,
    _missing,
    level="light",
    cost=0.01,
)
