"""Project tensors on or out of a subspace: that of the leading singular directions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor

from latebloom.analysis.surgery.contract import NOW, Patient, named
from latebloom.analysis.surgery.masks import Tensors
from latebloom.axes import Params
from latebloom.errors import LatebloomError


@dataclass(frozen=True)
class Project:
    """Keep what some tensors have in the leading directions of their rows, or what they have outside of them.

    The directions are the right singular vectors of the largest singular values of the tensor itself, or of what it is
    at another step of the run. Of attention, each head's matrix has its own.

    Formula: W ← W V Vᵀ, or W − W V Vᵀ, V the first `rank` right singular vectors of the tensor at `source`
    Source: defined here; for source = now the kept part is the best approximation of its rank (Eckart & Young 1936)
    """

    tensors: Tensors = "embed.W_E"
    rank: Annotated[int, Field(ge=1, le=10**6, description="directions")] = 10
    part: Annotated[Literal["inside", "outside"], Field(description="what is kept")] = "inside"
    source: Annotated[
        str, Field(min_length=1, description="whose directions: the run's now, initial, at a step, an event or the end")
    ] = NOW

    def apply(self, params: Params, patient: Patient) -> Params:
        """The projections."""
        names = named(params, self.tensors)
        of = params if self.source == NOW else patient.weights(self.source)
        return params | {name: self._projected(name, params[name], of[name]) for name in names}

    def _projected(self, name: str, w: Float[Tensor, "*head row column"], of: Tensor) -> Tensor:
        if w.dim() < 2:
            raise LatebloomError(f"expected matrices, got {name}, a vector: give a pattern such as *.W_*")
        if self.rank > min(w.shape[-2:]):
            raise LatebloomError(f"expected a rank of at most {min(w.shape[-2:])} for {name}, got {self.rank}")
        directions = torch.linalg.svd(of.double(), full_matrices=False).Vh[..., : self.rank, :]
        inside = w.double() @ directions.mT @ directions
        return (inside if self.part == "inside" else w.double() - inside).to(w.dtype)
