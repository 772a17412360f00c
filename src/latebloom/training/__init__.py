"""From a spec to states: the set-up, the loop, and what decides each update."""

from latebloom.training.check import check
from latebloom.training.constraints import constrained, decayed_update
from latebloom.training.cost import multiply_adds
from latebloom.training.ensemble import Ensemble, obstacle, shape_of
from latebloom.training.loop import batch_of, gradients, train, update
from latebloom.training.losses import LOSSES
from latebloom.training.schedules import hyper_at
from latebloom.training.setup import Setup
from latebloom.training.state import TrainState

__all__ = [
    "LOSSES",
    "Ensemble",
    "Setup",
    "TrainState",
    "batch_of",
    "check",
    "constrained",
    "decayed_update",
    "gradients",
    "hyper_at",
    "multiply_adds",
    "obstacle",
    "shape_of",
    "train",
    "update",
]
