"""Update rules as `init` and `update`, hyperparameters as data."""

from latebloom.optim.adam import Adam, AdamW
from latebloom.optim.contract import Hyper, Optimiser, State

OPTIMISERS: dict[str, type] = {"adam": Adam, "adamw": AdamW}

__all__ = ["OPTIMISERS", "Adam", "AdamW", "Hyper", "Optimiser", "State"]
