"""Logits of many runs of one network at once: a pass for one run that is meant to be called under `torch.vmap`.

The fast path of a single run groups its examples once on the host; here the examples differ between runs, so that what
is known of them is tensors of equal shape, with a run axis. A network without a pass of its own is lifted through
`apply`.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.axes import Params
from latebloom.models.lifted_bag import grouping, lifted_bag
from latebloom.models.rotary import rotations, turned
from latebloom.models.tensors import Model
from latebloom.models.transformer import Transformer
from latebloom.tasks import Distinct, Examples

Plan = dict[str, Any]
"""Tensors and groupings by name: what a lifted pass knows of the examples.

Every tensor has the run axis first, and none under `torch.vmap`."""


def lifted_plan(model: Model, examples: Examples, index: Int[Tensor, "run batch"]) -> Plan:
    """The plan of each run's examples, which stand at `index` in the full set; capture-safe."""
    if not (isinstance(model, Transformer) and _folds(model)):
        return {"tokens": examples.tokens[index]}
    many = _gathered(model, examples)
    of_last = _distinct(examples, model.n_ctx - 1).of[index]
    plan: Plan = {}
    if many:
        asked, read, starts = [], [], (0, 0)
        for s in many:
            found = _distinct(examples, s)
            of, height = found.of[index], len(found.tokens)
            asked.append(starts[0] + of_last * height + of)
            read.append(starts[1] + of)
            starts = (starts[0] + _last_rows(model, examples) * height, starts[1] + height)
        plan["scores"] = grouping(torch.stack(asked, 2).flatten(1)[:, :, None], starts[0])
        heads = torch.arange(model.n_heads, device=index.device)
        rows = torch.stack(read, 2)[:, :, None] * model.n_heads + heads[:, None]
        plan["values"] = grouping(rows.flatten(1, 2), starts[1] * model.n_heads)
    if _last_rows(model, examples) > 1:
        plan["last"] = grouping(of_last[:, :, None], _last_rows(model, examples))
    return plan


def lifted_logits(model: Model, params: Params, examples: Examples, plan: Plan) -> Float[Tensor, "batch class"]:
    """Logits of one run, equal to `model.apply` up to rounding.

    Args:
        model: the network.
        params: one run's parameters.
        examples: the full set, which all runs share.
        plan: what `lifted_plan` says of the run's own examples.
    """
    if isinstance(model, Transformer) and _folds(model):
        return _one_layer(model, params, examples, plan)
    return model.apply(params, plan["tokens"])[0]


def _folds(model: Transformer) -> bool:
    """Whether nothing non-linear stands between attention and MLP, so that matrices can be multiplied first."""
    return model.n_layers == 1 and model.norm == "none" and model.n_ctx > 1


def _distinct(examples: Examples, position: int) -> Distinct:
    return examples.distinct_tokens(position)


def _last_rows(model: Transformer, examples: Examples) -> int:
    return len(_distinct(examples, model.n_ctx - 1).tokens)


def _gathered(model: Transformer, examples: Examples) -> list[int]:
    """The positions whose score differs between examples (the last one's is that of its own row)."""
    last = _last_rows(model, examples)
    return [s for s in range(model.n_ctx) if last * len(_distinct(examples, s).tokens) > 1]


def _one_layer(model: Transformer, params: Params, examples: Examples, plan: Plan) -> Float[Tensor, "batch class"]:
    """One layer without normalisation: scores and values of rows, then the matrices after them multiplied together.

    A position at which every example has one token has one row, and is added to all examples alike.
    """
    block, positions = "blocks.0", range(model.n_ctx)
    table = model.position_table(params)
    stream = [params["embed.W_E"][_distinct(examples, s).tokens] + table[s] for s in positions]
    q = _heads(model, params, "Q", stream[-1], model.n_ctx - 1) / math.sqrt(model.d_head)
    k, v = ([_heads(model, params, name, stream[s], s) for s in positions] for name in "KV")
    by_rows = [torch.einsum("qhe,khe->qkh", q, rows).flatten(0, 1) for rows in k]
    many = _gathered(model, examples)
    gathered = lifted_bag(torch.cat([by_rows[s] for s in many]), None, plan["scores"])
    columns = dict(zip(many, gathered.unflatten(0, (-1, len(many))).unbind(1), strict=True))
    batch = len(gathered) // len(many)
    scores = torch.stack([columns[s] if s in columns else by_rows[s].expand(batch, -1) for s in positions], 1)
    pattern = model.softmax_share * scores.softmax(1) + (1 - model.softmax_share)
    weights = pattern[:, many].transpose(1, 2).flatten(0, 1)
    z = lifted_bag(torch.cat([v[s] for s in many]).flatten(0, 1), weights, plan["values"])
    z = z.unflatten(0, (batch, model.n_heads))
    for s in positions:
        if s not in columns:
            z = z + pattern[:, s, :, None] * v[s]
    z, w_o = z.flatten(1), params[f"{block}.attn.W_O"].flatten(0, 1)
    last = stream[-1] + model.bias(params, f"{block}.attn.b_O")

    def mixed(target: Tensor, bias: Tensor | float) -> Tensor:
        base = last @ target + bias
        if "last" in plan:
            base = lifted_bag(base, None, plan["last"])
        return z @ (w_o @ target) + base

    w_u, b_u = model.unembedding(params), model.bias(params, "unembed.b_U")
    if not model.d_mlp:
        return model.output_scale * mixed(w_u, b_u)
    w_out = params[f"{block}.mlp.W_out"]
    if f"{block}.mlp.b_out" in params:
        b_u = b_u + params[f"{block}.mlp.b_out"] @ w_u
    linear = mixed(params[f"{block}.mlp.W_in"], model.bias(params, f"{block}.mlp.b_in"))
    if model.gated:
        post = model.nonlinear(mixed(params[f"{block}.mlp.W_gate"], 0.0)) * linear
    else:
        post = model.nonlinear(linear)
    return model.output_scale * (mixed(w_u, b_u) + post @ (w_out @ w_u))


def _heads(
    model: Transformer, params: Params, name: str, reads: Float[Tensor, "row width"], position: int
) -> Float[Tensor, "row head d_head"]:
    """Queries, keys or values of one position's rows; rotary ones turned."""
    found = torch.einsum("rd,hde->rhe", reads, params[f"blocks.0.attn.W_{name}"])
    found = found + model.bias(params, f"blocks.0.attn.b_{name}")
    if model.positions != "rotary" or name == "V":
        return found
    return turned(found, rotations(model, params)[position])
