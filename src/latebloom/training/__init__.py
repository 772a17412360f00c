"""From a spec to states: the set-up, the loop, and what decides each update."""

from latebloom.training.cadence import checkpoint_due, log_due
from latebloom.training.check import check
from latebloom.training.cost import multiply_adds
from latebloom.training.loop import gradients, train, update
from latebloom.training.setup import Setup
from latebloom.training.state import TrainState

__all__ = ["Setup", "TrainState", "check", "checkpoint_due", "gradients", "log_due", "multiply_adds", "train", "update"]
