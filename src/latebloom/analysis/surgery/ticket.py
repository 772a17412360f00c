"""Lottery tickets: the initial weights, masked by what later weights turned out large."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from pydantic import Field

from latebloom.analysis.surgery.contract import WEIGHTS, Patient, named
from latebloom.analysis.surgery.masks import Masks, Scope, Share, Tensors, drawn_like, largest, masked
from latebloom.analysis.surgery.scale import norm_of
from latebloom.axes import Params
from latebloom.errors import LatebloomError


@dataclass(frozen=True)
class Ticket:
    """A lottery ticket: all parameters as they were at first, those weights zero that are small in later ones.

    For a fork at step 0 with `regular.hold_zeros = "*.W_*"`, which keeps the mask through training. The control `norm`
    has no mask: all initial weights are scaled by one factor to the ticket's Σw², as published. The control `random`
    has a mask that keeps as many entries of each tensor, drawn by the run's seed.

    Formula: w ← w₀·[abs(w of source) is not among the ⌊share·N⌋ smallest]
    Source: Minegishi et al. 2023 (arXiv 2310.19470) and its code, there MLPs, kept share .4, magnitudes of all together
    """

    share: Share = 0.6
    scope: Scope = "global"
    source: Annotated[
        str,
        Field(min_length=1, description="whose weights are compared: the run's now, at a step, an event or the end"),
    ] = "end"
    control: Annotated[
        Literal["none", "norm", "random"], Field(description="the ticket, or one of its two controls")
    ] = "none"
    tensors: Tensors = WEIGHTS

    def apply(self, params: Params, patient: Patient) -> Params:
        """The masked or scaled initial weights; `params` says the names alone."""
        names, initial = named(params, self.tensors), patient.initial
        later = patient.weights(self.source)
        masks = largest({name: later[name] for name in names}, self.share, self.scope)
        if self.control == "random":
            return masked(initial, drawn_like(masks, patient.seed, "ticket"))
        return _scaled(initial, masks) if self.control == "norm" else masked(initial, masks)


def _scaled(initial: Params, masks: Masks) -> Params:
    """The tensors of a mask without it, by one factor at the norm that they have with it."""
    whole = {name: initial[name] for name in masks}
    if not norm_of(whole) > 0:
        raise LatebloomError("expected initial weights that are not all zero, got a network of norm 0")
    factor = norm_of({name: torch.where(mask, initial[name], 0) for name, mask in masks.items()}) / norm_of(whole)
    return {name: (w.double() * factor).to(w.dtype) if name in masks else w for name, w in initial.items()}
