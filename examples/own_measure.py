"""A measure of one's own in one file: how undecided the network is (Shannon 1948), on training and on test examples.

latebloom run --measures default,examples/own_measure.py:UNDECIDED
"""

from __future__ import annotations

import torch

from latebloom.measures import Measure, Probe, Record, Values


def undecided(probe: Probe) -> Values:
    """Mean entropy of the softmax over the answers, in nats: ln(classes) at a guess, 0 where the network is sure."""
    log_p = torch.log_softmax(probe.logits.double(), dim=1)
    entropy = -(log_p.exp() * log_p).sum(dim=1)
    subject = probe.subject
    parts = {"train": subject.train_index, "test": subject.test_index}
    return {f"undecided_{part}": entropy[index].mean().item() for part, index in parts.items()}


RECORDS = tuple(
    Record(
        f"undecided_{part}",
        f"Entropy of the answers, {word}",
        "mean over examples of −Σ_c p_c ln p_c, p = softmax(logits)",
        "nats",
        f"all {word} examples, in float64",
        "Shannon 1948",
    )
    for part, word in (("train", "training"), ("test", "test"))
)

UNDECIDED = Measure("undecided", "How undecided the network is between the answers.", RECORDS, undecided, cost=0.05)
