"""⊥Grad (Prieto et al. 2025, arXiv 2501.04697): the gradient without its component along the weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from latebloom.axes import Grads, Params
from latebloom.optim.contract import Gradient, Hyper, State


@dataclass(frozen=True)
class OrthoGrad:
    """⊥Grad: the gradient across the weights, so that no step only scales the logits (naive loss minimisation).

    Formula: ĝ = g − (wᵀg/wᵀw) w; over tensor: ĝ·‖g‖/‖ĝ‖ for each
    Size: nothing is kept
    Source: Prieto et al. 2025 (arXiv 2501.04697), and for `tensor` its code
    """

    over: Annotated[
        Literal["all", "tensor"],
        Field(
            description="all: one projection over all parameters, as the paper writes it; tensor: one for each tensor, "
            "rescaled to its old gradient norm, as the code does it"
        ),
    ] = "all"

    def init(self, params: Params) -> State:
        """Nothing to remember."""
        return {}

    def direction(self, gradient: Gradient, state: State, params: Params, hyper: Hyper) -> tuple[Grads, State]:
        """The projected gradient; sums are taken in float64, and a zero weight projects nothing."""
        grads = gradient(params)
        if self.over == "tensor":
            return {name: _restored(grad, params[name]) for name, grad in grads.items()}, state
        along = torch.stack([_dot(params[name], grad) for name, grad in grads.items()]).sum()
        size = torch.stack([_dot(params[name], params[name]) for name in grads]).sum()
        share = _ratio(along, size)
        return {name: grad - params[name] * share for name, grad in grads.items()}, state


def _restored(grad: Tensor, weight: Tensor) -> Tensor:
    projected = grad - weight * _ratio(_dot(weight, grad), _dot(weight, weight))
    return projected * _ratio(_dot(grad, grad).sqrt(), _dot(projected, projected).sqrt())


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a.double() * b.double()).sum()


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    empty = b <= 0
    return (a / b.masked_fill(empty, 1.0)).masked_fill(empty, 0.0)
