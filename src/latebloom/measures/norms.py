"""Sums of squared weights, in total and per tensor."""

from __future__ import annotations

import torch

from latebloom.measures.probe import Probe
from latebloom.measures.record import Measure, Record, Values, labelled

RECORDS = (
    Record(
        "weight_norm_sq",
        "Sum of squared weights, Σw²",
        "Σ over all parameters of w²",
        "1",
        "every parameter, biases included; summed in float64",
        "Nanda et al. 2023 (arXiv 2301.05217)",
        disputes="whether the norm causes grokking is disputed (Omnigrok, 2210.01117, yes; Kumar et al., 2310.06110, "
        "no): read it beside logit_scale",
    ),
    Record(
        "weight_norm_sq_by_tensor",
        "Σw² per tensor",
        "Σ w² over one tensor",
        "1",
        "by TransformerLens' names; summed in float64",
        "Nanda et al. 2023 (arXiv 2301.05217)",
        axes=("tensor",),
    ),
)


def _compute(probe: Probe) -> Values:
    names = list(probe.params)
    squares = torch.stack([probe.params[name].double().square().sum() for name in names])
    return {
        "weight_norm_sq": squares.sum().item(),
        "weight_norm_sq_by_tensor": labelled(squares, {"tensor": names}),
    }


NORMS = Measure(
    "norms",
    "Sums of squared weights, in total and per tensor.",
    RECORDS,
    _compute,
    level="light",
    cost=0.05,
    several=True,
)
