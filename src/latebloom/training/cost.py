"""What a training step costs."""

from __future__ import annotations

from torch.utils.flop_counter import FlopCounterMode

from latebloom.training.loop import batch_of, gradients_by_autograd
from latebloom.training.setup import Setup


def multiply_adds(setup: Setup) -> int:
    """Multiply-adds of the matrix products of one step, forward and backward, counted on one gradient.

    Sums of table rows (`embedding_bag`) and what is done element by element are not counted.
    """
    examples = batch_of(setup, 0)
    with FlopCounterMode(display=False) as counter:
        gradients_by_autograd(setup, setup.initial_state().params, examples)
    return counter.get_total_flops() // 2
