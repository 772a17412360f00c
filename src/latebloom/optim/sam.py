"""Sharpness-aware minimisation (Foret et al. 2020, arXiv 2010.01412)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from latebloom.axes import Grads, Params
from latebloom.optim.contract import Gradient, Hyper, State


@dataclass(frozen=True)
class SAM:
    """SAM: the gradient one step uphill; costs two gradients a step.

    Formula: ĝ = ∇L(w + ρ ∇L(w)/‖∇L(w)‖), the norm over all parameters
    Size: nothing is kept
    Source: Foret et al. 2020 (arXiv 2010.01412)
    """

    rho: Annotated[float, Field(ge=0, le=100, description="ρ, length of the step uphill, over all parameters")] = 0.05

    def init(self, params: Params) -> State:
        """Nothing to remember."""
        return {}

    def direction(self, gradient: Gradient, state: State, params: Params, hyper: Hyper) -> tuple[Grads, State]:
        """The gradient at the top of the step (where the gradient is 0, there is none)."""
        grads = gradient(params)
        norm = torch.stack([grad.double().square().sum() for grad in grads.values()]).sum().sqrt()
        length = (hyper["rho"] / norm.masked_fill(norm <= 0, 1.0)).masked_fill(norm <= 0, 0.0)
        return gradient({name: params[name] + grad * length for name, grad in grads.items()}), state
