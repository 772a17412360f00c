"""Where floating-point numbers end: softmax collapse, the loss's floor, Adam's ε.

The judge of a softmax's collapse is the operation that training uses: log p of the most likely class is exactly 0 if
and only if Σ_j e^(z_j − z_max) came out as exactly 1. Whether many tiny terms add up to something depends on the order
of summation, so that a sum of one's own would answer another question.
"""

from __future__ import annotations

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from latebloom.measures.probe import Probe, Subject, Update
from latebloom.measures.record import Measure, Record, Values

PRIETO = "Prieto et al. 2025 (arXiv 2501.04697)"
ADAM = "Kingma & Ba 2014 (arXiv 1412.6980); Thilak et al. 2022 (arXiv 2206.04817) on the part ε plays"
OTHER_LOSS = "about the softmax of the logits, also where the training loss is another one"


def _collapse(part: str, word: str) -> tuple[Record, ...]:
    return (
        Record(
            f"{part}_softmax_collapse_float32",
            f"{word} softmax collapse, float32",
            "share of examples with Σ_j e^(z_j − z_max) = 1 exactly",
            "share",
            "logits and log-softmax in float32, whatever the loss uses; judged by PyTorch's own log-softmax",
            PRIETO,
            disputes=OTHER_LOSS,
        ),
        Record(
            f"{part}_softmax_collapse",
            f"{word} softmax collapse",
            "share of examples with Σ_j e^(z_j − z_max) = 1 exactly",
            "share",
            "log-softmax in the precision of the training loss (a spec's default is float64); NaN where it is not "
            "known; judged by PyTorch's own log-softmax",
            PRIETO,
            disputes=OTHER_LOSS,
        ),
    )


RECORDS = (
    *_collapse("train", "Training"),
    *_collapse("test", "Test"),
    Record(
        "loss_floor",
        "Smallest loss but 0",
        "ln(1 + ε), ε = the distance from 1 to the next number",
        "nats",
        "of one example's cross-entropy whose answer is the most likely class, in the precision of the training loss: "
        "1.2e-7 in float32, 2.2e-16 in float64; NaN where the precision is not known",
        f"follows from the arithmetic; {PRIETO}",
    ),
    Record(
        "train_share_below_floor",
        "Training examples below the floor",
        "share of training examples whose cross-entropy is below loss_floor",
        "share",
        "cross-entropy in float64, exact however small; NaN where the precision of the loss is not known",
        f"follows from the arithmetic; {PRIETO}",
    ),
    Record(
        "train_share_zero_loss",
        "Training examples of loss 0",
        "share of training examples whose cross-entropy is exactly 0",
        "share",
        "as PyTorch's log-softmax gives it in the precision of the training loss; a loss between half the floor and "
        "the floor is rounded up to it; NaN where the precision is not known",
        PRIETO,
    ),
)
EPSILON = (
    Record(
        "adam_epsilon_share",
        "Weights where Adam's ε dominates",
        "share of coordinates with √v̂ < ε, v̂ = v/(1 − β₂^t)",
        "share",
        "bias-corrected second moment after the update, compared in float64; coordinates that have a second moment; "
        "NaN where the optimiser has no v, ε and β₂",
        ADAM,
    ),
)


def log_probabilities(
    logits: Float[Tensor, "batch class"], labels: Int[Tensor, " batch"], dtype: torch.dtype
) -> tuple[Float[Tensor, " batch"], Float[Tensor, " batch"]]:
    """The most likely class's and the right class's log-probability, in a precision, by PyTorch's log-softmax."""
    log_p = torch.log_softmax(logits.to(dtype), dim=1)
    return log_p.amax(dim=1), log_p.gather(1, labels[:, None]).squeeze(1)


def softmax_collapsed(logits: Float[Tensor, "batch class"], dtype: torch.dtype) -> Bool[Tensor, " batch"]:
    """Whether Σ_j e^(z_j − z_max) is exactly 1 in a precision: nothing is left of the other classes.

    Source: Prieto et al. 2025, arXiv 2501.04697.

    >>> softmax_collapsed(torch.tensor([[0.0, -15.0], [0.0, -17.0]]), torch.float32).tolist()
    [False, True]
    """
    return torch.log_softmax(logits.to(dtype), dim=1).amax(dim=1) == 0


def loss_floor(dtype: torch.dtype) -> float:
    """The smallest cross-entropy above 0 of an example whose answer is the most likely class, in a precision.

    >>> round(loss_floor(torch.float32) * 1e7, 3)
    1.192
    """
    return math.log1p(torch.finfo(dtype).eps)


def epsilon_share(second_moments: dict[str, Tensor], beta2: float, count: float, epsilon: float) -> float:
    """The share of coordinates with √(v/(1 − β₂^count)) < ε, in float64; NaN where there are none.

    Args:
        second_moments: Adam's v by tensor.
        beta2: the decay of v.
        count: the updates that v has seen, at least 1.
        epsilon: the ε beside √v̂.
    """
    bound = epsilon * math.sqrt(-math.expm1(count * math.log(beta2)) if beta2 > 0 else 1)
    small = sum(int((v.double().sqrt() < bound).sum()) for v in second_moments.values())
    total = sum(v.numel() for v in second_moments.values())
    return small / total if total else math.nan


def loss_precision(subject: Subject) -> torch.dtype | None:
    """The precision of the training loss: that of the scalar it gives; None where the loss is not known."""
    if subject.loss is None:
        return None
    labels = subject.examples.labels[:1]
    return subject.loss(torch.zeros(1, int(labels.max()) + 2, device=labels.device), labels).dtype


def _compute(probe: Probe) -> Values:
    subject, own = probe.subject, loss_precision(probe.subject)
    parts = {"train": subject.train_index, "test": subject.test_index}
    collapsed = {torch.float32: softmax_collapsed(probe.logits, torch.float32)}
    values: Values = dict.fromkeys((record.name for record in RECORDS), math.nan)
    if own is not None:
        top, right = log_probabilities(probe.logits, subject.examples.labels, own)
        collapsed[own] = top == 0
        below = probe.losses[subject.train_index] < loss_floor(own)
        values["loss_floor"] = loss_floor(own)
        values["train_share_below_floor"] = below.double().mean().item()
        values["train_share_zero_loss"] = (right[subject.train_index] == 0).double().mean().item()
    for part, index in parts.items():
        values[f"{part}_softmax_collapse_float32"] = collapsed[torch.float32][index].double().mean().item()
        if own is not None:
            values[f"{part}_softmax_collapse"] = collapsed[own][index].double().mean().item()
    return values


def _compute_epsilon(probe: Probe) -> Values:
    return {"adam_epsilon_share": math.nan if probe.update is None else _epsilon_share_of(probe.update)}


def _epsilon_share_of(update: Update) -> float:
    moments, count = update.optim.get("v"), update.optim.get("count")
    known = {"beta2", "eps"} <= update.hyper.keys()
    if not isinstance(moments, dict) or count is None or not known:
        return math.nan
    return epsilon_share(moments, update.hyper["beta2"], float(count), update.hyper["eps"])


NUMERICS = Measure(
    "numerics",
    "Where the loss ends in floating point: softmax collapse, and examples at the loss's floor.",
    RECORDS,
    _compute,
    cost=0.45,
)
ADAM_EPSILON = Measure(
    "adam-epsilon",
    "For how many weights Adam's ε outweighs the gradient's size.",
    EPSILON,
    _compute_epsilon,
    cost=0.05,
    needs_update=True,
    several=True,
)
