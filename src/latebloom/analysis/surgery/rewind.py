"""Give some tensors back their initial values, or others drawn like them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from latebloom.analysis.surgery.contract import Patient, named
from latebloom.analysis.surgery.masks import Tensors
from latebloom.axes import Params
from latebloom.errors import LatebloomError


@dataclass(frozen=True)
class Rewind:
    """Some tensors become what they were before the first update.

    Formula: W ← W₀
    Source: Frankle & Carbin 2019 (arXiv 1803.03635), for the weights that a mask keeps
    """

    tensors: Tensors = "unembed.W_U"

    def apply(self, params: Params, patient: Patient) -> Params:
        """The initial values of those tensors."""
        names = named(params, self.tensors)
        return params | {name: patient.initial[name] for name in names}


@dataclass(frozen=True)
class Redraw:
    """Some tensors are drawn anew by the run's own initial scheme, with another seed.

    Formula: W ← a draw of the scheme `init` (times `init_scale`), by a seed made from the run's and this one
    Source: defined here, as the control of rewind: the same distribution, other numbers
    """

    tensors: Tensors = "unembed.W_U"
    seed: Annotated[int, Field(ge=0, lt=2**32, description="makes another draw")] = 0

    def apply(self, params: Params, patient: Patient) -> Params:
        """New values for those tensors."""
        names = named(params, self.tensors)
        if patient.draw is None:
            raise LatebloomError("expected a run, whose spec says how weights are drawn, got a network from a file")
        digest = hashlib.sha256(f"redraw/{patient.seed}/{self.seed}".encode()).digest()
        drawn = patient.draw(int.from_bytes(digest[:4], "little"))
        return params | {name: drawn[name].to(params[name].dtype) for name in names}
