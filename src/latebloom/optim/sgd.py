"""Stochastic gradient descent with momentum (Polyak 1964; Sutskever et al. 2013), as `torch.optim.SGD` has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from latebloom.axes import Grads, Params
from latebloom.optim.contract import Hyper, State


@dataclass(frozen=True)
class SGD:
    """SGD with heavy-ball momentum; `weight_decay` is coupled (L2 in the loss): λw is added to the gradient.

    Formula: b ← μb + g + λw, w ← w − ηb
    Size: one number for each of the network's
    Source: Polyak 1964; Sutskever et al. 2013 (ICML); as `torch.optim.SGD` has it
    """

    lr: Annotated[float, Field(ge=0, le=1e4, description="learning rate η, per update")] = 0.1
    momentum: Annotated[float, Field(ge=0, lt=1, description="μ: b ← μb + g, w ← w − ηb")] = 0.0
    weight_decay: Annotated[float, Field(ge=0, le=1e4, description="λ, coupled: g ← g + λw")] = 0.0

    def init(self, params: Params) -> State:
        """A zero buffer (the first step then equals PyTorch's, which starts the buffer with the first gradient)."""
        return {"buffer": {name: torch.zeros_like(tensor) for name, tensor in params.items()}}

    def update(self, grads: Grads, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
        """One step b ← μb + g + λw, w ← w − ηb."""
        buffer = {
            name: state["buffer"][name] * hyper["momentum"] + grad + params[name] * hyper["weight_decay"]
            for name, grad in grads.items()
        }
        return {name: params[name] - buffer[name] * hyper["lr"] for name in grads}, {"buffer": buffer}
