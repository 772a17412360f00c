"""Rotary positions (Su et al. 2021, arXiv 2104.09864): queries and keys turned by angles that grow with the position.

Entry i of the first half of a head's width is paired with entry i of the second half, as GPT-NeoX and TransformerLens
(rotary_adjacent_pairs = False) do it; the pair i turns by position · 10000^(−2i/d_head).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.axes import Params

if TYPE_CHECKING:
    from latebloom.models.transformer import Transformer


def rotations(model: Transformer, params: Params) -> Float[Tensor, "position half"]:
    """The angle of each pair at each position, radians."""
    half, like = model.d_head // 2, params["embed.W_E"]
    speed = 10000 ** (-torch.arange(half, dtype=torch.float64, device=like.device) / half)
    return (torch.arange(model.n_ctx, dtype=torch.float64, device=like.device)[:, None] * speed).to(like)


def turned(x: Float[Tensor, "*rows d_head"], angle: Tensor) -> Float[Tensor, "*rows d_head"]:
    """Each pair (x_i, x_{i + d/2}) turned by its angle; `angle` broadcasts against the rows' first half."""
    one, other = x.chunk(2, dim=-1)
    cos, sin = angle.cos(), angle.sin()
    return torch.cat([one * cos - other * sin, other * cos + one * sin], dim=-1)
