"""Put another run's tensors into a network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from latebloom.analysis.surgery.contract import Patient, named
from latebloom.analysis.surgery.masks import Tensors
from latebloom.axes import Params
from latebloom.errors import LatebloomError


@dataclass(frozen=True)
class Transplant:
    """Some tensors, by default the embedding, become those of another run with tensors of the same shapes.

    Formula: W ← W of the donor
    Source: defined here; a donor's embedding shows what the representation alone is worth
    """

    donor: Annotated[str, Field(description="the other run, by its name or folder (its last weights), or RUN@STEP")] = (
        ""
    )
    tensors: Tensors = "embed.W_E"

    def apply(self, params: Params, patient: Patient) -> Params:
        """The donor's values of those tensors."""
        names = named(params, self.tensors)
        if not self.donor or patient.donor is None:
            raise LatebloomError("expected a donor, the run whose tensors are put in, got none: set donor")
        given = patient.donor(self.donor)
        for name in names:
            here, there = tuple(params[name].shape), tuple(given[name].shape) if name in given else None
            if here != there:
                got = "none" if there is None else f"{there}"
                raise LatebloomError(f"expected {name} of shape {here} in {self.donor}, got {got}: take another donor")
        return params | {name: given[name].to(params[name].device, params[name].dtype) for name in names}
