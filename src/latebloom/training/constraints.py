"""What weight decay pulls towards, how strongly for each tensor, norms that are held fixed, and zeros that are held."""

from __future__ import annotations

import fnmatch
from typing import Any

import torch

from latebloom.axes import Grads, Params
from latebloom.optim import Hyper, State
from latebloom.training.setup import Setup
from latebloom.training.state import TrainState


def decayed_update(setup: Setup, grads: Grads, state: TrainState, hyper: Hyper) -> tuple[Params, State]:
    """The optimiser's update, with the spec's kind of decay.

    Decay to the initial weights: the optimiser is shown w − w₀, and w₀ is added again; its step does not depend on the
    weights otherwise. Tensors with a decay of their own are updated beside the others.
    """
    origin = setup.initial_params if setup.spec.regular.decay_to == "init" else None
    seen = state.params if origin is None else {name: w - origin[name] for name, w in state.params.items()}
    moved: Params = {}
    optim: dict[str, Any] = {}
    for factor, names in _groups(setup, state.params).items():
        part = {name: grads[name] for name in names}
        scaled = hyper if factor == 1 else hyper | {"weight_decay": hyper["weight_decay"] * factor}
        params, after = setup.optimiser.update(part, _restricted(state.optim, names), seen, scaled)
        moved |= params
        for key, value in after.items():
            optim[key] = optim.get(key, {}) | value if isinstance(value, dict) else value
    if origin is not None:
        moved = {name: w + origin[name] for name, w in moved.items()}
    return {name: moved[name] for name in state.params}, optim


def _groups(setup: Setup, params: Params) -> dict[float, list[str]]:
    """Tensors by the factor on their decay: that of the last pattern that fits their name, else 1."""
    factors = setup.spec.regular.decay_factors
    groups: dict[float, list[str]] = {}
    for name in params:
        fits = [factor for pattern, factor in factors.items() if fnmatch.fnmatchcase(name, pattern)]
        groups.setdefault(fits[-1] if fits else 1.0, []).append(name)
    return groups


def _restricted(state: State, names: list[str]) -> State:
    """The part of an optimiser's state that belongs to some tensors."""
    return {
        key: {name: value[name] for name in names if name in value} if isinstance(value, dict) else value
        for key, value in state.items()
    }


def with_held_zeros(setup: Setup, before: Params, tensors: Params) -> Params:
    """Weights, or their gradients, with zeros where the weights before the update are zero and the spec holds zeros.

    The weights are their own mask: there is nothing else to store or to resume.
    """
    pattern = setup.spec.regular.hold_zeros
    if pattern is None:
        return tensors
    return {
        name: torch.where(before[name] == 0, 0, tensor) if fnmatch.fnmatchcase(name, pattern) else tensor
        for name, tensor in tensors.items()
    }


def constrained(setup: Setup, before: Params, params: Params) -> Params:
    """The weights after an update, with what the spec holds: zeros of those before it, then the norm of all.

    One factor rescales all weights to the norm (Liu et al. 2022, arXiv 2210.01117).
    """
    params = with_held_zeros(setup, before, params)
    held = setup.spec.regular.norm
    if held is None:
        return params
    target = held * _norm(setup.initial_params)
    factor = target / _norm(params)
    return {name: tensor * factor for name, tensor in params.items()}


def _norm(params: Params) -> torch.Tensor:
    return torch.stack([tensor.double().square().sum() for tensor in params.values()]).sum().sqrt()
