"""What a training step costs."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from latebloom.training.loop import gradients
from latebloom.training.setup import Setup


def multiply_adds(setup: Setup) -> int:
    """Multiply-adds of the matrix products of one step, forward and backward, counted on one gradient.

    Sums of table rows (`embedding_bag`) and what is done element by element are not counted.
    """
    batch = setup.spec.batch
    examples = setup.train if batch == "full" else setup.train.take(torch.arange(batch, device=setup.device))
    with FlopCounterMode(display=False) as counter:
        gradients(setup, setup.initial_state().params, examples)
    return counter.get_total_flops() // 2
