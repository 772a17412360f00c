"""What is minimised: a scalar of the logits and the right answers."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

DTYPES = {"float32": torch.float32, "float64": torch.float64}


def cross_entropy(
    logits: Float[Tensor, "batch class"], labels: Int[Tensor, " batch"], precision: str
) -> Float[Tensor, ""]:
    """−mean log softmax(z)[label], the log-softmax and the mean in `precision`.

    In float32 a loss below 1.2e-7 an example is 0 or 1.2e-7 and nothing between, and its gradient is as coarse; float64
    (the default of a spec) has no such floor within reach (Nanda et al. 2023; Prieto et al. 2025, arXiv 2501.04697).
    """
    log_p = torch.log_softmax(logits.to(DTYPES[precision]), dim=-1)
    return -log_p.gather(1, labels[:, None]).mean()
