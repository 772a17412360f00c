"""Every optimiser and every gradient rule of the list."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import cases
from latebloom.axes import Params


def hyper(part):
    values = dataclasses.asdict(part).items()
    return {name: torch.tensor(v, dtype=torch.float64) for name, v in values if isinstance(v, int | float)}


def start(dtype=torch.float64) -> Params:
    generator = torch.Generator().manual_seed(0)
    shapes = {
        "embed.W_E": (5, 4),
        "blocks.0.attn.W_Q": (2, 4, 3),
        "blocks.0.mlp.W_in": (4, 6),
        "blocks.0.mlp.b_in": (6,),
    }
    return {name: torch.randn(shape, generator=generator, dtype=dtype) for name, shape in shapes.items()}


def gradient(params: Params) -> Params:
    """Of Σ w⁴/4 + Σ w/10: it depends on where it is taken."""
    return {name: tensor**3 + 0.1 for name, tensor in params.items()}


@pytest.mark.parametrize("name", cases.OPTIMISERS)
def test_weights_go_down_the_slope(name):
    optimiser, params = cases.OPTIMISERS[name], {"blocks.0.mlp.W_in": start()["blocks.0.mlp.W_in"] * 3}
    state = optimiser.init(params)
    before = sum((tensor**4).sum() for tensor in params.values())
    for _ in range(20):
        params, state = optimiser.update(
            gradient(params), state, params, hyper(optimiser) | {"weight_decay": torch.tensor(0.0)}
        )
    assert sum((tensor**4).sum() for tensor in params.values()) < before
