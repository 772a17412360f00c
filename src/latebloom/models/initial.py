"""Initial parameters: named schemes, each tensor drawn from a generator of its own.

A tensor's generator is keyed by (seed, name), so that changing one tensor's shape leaves all others as they were.
The scheme `nanda2023` instead repeats the published draw of one generator in a fixed order.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable

import torch
from torch import Generator, Tensor

from latebloom.axes import Params
from latebloom.models.tensors import Weight


def keyed_generator(seed: int, name: str) -> Generator:
    """A generator whose stream depends on the seed and the name alone."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8], "little") >> 1)


def normal(weight: Weight, generator: Generator) -> Tensor:
    """N(0, 1/fan_in) for weights, N(0, 1/d_model) for embeddings and positions; biases 0, gains 1."""
    if weight.role in ("bias", "gain", "shift"):
        return torch.full(weight.shape, float(weight.role == "gain"))
    width = weight.shape[-1] if weight.role in ("embedding", "position") else weight.fan_in
    return torch.randn(weight.shape, generator=generator) / math.sqrt(width)


def pytorch(weight: Weight, generator: Generator) -> Tensor:
    """PyTorch's defaults: U(±1/√fan_in) linear maps and biases, N(0, 1) embeddings and positions; gains 1, shifts 0."""
    if weight.role in ("gain", "shift"):
        return torch.full(weight.shape, float(weight.role == "gain"))
    if weight.role in ("embedding", "position"):
        return torch.randn(weight.shape, generator=generator)
    bound = 1 / math.sqrt(weight.fan_in)
    return (torch.rand(weight.shape, generator=generator) * 2 - 1) * bound


def xavier(weight: Weight, generator: Generator) -> Tensor:
    """Xavier-uniform U(±√(6/(fan_in + fan_out))) weights, N(0, 0.02²) embeddings and positions; biases 0, gains 1."""
    if weight.role in ("bias", "gain", "shift"):
        return torch.full(weight.shape, float(weight.role == "gain"))
    if weight.role in ("embedding", "position"):
        return torch.randn(weight.shape, generator=generator) * 0.02
    bound = math.sqrt(6 / (weight.fan_in + weight.fan_out))
    return (torch.rand(weight.shape, generator=generator) * 2 - 1) * bound


SCHEMES: dict[str, Callable[[Weight, Generator], Tensor]] = {
    "normal": normal,
    "pytorch": pytorch,
    "xavier": xavier,
}
NAMED = [*SCHEMES, "nanda2023"]


def initial_params(tensors: dict[str, Weight], scheme: str, seed: int) -> Params:
    """Draws every tensor in float32 (wider weights are widened afterwards, so that precisions share their start).

    Args:
        tensors: the network's tensors as data.
        scheme: one of `NAMED`.
        seed: any integer ≥ 0.

    Raises:
        ValueError: the scheme does not suit the network.
    """
    if scheme == "nanda2023":
        return _nanda2023(tensors, seed)
    draw = SCHEMES[scheme]
    return {name: draw(weight, keyed_generator(seed, name)) for name, weight in tensors.items()}


# Nanda et al. 2023 (arXiv 2301.05217), as released: one generator, W_E, W_pos, W_K, W_Q, W_V, W_O, W_in, W_out, W_U in
# this order, in layouts that are the transposes of TransformerLens' (W_O as (d_model, head·d_head)).
_NANDA_BLOCK = ("attn.W_K", "attn.W_Q", "attn.W_V", "attn.W_O", "mlp.W_in", "mlp.W_out")
_NANDA_ROLES = ("embedding", "position", "weight", "unembedding")


def check_scheme(tensors: dict[str, Weight], scheme: str) -> None:
    """Says whether a scheme suits a network, without drawing anything.

    Raises:
        ValueError: it does not.
    """
    if scheme != "nanda2023":
        return
    order = _nanda_order(tensors)
    drawn = [name for name, weight in tensors.items() if weight.role in _NANDA_ROLES]
    if sorted(order) != sorted(drawn):
        raise ValueError(
            "the init scheme nanda2023 is the published draw of an untied transformer with learned positions: "
            f"expected the tensors {', '.join(sorted(order))}, got {', '.join(sorted(drawn))}; use another init scheme"
        )


def _nanda_order(tensors: dict[str, Weight]) -> list[str]:
    blocks = dict.fromkeys(name.rsplit(".", 2)[0] for name in tensors if name.startswith("blocks."))
    inner = [f"{block}.{part}" for block in blocks for part in _NANDA_BLOCK]
    return ["embed.W_E", "pos_embed.W_pos", *inner, "unembed.W_U"]


def _nanda2023(tensors: dict[str, Weight], seed: int) -> Params:
    check_scheme(tensors, "nanda2023")
    generator = Generator().manual_seed(seed)
    d_model = tensors["embed.W_E"].shape[1]
    params = {name: torch.full(weight.shape, float(weight.role == "gain")) for name, weight in tensors.items()}
    for name in _nanda_order(tensors):
        params[name] = _nanda_tensor(name, tensors[name].shape, d_model, generator)
    return params


def _nanda_tensor(name: str, shape: tuple[int, ...], d_model: int, generator: Generator) -> Tensor:
    if name.endswith("W_O"):
        heads, d_head, _ = shape
        flat = torch.randn(d_model, heads * d_head, generator=generator) / math.sqrt(d_model)
        return flat.T.reshape(heads, d_head, d_model).contiguous()
    if name in ("pos_embed.W_pos", "unembed.W_U"):
        scale = shape[1] if name == "unembed.W_U" else d_model
        return torch.randn(shape, generator=generator) / math.sqrt(scale)
    flipped = (*shape[:-2], shape[-1], shape[-2])
    return (torch.randn(flipped, generator=generator) / math.sqrt(d_model)).transpose(-1, -2).contiguous()
