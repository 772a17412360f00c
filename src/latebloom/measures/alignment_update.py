"""cos(g, Hg) around the last update: on its minibatch, before and after, and in float32 as it was published."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.axes import Params
from latebloom.measures.alignment import (
    EXACT,
    KINKS,
    ORIGIN,
    aligned,
    alignment_of,
    alignment_records,
    alignment_values,
    training_hessian,
)
from latebloom.measures.curvature import Loss, cast, flat, loss_of, missing
from latebloom.measures.probe import Probe, Update
from latebloom.measures.record import Measure, Record, Values

PUBLISHED_EPS = 1e-8
TRUSTED = 0.01


@dataclass(frozen=True, eq=False)
class Published:
    """The cosine as its authors' code computes it, and the float32 vectors behind it.

    Attributes:
        cosine: torch's `cosine_similarity` of g and ∇‖g‖² = 2Hg, which takes a norm below 1e-8 for 1e-8.
        gradient: g, shape (entry).
        product: Hg, shape (entry).
    """

    cosine: float
    gradient: Float[Tensor, " entry"]
    product: Float[Tensor, " entry"]

    @property
    def clamped(self) -> bool:
        """Whether ε took the place of a norm."""
        return min(float(self.gradient.double().norm()), 2 * float(self.product.double().norm())) < PUBLISHED_EPS


def published(params: Params, loss: Loss) -> Published:
    """cos(g, 2Hg) in float32, 2Hg as the gradient of ‖g‖², by `cosine_similarity` with its ε of 1e-8.

    The loss must keep float32 too for the number to be theirs.
    """
    leaves = {name: tensor.detach().float().requires_grad_() for name, tensor in params.items()}
    wanted = list(leaves.values())
    with torch.enable_grad():
        grads = torch.autograd.grad(loss(leaves), wanted, create_graph=True, materialize_grads=True)
        g = torch.cat([grad.reshape(-1) for grad in grads])
        if g.requires_grad:
            doubled = torch.autograd.grad(g.square().sum(), wanted, materialize_grads=True)
        else:
            doubled = [torch.zeros_like(tensor) for tensor in wanted]
    g, twice = g.detach(), torch.cat([x.reshape(-1) for x in doubled])
    cosine = torch.nn.functional.cosine_similarity(g, twice, dim=0, eps=PUBLISHED_EPS)
    return Published(float(cosine), g, twice / 2)


def relative_error(found: Float[Tensor, " entry"], right: Float[Tensor, " entry"]) -> float:
    """‖found − right‖ / ‖right‖ in float64; NaN where `right` is 0."""
    norm = float(right.double().norm())
    return float((found.double() - right.double()).norm()) / norm if norm else math.nan


AFTER = "the examples of the last update (all of them where it was on the full batch), after it"
THEIRS = f"{AFTER}, training loss alone, every parameter; float32 throughout, whatever the spec's precision"

RECORDS = (
    *alignment_records("_batch", ", last minibatch", f"{AFTER}, training loss alone, every parameter"),
    *alignment_records(
        "_batch_before",
        ", minibatch before its update",
        "the examples of the last update, before it, training loss alone, every parameter",
    ),
    *alignment_records(
        "_before", " before the update", "all training examples, before the update, training loss alone"
    ),
    Record(
        "update_curvature",
        "Curvature along the update",
        "uᵀHu / ‖u‖², u = θ_after − θ_before",
        "loss per weight²",
        f"all training examples, H before the update, training loss alone, decay's part of u included; {EXACT}; "
        f"{KINKS}",
        "Rayleigh quotient of the update",
    ),
    Record(
        "alignment_published",
        "cos(g, Hg) as published",
        "cosine_similarity(g, ∇‖g‖²), a norm below 1e-8 taken for 1e-8",
        "1",
        THEIRS,
        f"{ORIGIN}, from its code",
        disputes="below the floor of ε or of float32 it falls towards 0 by itself: see alignment_published_valid",
    ),
    Record(
        "gradient_error_float32",
        "Error of the float32 gradient",
        "‖g₃₂ − g₆₄‖ / ‖g₆₄‖",
        "share",
        f"{AFTER}, training loss alone, float32 throughout against float64 throughout",
        "the gradient computed twice",
        better="lower",
    ),
    Record(
        "hessian_gradient_error_float32",
        "Error of the float32 Hg",
        "‖(Hg)₃₂ − (Hg)₆₄‖ / ‖(Hg)₆₄‖",
        "share",
        f"{AFTER}, training loss alone, float32 throughout against float64 throughout",
        "the product computed twice",
        better="lower",
    ),
    Record(
        "alignment_published_valid",
        "Whether float32 carries cos(g, Hg)",
        f"1 if both float32 errors are at most {TRUSTED:g} and neither ‖g‖ nor 2‖Hg‖ is below 1e-8, else 0",
        "share",
        f"{THEIRS}; 0 too where float64 itself finds a zero",
        "gradient_error_float32 and hessian_gradient_error_float32",
        better="higher",
    ),
)


def _is_all(probe: Probe, update: Update) -> bool:
    """Whether the update was on all training examples."""
    train, batch = probe.subject.train, update.batch
    return batch.full is train.full and batch.index is not None and torch.equal(batch.index, probe.subject.train_index)


def _compute_update(probe: Probe) -> Values:
    update = probe.update
    assert update is not None  # `needs_update`
    train, batch = probe.subject.train, update.batch
    before = training_hessian(probe, update.before, train)
    on_all = aligned(before.gradient, before(before.gradient))
    step = flat(cast(probe.params, torch.float64)) - flat(cast(update.before, torch.float64))
    along = aligned(step, before(step)).curvature
    on_batch = on_all if _is_all(probe, update) else alignment_of(training_hessian(probe, update.before, batch))
    del before  # one graph at a time
    after = training_hessian(probe, probe.params, batch)
    product = after(after.gradient)
    theirs = published(probe.params, loss_of(probe.subject, batch, torch.float32))
    errors = (relative_error(theirs.gradient, after.gradient), relative_error(theirs.product, product))
    return {
        **alignment_values("_batch", aligned(after.gradient, product)),
        **alignment_values("_batch_before", on_batch),
        **alignment_values("_before", on_all),
        "update_curvature": along,
        "alignment_published": theirs.cosine,
        "gradient_error_float32": errors[0],
        "hessian_gradient_error_float32": errors[1],
        "alignment_published_valid": float(all(error <= TRUSTED for error in errors) and not theirs.clamped),
    }


ALIGNMENT_UPDATE = Measure(
    "alignment-update",
    "cos(g, Hg) around the last update: on its minibatch, before and after, and in float32 as it was published.",
    RECORDS,
    _compute_update,
    missing,
    level="all",
    cost=17.0,
    needs_update=True,
)
