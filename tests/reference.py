"""Slow and obviously right versions of what the package computes fast."""

from __future__ import annotations

import math

import torch
from torch import Tensor

Params = dict[str, Tensor]


def dense_loop_logits(params: Params, tokens: Tensor, heads: int) -> Tensor:
    """The one-layer transformer of Nanda et al. 2023, every position of every example, as a notebook would write it."""
    x = params["embed.W_E"][tokens] + params["pos_embed.W_pos"]
    q, k, v = (torch.einsum("btd,hde->bhte", x, params[f"blocks.0.attn.W_{name}"]) for name in "QKV")
    scores = q @ k.transpose(-1, -2) / math.sqrt(q.shape[-1])
    later = torch.ones(scores.shape[-2:], dtype=torch.bool).triu(1)
    z = scores.masked_fill(later, -math.inf).softmax(-1) @ v
    x = x + torch.einsum("bhte,hed->btd", z, params["blocks.0.attn.W_O"])
    hidden = torch.relu(x @ params["blocks.0.mlp.W_in"] + params["blocks.0.mlp.b_in"])
    x = x + hidden @ params["blocks.0.mlp.W_out"] + params["blocks.0.mlp.b_out"]
    return (x @ params["unembed.W_U"])[:, -1]


def cross_entropy(logits: Tensor, labels: Tensor) -> float:
    """Mean over examples of −log(e^{z_c} / Σ e^{z_j}), one by one in Python's floats."""
    losses = []
    for row, label in zip(logits.double().tolist(), labels.tolist(), strict=True):
        top = max(row)
        losses.append(top + math.log(sum(math.exp(z - top) for z in row)) - row[label])
    return sum(losses) / len(losses)


def gini(values: list[float]) -> float:
    """Half the mean absolute difference over the mean: Σ_i Σ_j |x_i − x_j| / (2 n² x̄)."""
    n, mean = len(values), sum(values) / len(values)
    return sum(abs(a - b) for a in values for b in values) / (2 * n * n * mean)


def bag(table: Tensor, weights: Tensor, rows: Tensor) -> Tensor:
    """y_b = Σ_j w_bj table[rows_bj] by gathering."""
    return (weights[..., None] * table[rows]).sum(1)


def frequency_norm(rows: Tensor, k: int) -> float:
    """Norm of the components at frequency k of a table along the cyclic group, by the complex Fourier transform."""
    n = len(rows)
    phases = torch.exp(-2j * math.pi * k * torch.arange(n, dtype=torch.float64) / n).to(torch.complex128)
    power = (phases @ rows.to(torch.complex128)).abs().square().sum().item() / n
    # a frequency strictly between 0 and n/2 has its power in k and in n − k
    return math.sqrt(power * (2 if 0 < 2 * k < n else 1))
