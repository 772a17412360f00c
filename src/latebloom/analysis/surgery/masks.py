"""Which entries of some tensors are kept: the largest of all, of each tensor, or as many drawn at random."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from jaxtyping import Bool
from pydantic import Field
from torch import Tensor

from latebloom.axes import Params
from latebloom.models import keyed_generator

Masks = dict[str, Bool[Tensor, "..."]]
"""For each tensor, which entries are kept."""

Share = Annotated[float, Field(ge=0, lt=1, description="share of the entries that is set to zero")]
Scope = Annotated[
    Literal["global", "tensor"],
    Field(description="whether magnitudes of all tensors are compared together, or those of each tensor alone"),
]
Tensors = Annotated[str, Field(min_length=1, description="which tensors, as a pattern of their names")]


def largest(weights: Params, share: float, scope: Literal["global", "tensor"]) -> Masks:
    """All entries but the share of smallest abs(w): exactly ⌊share·N⌋ are dropped, of ties those that come first.

    Args:
        weights: the tensors.
        share: from 0 to below 1.
        scope: N and the order are over all entries, or over those of each tensor.
    """
    if scope == "tensor":
        return {name: largest({name: w}, share, "global")[name] for name, w in weights.items()}
    flat = torch.cat([w.abs().flatten() for w in weights.values()])
    kept = torch.ones(len(flat), dtype=torch.bool, device=flat.device)
    # 0.6 of 10 is 5.999… in binary
    kept[flat.sort(stable=True).indices[: int(share * len(flat) + 1e-9)]] = False
    parts = kept.split([w.numel() for w in weights.values()])
    return {name: part.view(w.shape) for (name, w), part in zip(weights.items(), parts, strict=True)}


def drawn_like(masks: Masks, seed: int, word: str) -> Masks:
    """Masks that keep as many entries of each tensor, drawn by a seed."""
    found: Masks = {}
    for name, mask in masks.items():
        order = torch.randperm(mask.numel(), generator=keyed_generator(seed, f"{word}/{name}")).to(mask.device)
        found[name] = mask.flatten()[order].view(mask.shape)
    return found


def masked(params: Params, masks: Masks) -> Params:
    """Parameters with zeros where a mask does not keep them; tensors without a mask as they are."""
    return {name: torch.where(masks[name], w, 0) if name in masks else w for name, w in params.items()}
