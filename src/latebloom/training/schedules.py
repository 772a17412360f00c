"""Hyperparameters as functions of the step."""

from __future__ import annotations

import dataclasses
import itertools
import math

import torch

from latebloom.optim import Hyper
from latebloom.spec import Schedule
from latebloom.training.setup import Setup


def hyper_at(step: int, setup: Setup) -> Hyper:
    """The hyperparameters of the update that follows `step` updates, the optimiser's and the gradient rule's.

    lr · min(step / warmup, 1) · shape(step); from a change's step on its values take the place of the spec's.
    """
    return {name: torch.tensor(values[0], dtype=torch.float64) for name, values in hyper_rows(step, 1, setup).items()}


def hyper_rows(start: int, count: int, setup: Setup) -> dict[str, list[float]]:
    """The hyperparameters, as `hyper_at` says, of the `count` updates that follow `start` updates."""
    spec, rows = setup.spec, {}
    changes = sorted((int(at), change) for at, change in spec.changes.items())
    inside = [at for at, _ in changes if start < at < start + count]
    for first, end in itertools.pairwise([start, *inside, start + count]):
        values = dataclasses.asdict(setup.optimiser) | dataclasses.asdict(setup.rule)  # pyright: ignore[reportArgumentType]
        for at, change in changes:
            if at <= first:
                values |= change
        for name, value in values.items():
            if isinstance(value, int | float):
                rows.setdefault(name, []).extend([value] * (end - first))
    factors = [learning_rate_factor(step, spec.steps, spec.schedule) for step in range(start, start + count)]
    for name in ("lr", "adam_lr"):
        if name in rows:
            rows[name] = [value * factor for value, factor in zip(rows[name], factors, strict=True)]
    return rows


def learning_rate_factor(step: int, steps: int, schedule: Schedule) -> float:
    """What the learning rate is multiplied by.

    Warm-up min(step / warmup, 1); after it `constant` 1, `linear` and `cosine` from 1 to `floor` at the last update.
    """
    if step < schedule.warmup:
        return step / schedule.warmup
    if schedule.shape == "constant":
        return 1.0
    done = (step - schedule.warmup) / max(1, steps - 1 - schedule.warmup)
    down = done if schedule.shape == "linear" else (1 - math.cos(math.pi * done)) / 2
    return 1 - (1 - schedule.floor) * down
