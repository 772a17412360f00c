"""The last update: how large, how much of it is decay, and whether it only scales the weights up."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latebloom.axes import Grads, Params
from latebloom.measures.probe import Probe, Update
from latebloom.measures.record import Measure, Record, Values
from latebloom.tasks import Examples

PRIETO = "Prieto et al. 2025 (arXiv 2501.04697): approaches 1 where the loss falls by scaling alone"
OVER = "all parameters as one vector, biases included; products and norms in float64"
ROUNDING = (
    "the differences are exact in float64, but each new weight was rounded to the weights' precision: in float32 by up "
    "to 6e-8 of the weight, against ηλ of it for decoupled decay"
)
SIZE = (
    Record(
        "update_norm",
        "Norm of the update, ‖Δθ‖",
        "‖θ_t − θ_(t−1)‖",
        "1",
        f"{OVER}; as the weights moved, decay, schedule and constraints included; {ROUNDING}",
        "ordinary definition",
    ),
    Record(
        "update_relative",
        "Relative update, ‖Δθ‖/‖θ‖",
        "‖θ_t − θ_(t−1)‖ / ‖θ_(t−1)‖",
        "1",
        f"{OVER}; {ROUNDING}",
        "ordinary definition",
    ),
)
PARTS = (
    Record(
        "update_decay_norm",
        "Norm of the update's decay part",
        "‖D‖, D = the update less the same update with λ = 0",
        "1",
        f"{OVER}; both taken with the plain loss gradient on the update's examples and the same optimiser state; with "
        f"coupled decay only this step's share, not what earlier steps left in the moments; {ROUNDING}",
        "decomposition Δθ = gradient part + decay part",
        disputes="coupled decay (L2 in the loss) has no decay part of its own: what is given here is its marginal one",
    ),
    Record(
        "update_gradient_norm",
        "Norm of the update's gradient part",
        "‖Δθ − D‖",
        "1",
        f"{OVER}; momentum and whatever else is no decay included; {ROUNDING}",
        "decomposition Δθ = gradient part + decay part",
    ),
    Record(
        "update_parts_cosine",
        "Cosine of gradient part and decay part",
        "cos(Δθ − D, D)",
        "1",
        f"{OVER}; no ε; −1 where they cancel; NaN where there is no decay; {ROUNDING}",
        "decomposition Δθ = gradient part + decay part",
    ),
    Record(
        "update_descent_cosine",
        "Cosine of the update and −gradient",
        "cos(Δθ, −g)",
        "1",
        f"{OVER}; g = loss gradient on the update's examples, at the weights before it, decay left out; no ε",
        "ordinary definition",
    ),
    Record(
        "nlm_cosine_batch",
        "NLM direction, minibatch",
        "cos(−g, θ)",
        "1",
        f"{OVER}; g = loss gradient on the update's examples, at the weights θ before it, decay left out; no ε",
        PRIETO,
    ),
    Record(
        "nlm_cosine_train",
        "NLM direction, full batch",
        "cos(−g, θ)",
        "1",
        f"{OVER}; g = loss gradient on all training examples, at the weights θ before the update, decay left out; no ε",
        PRIETO,
    ),
)


def flat(tensors: dict[str, Tensor]) -> Tensor:
    """All entries of some tensors as one float64 vector, in their order."""
    return torch.cat([tensor.detach().double().flatten() for tensor in tensors.values()])


def difference(after: Params, before: Params) -> Tensor:
    """θ_after − θ_before as one float64 vector; exact where the two differ by less than a factor 2^29 (float32)."""
    return flat(after) - flat({name: before[name] for name in after})


def cosine(x: Tensor, y: Tensor) -> float:
    """The cosine of two vectors, each divided by its greatest entry first, with no ε; NaN where one is 0.

    >>> round(cosine(torch.tensor([1e-200, 0.0], dtype=torch.float64), torch.tensor([2.0, 2.0]).double()), 6)
    0.707107
    """
    scales = x.abs().max().item(), y.abs().max().item()
    if not all(0 < scale < math.inf for scale in scales):
        return math.nan
    x, y = x / scales[0], y / scales[1]
    return (x @ y / (x.norm() * y.norm())).clamp(-1, 1).item()


def _gradient(probe: Probe, params: Params, examples: Examples) -> Grads:
    """The loss's gradient at some parameters on some examples."""
    with torch.enable_grad():
        leaves = {name: tensor.detach().requires_grad_() for name, tensor in params.items()}
        loss = probe.loss(leaves, examples)
        return dict(zip(leaves, torch.autograd.grad(loss, list(leaves.values()), materialize_grads=True), strict=True))


def decay_part(update: Update, grads: Grads) -> Tensor:
    """What the decay adds to the update of these gradients, as one float64 vector."""
    return difference(update.redo(grads, {}), update.redo(grads, {"weight_decay": 0.0}))


def _compute_size(probe: Probe) -> Values:
    if probe.update is None:
        return dict.fromkeys((record.name for record in SIZE), math.nan)
    size = difference(probe.params, probe.update.before).norm().item()
    norm = flat(probe.update.before).norm().item()
    return {"update_norm": size, "update_relative": size / norm if norm else math.nan}


def _compute_parts(probe: Probe) -> Values:
    update = probe.update
    if update is None:
        return dict.fromkeys((record.name for record in PARTS), math.nan)
    weights, moved = flat(update.before), difference(probe.params, update.before)
    grads = _gradient(probe, update.before, update.batch)
    down = -flat(grads)
    # a batch as large as the training set is the training set: its gradient is not taken twice
    whole = len(update.batch) == len(probe.subject.train_index)
    down_train = down if whole else -flat(_gradient(probe, update.before, probe.subject.train))
    decay = decay_part(update, grads)
    rest = moved - decay
    return {
        "update_decay_norm": decay.norm().item(),
        "update_gradient_norm": rest.norm().item(),
        "update_parts_cosine": cosine(rest, decay),
        "update_descent_cosine": cosine(moved, down),
        "nlm_cosine_batch": cosine(down, weights),
        "nlm_cosine_train": cosine(down_train, weights),
    }


UPDATE_SIZE = Measure(
    "update-size",
    "How large the last update is, by itself and against the weights.",
    SIZE,
    _compute_size,
    cost=0.1,
    needs_update=True,
    several=True,
)
UPDATE_PARTS = Measure(
    "update-parts",
    "How much of the last update is decay, and whether its gradient only scales the weights up.",
    PARTS,
    _compute_parts,
    lambda subject: "" if subject.loss is not None else "the training loss is not known",
    level="all",
    cost=1.3,
    needs_update=True,
    several=True,
)
