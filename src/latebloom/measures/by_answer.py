"""How well each of several answers is given: the digits of a sum are learnt one after the other."""

from __future__ import annotations

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values, labelled

SOURCE = "Nanda et al. 2023 (arXiv 2301.05217), per-token loss of 5-digit addition"

RECORDS = (
    Record(
        "train_loss_by_answer",
        "Training loss by answer",
        "mean over examples of −log softmax(z)[c], for each answer of an example",
        "nats",
        "training examples; answers counted from 1 in the order in which they are read; float64",
        SOURCE,
        better="lower",
        axes=("answer",),
    ),
    Record(
        "test_loss_by_answer",
        "Test loss by answer",
        "mean over examples of −log softmax(z)[c], for each answer of an example",
        "nats",
        "test examples; answers counted from 1 in the order in which they are read; float64",
        SOURCE,
        better="lower",
        axes=("answer",),
    ),
    Record(
        "test_accuracy_by_answer",
        "Test accuracy by answer",
        "share of examples with z_c > z_j for every j ≠ c, for each answer of an example",
        "share",
        "test examples; given the right answers before it, not the network's own; a tie counts as wrong",
        SOURCE,
        better="higher",
        axes=("answer",),
    ),
    Record(
        "test_accuracy_whole",
        "Test accuracy, whole examples",
        "share of examples all of whose answers have z_c > z_j for every j ≠ c",
        "share",
        "test examples; a tie counts as wrong",
        SOURCE,
        better="higher",
    ),
)


def _by_answer(values: Shaped[Tensor, "part answer"]) -> Float[Tensor, " answer"]:
    return values.double().mean(dim=0)


def _compute(probe: Probe) -> Values:
    subject = probe.subject
    axes = {"answer": list(range(1, subject.answers + 1))}
    right = probe.margins[subject.test_index] > 0
    return {
        "train_loss_by_answer": labelled(_by_answer(probe.losses[subject.train_index]), axes),
        "test_loss_by_answer": labelled(_by_answer(probe.losses[subject.test_index]), axes),
        "test_accuracy_by_answer": labelled(_by_answer(right), axes),
        "test_accuracy_whole": torch.all(right, dim=1).double().mean().item(),
    }


def _missing(subject: Subject) -> str:
    return "" if subject.answers > 1 else "the task asks for one answer an example"


BY_ANSWER = Measure(
    "by-answer",
    "How well each of several answers is given, such as the digits of a sum.",
    RECORDS,
    _compute,
    _missing,
    level="light",
    cost=0.05,
    several=True,
)
