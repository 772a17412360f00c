"""Adam (Kingma & Ba 2014, arXiv 1412.6980) and AdamW (Loshchilov & Hutter 2017, arXiv 1711.05101)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from latebloom.axes import Grads, Params
from latebloom.optim.contract import Hyper, State

Rate = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class Adam:
    """Adam; `weight_decay` is coupled: λw is added to the gradient and passes through the moments (L2 in the loss).

    Formula: g ← g + λw; m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← w − η (m/(1 − β₁ᵗ))/(√(v/(1 − β₂ᵗ)) + ε)
    Size: two numbers for each of the network's
    Source: Kingma & Ba 2014 (arXiv 1412.6980)
    """

    lr: Annotated[float, Field(ge=0, le=100, description="learning rate η, per update")] = 1e-3
    beta1: Annotated[Rate, Field(description="decay of the mean of gradients")] = 0.9
    beta2: Annotated[Rate, Field(description="decay of the mean of squared gradients")] = 0.999
    eps: Annotated[float, Field(ge=0, le=1, description="ε, added to the root of the second moment")] = 1e-8
    weight_decay: Annotated[float, Field(ge=0, le=1e4, description="λ, coupled: g ← g + λw")] = 0.0

    def init(self, params: Params) -> State:
        """Zero moments."""
        return zero_moments(params, next(iter(params.values())).device)

    def update(self, grads: Grads, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
        """One step w ← w − η m̂/(√v̂ + ε), the decay inside the gradient."""
        decay = hyper["weight_decay"]
        grads = {name: grad + decay * params[name] for name, grad in grads.items()}
        return _step(grads, state, params, hyper, keep=None)


@dataclass(frozen=True)
class AdamW:
    """Adam with decoupled decay: w ← (1 − ηλ)w before the step, on every parameter, biases included.

    Formula: m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; w ← (1 − ηλ)w − η (m/(1 − β₁ᵗ))/(√(v/(1 − β₂ᵗ)) + ε)
    Size: two numbers for each of the network's
    Source: Loshchilov & Hutter 2017 (arXiv 1711.05101)
    """

    lr: Annotated[float, Field(ge=0, le=100, description="learning rate η, per update")] = 1e-3
    beta1: Annotated[Rate, Field(description="decay of the mean of gradients")] = 0.9
    beta2: Annotated[Rate, Field(description="decay of the mean of squared gradients")] = 0.999
    eps: Annotated[float, Field(ge=0, le=1, description="ε, added to the root of the second moment")] = 1e-8
    weight_decay: Annotated[float, Field(ge=0, le=1e4, description="λ, decoupled: w ← (1 − ηλ)w")] = 1.0

    def init(self, params: Params) -> State:
        """Zero moments."""
        return zero_moments(params, next(iter(params.values())).device)

    def update(self, grads: Grads, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
        """One step w ← (1 − ηλ)w − η m̂/(√v̂ + ε)."""
        return adamw_step(grads, state, params, hyper)


def zero_moments(params: Params, device: torch.device) -> State:
    """The state of Adam before the first update."""
    return {
        "count": torch.zeros((), dtype=torch.float64, device=device),
        "m": {name: torch.zeros_like(tensor) for name, tensor in params.items()},
        "v": {name: torch.zeros_like(tensor) for name, tensor in params.items()},
    }


def adamw_step(grads: Grads, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
    """AdamW's step on the tensors that `grads` names."""
    return _step(grads, state, params, hyper, keep=1 - hyper["lr"] * hyper["weight_decay"])


def _step(grads: Grads, state: State, params: Params, hyper: Hyper, keep: Tensor | None) -> tuple[Params, State]:
    """The moments' step on `keep`·w, all tensors as one; scalars stay float64 whatever the weights are."""
    count = state["count"] + 1
    size = hyper["lr"] / (1 - hyper["beta1"] ** count)
    root = (1 - hyper["beta2"] ** count).sqrt()
    if not grads:
        return {}, {"count": count, "m": {}, "v": {}}
    names = list(grads)
    grad, m, v, w = (_flat(part, names) for part in (grads, state["m"], state["v"], params))
    # each of these is a copy of its own, changed in place: memory that is asked for anew costs more than the arithmetic
    m.lerp_(grad, (1 - hyper["beta1"]).to(m.dtype))
    v.lerp_(grad.square_(), (1 - hyper["beta2"]).to(v.dtype))
    # root·ε in the denominator, root in the step's size: one division less than √v/root + ε
    step = m / v.sqrt().add_(hyper["eps"] * root)
    moved = w if keep is None else w.mul_(keep)
    moved.sub_(step.mul_(size * root))
    return _apart(moved, params, names), {"count": count} | {
        k: _apart(x, params, names) for k, x in zip("mv", (m, v), strict=True)
    }


def _flat(tensors: Params, names: list[str]) -> Tensor:
    # a network has a dozen small tensors, and each operation costs as much for one of them as for all
    return torch.cat([tensors[name].reshape(-1) for name in names])


def _apart(flat: Tensor, like: Params, names: list[str]) -> Params:
    parts = flat.split([like[name].numel() for name in names])
    return {name: part.view(like[name].shape) for name, part in zip(names, parts, strict=True)}
