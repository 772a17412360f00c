"""Hyperparameters as functions of the step."""

from __future__ import annotations

import dataclasses

import torch

from latebloom.optim import Hyper, Optimiser
from latebloom.spec import RunSpec


def hyper_at(step: int, optimiser: Optimiser, spec: RunSpec) -> Hyper:
    """The hyperparameters of the update that follows `step` updates: lr · min(step / warmup, 1), the others as set."""
    values = dataclasses.asdict(optimiser)  # pyright: ignore[reportArgumentType]
    if spec.schedule.warmup:
        values["lr"] *= min(step / spec.schedule.warmup, 1)
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
