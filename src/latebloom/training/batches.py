"""The order of minibatches, as a function of the step: nothing has to be remembered for a run to be resumed exactly."""

from __future__ import annotations

import math
from functools import lru_cache

import torch
from jaxtyping import Int
from torch import Tensor

from latebloom.models import keyed_generator


def batches_per_epoch(train: int, batch: int) -> int:
    """Updates in one pass over the training set, the last and smaller batch included."""
    return math.ceil(train / batch)


def batch_at(step: int, train: int, batch: int, seed: int) -> Int[Tensor, " batch"]:
    """The training examples (numbers among them, ascending) of the update that follows `step` updates.

    Every epoch is a permutation of its own, drawn from a generator keyed by the order seed and the epoch.
    """
    epoch, place = divmod(step, batches_per_epoch(train, batch))
    return _permutation(epoch, train, seed)[place * batch : (place + 1) * batch].sort().values


@lru_cache(maxsize=2)
def _permutation(epoch: int, train: int, seed: int) -> Int[Tensor, " train"]:
    return torch.randperm(train, generator=keyed_generator(seed, f"order/{epoch}"))
