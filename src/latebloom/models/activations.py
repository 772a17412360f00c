"""Non-linearities by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

Activation = Literal["relu", "gelu", "silu", "quadratic", "identity"]

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": torch.relu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "quadratic": torch.square,
    "identity": lambda x: x,
}
"""GELU in its exact form, x·Φ(x); quadratic is x² (Gromov 2023, arXiv 2301.02679); the identity makes a
gated MLP bilinear (Shazeer 2020, arXiv 2002.05202; Pearce et al. 2024, arXiv 2410.08417)."""
