"""A loss of one's own in one file: cross-entropy with smoothed labels (Szegedy et al. 2015, arXiv 1512.00567).

latebloom run --loss.name examples/own_loss.py:smoothed --steps 500
"""

from __future__ import annotations

import torch
from torch import Tensor

SMOOTHING = 0.1


def smoothed(logits: Tensor, labels: Tensor) -> Tensor:
    """−mean of (1 − s) log softmax(z)[label] + s/classes · Σ log softmax(z).

    Args:
        logits: shape (batch, class), in the spec's `loss.precision`.
        labels: shape (batch).
    """
    log_p = torch.log_softmax(logits, dim=-1)
    right = log_p.gather(1, labels[:, None]).squeeze(1)
    return -((1 - SMOOTHING) * right + SMOOTHING * log_p.mean(dim=-1)).mean()
