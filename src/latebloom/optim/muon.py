"""Muon (Jordan et al. 2024): orthogonalised momentum for matrices inside the network, AdamW elsewhere.

    b ← μb + g                      u = g + μb  (Nesterov)
    o = NS₅(u/‖u‖) ≈ UVᵀ of u's singular value decomposition
    w ← (1 − ηλ)w − η·√max(1, outputs/inputs)·o

Source: Keller Jordan, "Muon: an optimizer for hidden layers in neural networks" (2024), and its code. There the
iteration runs in bfloat16; here it runs in the weights' own precision.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from latebloom.axes import Grads, Params
from latebloom.optim.adam import Rate, adamw_step, zero_moments
from latebloom.optim.contract import Hyper, State

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic a·x + b·x³ + c·x⁵ whose iteration drives singular values near 1 (0.7 to 1.2, not exactly 1)."""

ITERATIONS = 5


@dataclass(frozen=True)
class Muon:
    """Muon on hidden matrices (per head for attention's), AdamW on embeddings, unembedding, biases and gains.

    Formula: b ← μb + g, u = g + μb, w ← (1 − ηλ)w − η √max(1, outputs/inputs) NS₅(u/‖u‖); elsewhere AdamW's
    Size: one number for each of a hidden matrix's, two for each of the rest
    Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks", and its code
    """

    lr: Annotated[float, Field(ge=0, le=100, description="learning rate η of the matrices")] = 0.02
    momentum: Annotated[float, Field(ge=0, lt=1, description="μ, of the matrices")] = 0.95
    adam_lr: Annotated[float, Field(ge=0, le=100, description="learning rate of AdamW for all other tensors")] = 1e-3
    beta1: Annotated[Rate, Field(description="AdamW's decay of the mean of gradients")] = 0.9
    beta2: Annotated[Rate, Field(description="AdamW's decay of the mean of squared gradients")] = 0.98
    eps: Annotated[float, Field(ge=0, le=1, description="AdamW's ε")] = 1e-8
    weight_decay: Annotated[float, Field(ge=0, le=1e4, description="λ, decoupled: w ← (1 − ηλ)w, everywhere")] = 1.0

    def init(self, params: Params) -> State:
        """Zero momentum for the matrices, zero moments for the rest."""
        rest = {name: tensor for name, tensor in params.items() if not is_hidden_matrix(name, tensor)}
        buffer = {name: torch.zeros_like(tensor) for name, tensor in params.items() if name not in rest}
        return {"buffer": buffer} | zero_moments(rest, next(iter(params.values())).device)

    def update(self, grads: Grads, state: State, params: Params, hyper: Hyper) -> tuple[Params, State]:
        """One step of each kind."""
        rest = {name: grad for name, grad in grads.items() if name not in state["buffer"]}
        moved, moments = adamw_step(rest, state, params, hyper | {"lr": hyper["adam_lr"]})
        new: dict[str, Any] = {"buffer": {}} | moments
        keep = 1 - hyper["lr"] * hyper["weight_decay"]
        for name, before in state["buffer"].items():
            buffer = before * hyper["momentum"] + grads[name]
            direction = orthogonalised(grads[name] + buffer * hyper["momentum"])
            inputs, outputs = direction.shape[-2:]
            moved[name] = params[name] * keep - direction * (hyper["lr"] * max(1, outputs / inputs) ** 0.5)
            new["buffer"][name] = buffer
        return {name: moved[name] for name in grads}, new


def is_hidden_matrix(name: str, tensor: Tensor) -> bool:
    """Whether Muon takes this tensor: inside the blocks and at least two axes."""
    return name.startswith("blocks.") and tensor.dim() >= 2


def orthogonalised(matrix: Float[Tensor, "*batch row column"]) -> Float[Tensor, "*batch row column"]:
    """The matrix with its singular values driven towards 1, by five Newton–Schulz steps from u/‖u‖ (0 stays 0)."""
    a, b, c = COEFFICIENTS
    tall = matrix.shape[-2] > matrix.shape[-1]
    x = matrix.mT if tall else matrix
    norm = torch.linalg.matrix_norm(x, keepdim=True)
    x = x / torch.where(norm > 0, norm, torch.ones_like(norm))
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.mT if tall else x
