"""An optimiser of one's own in one file: Lion (Chen et al. 2023, arXiv 2302.06675), the sign of a mixed momentum.

latebloom run --optim.name examples/own_optimiser.py:Lion --optim.lr 3e-4 --optim.weight-decay 3 --steps 500
"""

from __future__ import annotations

from dataclasses import dataclass

from latebloom.axes import Grads, Params
from latebloom.optim import Hyper, State


@dataclass(frozen=True)
class Lion:
    """w ← (1 − ηλ)w − η sign(β₁m + (1 − β₁)g), then m ← β₂m + (1 − β₂)g."""

    lr: float = 3e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 1.0

    def init(self, params: Params) -> State:
        """Zero momentum."""
        return {"m": {name: tensor * 0 for name, tensor in params.items()}}

    def update(self, grads: Grads, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
        """One step. Values come from `hyper`, not from self: they may change with the step and differ between runs."""
        moved, kept = {}, {}
        for name, grad in grads.items():
            m = state["m"][name]
            mixed = m * hyper["beta1"] + grad * (1 - hyper["beta1"])
            moved[name] = params[name] * (1 - hyper["lr"] * hyper["weight_decay"]) - mixed.sign() * hyper["lr"]
            kept[name] = m * hyper["beta2"] + grad * (1 - hyper["beta2"])
        return moved, {"m": kept}
