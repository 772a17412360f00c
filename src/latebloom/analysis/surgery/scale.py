"""Scale all weights by one factor to a norm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field

from latebloom.analysis.surgery.contract import Patient
from latebloom.axes import Params
from latebloom.errors import LatebloomError


@dataclass(frozen=True)
class ScaleNorm:
    """Scale all parameters, biases too, by one factor to a given norm.

    Formula: w ← w·t/‖w‖ with ‖w‖² = Σw² over all parameters, and t = norm times the unit
    Source: Liu et al. 2022 (arXiv 2210.01117), who hold the norm through training (`regular.norm`)
    """

    norm: Annotated[float, Field(gt=0, le=1e6, description="the norm afterwards, in units")] = 1.0
    unit: Annotated[
        Literal["initial", "now", "1"],
        Field(description="the initial norm, the norm that it is now, or 1: the norm is ‖w‖ itself"),
    ] = "initial"

    def apply(self, params: Params, patient: Patient) -> Params:
        """One factor for all."""
        now = norm_of(params)
        if not now > 0:
            raise LatebloomError("expected weights that are not all zero, got a network of norm 0")
        unit = {"initial": lambda: norm_of(patient.initial), "now": lambda: now, "1": lambda: 1.0}[self.unit]()
        factor = self.norm * unit / now
        return {name: (tensor.double() * factor).to(tensor.dtype) for name, tensor in params.items()}


def norm_of(params: Params) -> float:
    """√Σw² over all parameters, added up in float64."""
    return float(torch.stack([tensor.double().square().sum() for tensor in params.values()]).sum().sqrt())
