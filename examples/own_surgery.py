"""A surgery of one's own in one file: noise as large as a share of each tensor's own spread.

latebloom fork runs/quick/seed-0 --at grokked --surgery examples/own_surgery.py:Shake:share=0.5 --steps 500
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from latebloom.analysis.surgery import Patient
from latebloom.axes import Params
from latebloom.models import keyed_generator


@dataclass(frozen=True)
class Shake:
    """w ← w + share · σ(W) · ξ with ξ ~ N(0, 1), drawn by the run's seed."""

    share: Annotated[float, Field(ge=0)] = 0.1

    def apply(self, params: Params, patient: Patient) -> Params:
        """Names, shapes and precisions stay; the same seed draws the same noise."""
        shaken = {}
        for name, tensor in params.items():
            noise = tensor.new_empty(tensor.shape, device="cpu").normal_(
                generator=keyed_generator(patient.seed, f"shake/{name}")
            )
            shaken[name] = tensor + self.share * tensor.std(correction=0) * noise.to(tensor.device)
        return shaken
