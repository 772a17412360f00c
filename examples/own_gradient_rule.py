"""A gradient rule of one's own in one file: the gradient's norm clipped (Pascanu et al. 2013, arXiv 1211.5063).

latebloom run --gradient.name examples/own_gradient_rule.py:Clipped --gradient.most 0.1 --steps 500
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from latebloom.axes import Grads, Params
from latebloom.optim import Gradient, Hyper, State


@dataclass(frozen=True)
class Clipped:
    """g · min(1, most / ‖g‖), the norm over all parameters."""

    most: float = 1.0

    def init(self, params: Params) -> State:
        """Nothing to remember."""
        return {}

    def direction(self, gradient: Gradient, state: State, params: Params, hyper: Hyper) -> tuple[Grads, State]:
        """What the optimiser is given; `gradient` may be called at other parameters too."""
        grads = gradient(params)
        norm = torch.stack([grad.double().square().sum() for grad in grads.values()]).sum().sqrt()
        factor = (hyper["most"] / norm).clamp(max=1)
        return {name: grad * factor for name, grad in grads.items()}, state
