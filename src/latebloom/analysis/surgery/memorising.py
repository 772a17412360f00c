"""Take the neurons out that no frequency explains."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field

from latebloom.analysis.surgery.contract import Patient
from latebloom.axes import Params
from latebloom.errors import LatebloomError
from latebloom.measures import Probe
from latebloom.measures.neurons import CLUSTER, fit_of, missing_neurons


@dataclass(frozen=True)
class RemoveMemorising:
    """Remove the memorising neurons: those of the last MLP layer of which no one frequency explains enough.

    What they write is set to zero (their rows of W_out, of W_U where there is none), their mean too; what they read
    stays, so that training can bring them back. What else memorises, such as other frequencies of W_E, stays:
    keep-frequencies takes that out.

    Formula: row m of W_out ← 0 where max_k (share of neuron m's variance in frequency k's products) ≤ explained
    Source: defined here, after Doshi et al. 2023 (2310.13061), who prune by IPR; threshold as Nanda et al. (2301.05217)
    """

    explained: Annotated[float, Field(ge=0, lt=1, description="share of its variance above which a neuron is kept")] = (
        CLUSTER
    )

    def apply(self, params: Params, patient: Patient) -> Params:
        """The same network without those neurons."""
        if reason := missing_neurons(patient.subject):
            raise LatebloomError(f"expected neurons over a cyclic group: {reason}")
        # a neuron that never changes has no share, and is not taken for one that memorises
        fve = fit_of(Probe(patient.subject, params)).fve
        memorising = fve <= self.explained
        if not (fve > self.explained).any():
            best = f"{fve.nan_to_num(0).max():.3g}"
            raise LatebloomError(
                f"expected neurons of which one frequency explains more than {self.explained:g}, got at most {best}: "
                "the network has no generalising part by this rule; set explained, or fork it later"
            )
        layer = max(int(name.split(".")[1]) for name in params if name.endswith(".mlp.W_in"))
        name = f"blocks.{layer}.mlp.W_out"
        name = name if name in params else "unembed.W_U"
        return params | {name: torch.where(memorising[:, None], 0, params[name])}
