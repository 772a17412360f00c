"""Parameters for tests of networks."""

from __future__ import annotations

import torch
from torch import Tensor

from latebloom.models import Model, initial_params


def float64_params(model: Model) -> dict[str, Tensor]:
    """Parameters with every bias and gain away from its start, so that none can be forgotten."""
    generator = torch.Generator().manual_seed(1)
    drawn = initial_params(model.tensors(), "normal", 0)
    return {
        name: (tensor.double() + 0.3 * torch.randn(tensor.shape, generator=generator, dtype=torch.float64))
        .detach()
        .requires_grad_()
        for name, tensor in drawn.items()
    }
