"""How far two gradient steps are from commuting."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from latebloom.axes import Grads, Params
from latebloom.measures.gradient_noise import in_float64, sample_of
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values
from latebloom.tasks import Examples

BATCH, DRAWS, RATE, FLOOR = 512, 9, 1e-3, 1e-12
BATCHES = (
    f"batches A and B of {BATCH} training examples (half of them, where there are fewer than {2 * BATCH}), each drawn "
    f"without replacement by a fixed key, so the same at every step; median of {DRAWS} pairs; one step of plain "
    f"gradient descent with η = {RATE:g} on the training loss, decay left out, every parameter"
)
SOURCE = "Xu 2026 (arXiv 2602.16746) and their code"

RECORDS = (
    Record(
        "commutator_defect",
        "Commutator defect",
        "‖θ_AB − θ_BA‖ / (‖ηg_A‖ ‖ηg_B‖)",
        "1",
        f"float64, θ cancelled before rounding, nothing added to the denominator; {BATCHES}",
        SOURCE,
        disputes="they draw batches afresh at every step, in float32 and with 1e-12 added below: "
        "commutator_defect_float32 keeps the last two",
    ),
    Record(
        "commutator_defect_float32",
        "Commutator defect as published (float32)",
        "‖θ_AB − θ_BA‖ / (‖ηg_A‖ ‖ηg_B‖ + 1e-12)",
        "1",
        f"θ_AB and θ_BA rounded to float32 before they are subtracted, as in their code: a floor of rounding, which "
        f"grows as the gradient vanishes; {BATCHES}",
        SOURCE,
        disputes="where it leaves commutator_defect, it measures float32",
    ),
    Record(
        "commutator_gradient_cosine",
        "Cosine of the gradients of two batches",
        "g_A·g_B / (‖g_A‖ ‖g_B‖)",
        "1",
        f"float64; {BATCHES}",
        SOURCE,
    ),
)

Loss = Callable[[Params], Tensor]


@dataclass(frozen=True)
class Commutator:
    """One pair of batches; NaN where a gradient is 0.

    Attributes:
        defect: ‖θ_AB − θ_BA‖ / (‖ηg_A‖‖ηg_B‖), which tends to ‖H_B g_A − H_A g_B‖ / (‖g_A‖‖g_B‖) as η → 0.
        cosine: of the two gradients.
    """

    defect: float
    cosine: float


def commutator(params: Params, loss_a: Loss, loss_b: Loss, rate: float = RATE) -> Commutator:
    """The defect in the precision of the parameters, θ_AB − θ_BA = η((g_A(θ_B) − g_A) − (g_B(θ_A) − g_B)).

    Here θ_A = θ − ηg_A; θ itself cancels, so that its rounding does not hide a small difference.
    Source: Xu 2026 (arXiv 2602.16746).
    """
    a, b = _gradient(loss_a, params), _gradient(loss_b, params)
    a_after_b = _gradient(loss_a, _stepped(params, b, rate))
    b_after_a = _gradient(loss_b, _stepped(params, a, rate))
    gap = {k: rate * ((a_after_b[k] - a[k]) - (b_after_a[k] - b[k])) for k in params}
    scale = _norm(a) * _norm(b)
    if not scale > 0:
        return Commutator(math.nan, math.nan)
    inner = sum(float((a[k].double() * b[k].double()).sum()) for k in params)
    return Commutator(_norm(gap) / (rate * rate * scale), inner / scale)


def published_defect(params: Params, loss_a: Loss, loss_b: Loss, rate: float = RATE) -> float:
    """The defect as the authors' code has it: both end points rounded to float32, and 1e-12 added below."""
    params = {name: tensor.float() for name, tensor in params.items()}
    a, b = _gradient(loss_a, params), _gradient(loss_b, params)
    ends = []
    for first, second in ((a, loss_b), (b, loss_a)):
        middle = _stepped(params, first, rate)
        ends.append(_stepped(middle, _gradient(second, middle), rate))
    gap = {name: ends[0][name] - ends[1][name] for name in params}
    return _norm(gap) / (rate * rate * _norm(a) * _norm(b) + FLOOR)


def _gradient(loss: Loss, params: Params) -> Grads:
    free = {name: tensor.detach().clone().requires_grad_() for name, tensor in params.items()}
    with torch.enable_grad():
        grads = torch.autograd.grad(loss(free), list(free.values()), materialize_grads=True)
    return dict(zip(free, grads, strict=True))


def _stepped(params: Params, grads: Grads, rate: float) -> Params:
    return {name: tensor - rate * grads[name] for name, tensor in params.items()}


def _norm(vectors: Grads) -> float:
    return math.sqrt(sum(float(vector.double().square().sum()) for vector in vectors.values()))


def _batch_loss(probe: Probe, batch: Examples) -> Loss:
    return lambda params: probe.loss(params, batch)


def _median(values: list[float]) -> float:
    """NaN where one is NaN, which Python's own median is not."""
    return float(torch.tensor(values, dtype=torch.float64).median())


def _compute(probe: Probe) -> Values:
    train = probe.subject.train
    size = max(1, min(BATCH, len(train) // 2))
    wide = in_float64(probe.params)
    exact, rounded = [], []
    for draw in range(DRAWS):
        loss_a, loss_b = (_batch_loss(probe, sample_of(train, size, f"commutator/{draw}/{name}")) for name in "AB")
        exact.append(commutator(wide, loss_a, loss_b))
        rounded.append(published_defect(probe.params, loss_a, loss_b))
    return {
        "commutator_defect": _median([found.defect for found in exact]),
        "commutator_defect_float32": _median(rounded),
        "commutator_gradient_cosine": _median([found.cosine for found in exact]),
    }


def _missing(subject: Subject) -> str:
    if subject.loss is None:
        return "the training loss is not known"
    return "" if len(subject.train_index) > 1 else "there is only one training example"


COMMUTATOR = Measure(
    "commutator", "How far two gradient steps are from commuting.", RECORDS, _compute, _missing, level="all", cost=48.0
)
