"""Set the smallest weights to zero."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from latebloom.analysis.surgery.contract import WEIGHTS, Patient, named
from latebloom.analysis.surgery.masks import Scope, Share, Tensors, drawn_like, largest, masked
from latebloom.axes import Params


@dataclass(frozen=True)
class Prune:
    """Prune by magnitude: the smallest weights become zero. Training goes on with all, unless zeros are held.

    `regular.hold_zeros` holds them: with it the pruned weights stay zero.

    Formula: w ← w·[abs(w) is not among the ⌊share·N⌋ smallest]
    Source: Han et al. 2015 (arXiv 1506.02626)
    """

    share: Share = 0.5
    scope: Scope = "global"
    tensors: Tensors = WEIGHTS
    control: Annotated[
        bool, Field(description="instead as many entries of each tensor, drawn by the run's seed, as a control")
    ] = False

    def apply(self, params: Params, patient: Patient) -> Params:
        """The masked weights."""
        masks = largest({name: params[name] for name in named(params, self.tensors)}, self.share, self.scope)
        return masked(params, drawn_like(masks, patient.seed, "prune") if self.control else masks)
