"""What is minimised: a scalar of the logits and the right answers."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.models import LossGradient
from latebloom.spec import Loss, find_function
from latebloom.training.denormals import cleared

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def cross_entropy(logits: Float[Tensor, "batch class"], labels: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
    """−mean log softmax(z)[label], in the precision of `logits`.

    In float32 a loss below 1.2e-7 an example is 0 or 1.2e-7 and nothing between, and its gradient is as coarse; float64
    (the default of a spec) has no such floor within reach (Nanda et al. 2023; Prieto et al. 2025, arXiv 2501.04697).
    """
    return -torch.log_softmax(logits, dim=-1).gather(1, labels[:, None]).mean()


def stablemax(logits: Float[Tensor, "batch class"], labels: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
    """−mean log s(z)[label]/Σ s(z), s(x) = x + 1 (x ≥ 0) or 1/(1 − x) (Prieto et al. 2025, arXiv 2501.04697)."""
    # log1p of the side that is not taken would be −∞ or NaN, and its gradient too
    log_s = torch.where(logits >= 0, logits.clamp(min=0).log1p(), -(-logits.clamp(max=0)).log1p())
    return -(log_s.gather(1, labels[:, None]).squeeze(1) - log_s.logsumexp(dim=-1)).mean()


def mse(logits: Float[Tensor, "batch class"], labels: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Mean over examples and classes of (z − one-hot)² (Gromov 2023, arXiv 2301.02679; Liu et al. 2022, 2210.01117)."""
    target = torch.zeros_like(logits).scatter(1, labels[:, None], 1)
    return (logits - target).square().mean()


def hinge(logits: Float[Tensor, "batch class"], labels: Int[Tensor, " batch"]) -> Float[Tensor, ""]:
    """Mean of max(0, 1 − margin), the margin being z_c − max_{j≠c} z_j (Crammer & Singer 2001)."""
    others = logits.scatter(1, labels[:, None], -torch.inf).max(dim=1).values
    return (1 - (logits.gather(1, labels[:, None]).squeeze(1) - others)).clamp(min=0).mean()


LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross-entropy": cross_entropy,
    "stablemax": stablemax,
    "mse": mse,
    "hinge": hinge,
}


def _named(name: str) -> Callable[[Tensor, Tensor], Tensor]:
    return LOSSES[name] if name in LOSSES else find_function(name)


def loss_of(spec: Loss) -> Callable[[Tensor, Tensor], Tensor]:
    """The loss of (logits, labels) that a spec names, in its precision; several answers an example count alike."""
    loss, dtype = _named(spec.name), DTYPES[spec.precision]
    return lambda logits, labels: loss(cleared(logits).to(dtype), labels.flatten())


def loss_gradient_of(spec: Loss) -> LossGradient:
    """∇ by the logits of the sum over examples of a spec's loss, a new tensor in the precision of the loss.

    Denormal numbers are still in it, since it will be multiplied by a number and rounded.
    """
    loss, dtype = _named(spec.name), DTYPES[spec.precision]

    def by_autograd(logits: Tensor, labels: Tensor) -> Tensor:
        with torch.enable_grad():
            z = logits.detach().to(dtype).requires_grad_()
            return torch.autograd.grad(loss(z, labels) * len(labels), z)[0]

    def of_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
        """softmax(z) − one-hot: what autograd finds, with one exponential instead of two."""
        # faster than torch.softmax: exponentials of a whole float64 tensor are one call of the maths library
        found = logits.to(dtype, copy=True).sub_(logits.amax(-1, keepdim=True)).exp_()
        found *= 1 / found.sum(-1, keepdim=True)
        return found.scatter_add_(1, labels[:, None], found.new_full((1, 1), -1.0).expand(len(labels), 1))

    return of_cross_entropy if loss is cross_entropy else by_autograd
