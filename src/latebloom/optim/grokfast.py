"""Grokfast (Lee et al. 2024, arXiv 2405.20233): slow components of the gradient amplified before the optimiser sees it.

Under Adam a constant factor on the gradient cancels, and a filter acts much like more momentum; compare with a baseline
of the same weight decay and β₁ (issues of the authors' repository).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from latebloom.axes import Grads, Params
from latebloom.optim.contract import Gradient, Hyper, State


@dataclass(frozen=True)
class GrokfastEMA:
    """Grokfast-EMA: the gradient and its running mean, which starts as the first gradient, as in the authors' code.

    Formula: μ ← αμ + (1 − α)g, ĝ = g + λμ
    Size: one number for each of the network's
    Source: Lee et al. 2024 (arXiv 2405.20233) and its code
    """

    alpha: Annotated[float, Field(ge=0, lt=1, description="α, decay of the mean")] = 0.98
    lamb: Annotated[float, Field(ge=0, le=1e4, description="λ, weight of the mean")] = 2.0

    def init(self, params: Params) -> State:
        """A mean that says it has seen nothing."""
        some = next(iter(params.values()))
        return {
            "count": torch.zeros((), dtype=torch.float64, device=some.device),
            "mean": {name: torch.zeros_like(tensor) for name, tensor in params.items()},
        }

    def direction(self, gradient: Gradient, state: State, params: Params, hyper: Hyper) -> tuple[Grads, State]:
        """g + λμ."""
        grads = gradient(params)
        first = (state["count"] == 0).to(torch.float64)
        alpha = hyper["alpha"] * (1 - first)
        mean = {name: state["mean"][name] * alpha + grad * (1 - alpha) for name, grad in grads.items()}
        direction = {name: grad + mean[name] * hyper["lamb"] for name, grad in grads.items()}
        return direction, {"count": state["count"] + 1, "mean": mean}


@dataclass(frozen=True)
class GrokfastMA:
    """Grokfast-MA: the gradient and the mean of the last w, once there are w of them.

    Formula: ĝ_t = g_t + λ·(g_t + g_{t−1} + … + g_{t−w+1})/w; ĝ_t = g_t while t < w
    Size: w numbers for each of the network's
    Source: Lee et al. 2024 (arXiv 2405.20233) and its code
    """

    window: Annotated[int, Field(ge=1, le=10_000, description="w, gradients in the mean")] = 100
    lamb: Annotated[float, Field(ge=0, le=1e4, description="λ, weight of the mean")] = 5.0

    def init(self, params: Params) -> State:
        """An empty ring of gradients."""
        some = next(iter(params.values()))
        return {
            "count": torch.zeros((), dtype=torch.float64, device=some.device),
            "ring": {name: tensor.new_zeros((self.window, *tensor.shape)) for name, tensor in params.items()},
        }

    def direction(self, gradient: Gradient, state: State, params: Params, hyper: Hyper) -> tuple[Grads, State]:
        """Adds λ·mean; the ring's places are filled one after the other."""
        grads = gradient(params)
        count = state["count"]
        place = (count % self.window).long()
        full = (count + 1 >= self.window).to(torch.float64)
        ring = {name: state["ring"][name].index_copy(0, place[None], grad[None]) for name, grad in grads.items()}
        direction = {name: grad + ring[name].mean(0) * (hyper["lamb"] * full) for name, grad in grads.items()}
        return direction, {"count": count + 1, "ring": ring}
