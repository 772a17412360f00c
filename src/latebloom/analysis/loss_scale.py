"""cos(g, Hg) of a stored network with its training loss multiplied, which changes no cosine."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from latebloom.analysis.circuits.rebuild import probe_of
from latebloom.axes import Params
from latebloom.measures.alignment import alignment
from latebloom.measures.alignment_update import published
from latebloom.measures.curvature import Loss, cast, loss_of
from latebloom.spec import RunSpec
from latebloom.training import Setup

if TYPE_CHECKING:
    from latebloom.store import Run

BATCH = 512


def cosines_by_scale(run: Run, step: int, factors: tuple[float, ...] = (1.0, 1e3)) -> dict[str, float]:
    """cos(g, Hg) on the first 512 training examples, exact and as published at each factor of the loss.

    Returns:
        `exact` (float64, no ε), and `published_1`, `published_1000`, …: float32 with the ε of 1e-8 in norms.

    Raises:
        LatebloomError: the run cannot be rebuilt, or there is no such checkpoint.
    """
    _, probe = probe_of(run, step)
    setup = Setup.of(RunSpec.model_validate(run.spec).model_copy(update={"device": "cpu"}))
    subject = replace(probe.subject, loss=setup.loss)
    some = subject.examples.take(subject.train_index[:BATCH])
    exact = alignment(cast(probe.params, torch.float64), loss_of(subject, some, torch.float64)).cosine
    plain = loss_of(subject, some, torch.float32)
    return {"exact": exact} | {f"published_{f:g}": published(probe.params, _times(plain, f)).cosine for f in factors}


def _times(loss: Loss, factor: float) -> Loss:
    def multiplied(params: Params) -> torch.Tensor:
        return factor * loss(params)

    return multiplied
