"""The transformer's fast path: every row of every layer once, and only the last position in the last layer.

Exact, whatever the architecture:

- the first layer's queries, keys and values are computed per distinct (token, position), not per example;
- under a causal mask, later layers' rows are the distinct beginnings of the examples;
- in the last layer only the last position asks.

Where nothing non-linear stands between attention and MLP (one layer, no LayerNorm), W_in and W_U are applied to the few
value rows first, and each example's pre-activations are a weighted sum of table rows (`bag`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.axes import Params
from latebloom.models.bag import Entries, bag
from latebloom.models.rows import Plan, Rows
from latebloom.tasks import Examples

if TYPE_CHECKING:
    from latebloom.models.transformer import Transformer


def transformer_logits(model: Transformer, params: Params, examples: Examples) -> Float[Tensor, "batch class"]:
    """Logits at the last position, equal to `model.apply` up to rounding."""
    plan = Plan.of(examples, model.causal)
    embed, pos = params["embed.W_E"], model.position_table(params)
    stream = [embed[plan.rows(0, t).tokens] + pos[t] for t in range(model.n_ctx)]
    if model.n_layers == 1 and model.norm == "none":
        return _folded(model, params, plan, stream)
    for layer in range(model.n_layers):
        asking = range(model.n_ctx) if layer < model.n_layers - 1 else [model.n_ctx - 1]
        stream = _layer(model, params, plan, layer, stream, asking)
    last = stream[0]
    if model.norm == "pre":
        last = _norm(params, "ln_final", last)
    rows = plan.rows(model.n_layers, model.n_ctx - 1)
    logits = last @ model.unembedding(params) + model.bias(params, "unembed.b_U")
    return logits if rows.of is None else logits[rows.of]


def _norm(params: Params, name: str, x: Tensor) -> Tensor:
    return torch.nn.functional.layer_norm(x, x.shape[-1:], params[f"{name}.w"], params[f"{name}.b"], 1e-5)


def _layer(
    model: Transformer, params: Params, plan: Plan, layer: int, stream: list[Tensor], asking: range | list[int]
) -> list[Tensor]:
    block = f"blocks.{layer}"
    reads = [_norm(params, f"{block}.ln1", x) if model.norm == "pre" else x for x in stream]
    return [
        _mlp(model, params, block, resid)
        for resid in (
            stream[t][plan.link(plan.rows(layer + 1, t), plan.rows(layer, t))]
            + _attention(model, params, plan, layer, reads, t)
            for t in asking
        )
    ]


def _mlp(model: Transformer, params: Params, block: str, resid: Tensor) -> Tensor:
    if model.norm == "post":
        resid = _norm(params, f"{block}.ln1", resid)
    reads = _norm(params, f"{block}.ln2", resid) if model.norm == "pre" else resid
    post = model.nonlinear(reads @ params[f"{block}.mlp.W_in"] + model.bias(params, f"{block}.mlp.b_in"))
    resid = resid + post @ params[f"{block}.mlp.W_out"] + model.bias(params, f"{block}.mlp.b_out")
    return _norm(params, f"{block}.ln2", resid) if model.norm == "post" else resid


def _project(model: Transformer, params: Params, block: str, name: str, reads: Tensor) -> Tensor:
    """Queries, keys or values of rows, shape (row, head, d_head)."""
    found = torch.einsum("rd,hde->rhe", reads, params[f"{block}.attn.W_{name}"])
    return found + model.bias(params, f"{block}.attn.b_{name}")


def _sources(model: Transformer, position: int) -> range:
    return range(position + 1) if model.causal else range(model.n_ctx)


def _pattern(
    model: Transformer, params: Params, plan: Plan, layer: int, reads: list[Tensor], position: int
) -> Float[Tensor, "row position head"]:
    """Attention of one position's rows to every position that it sees."""
    block, out, asks = f"blocks.{layer}", plan.rows(layer + 1, position), plan.rows(layer, position)
    q = _project(model, params, block, "Q", reads[position]) / math.sqrt(model.d_head)
    asked = plan.link(out, asks)
    scores = []
    for s in _sources(model, position):
        source = plan.rows(layer, s)
        k = _project(model, params, block, "K", reads[s])
        read = plan.link(out, source)
        if len(asks) * len(source) <= len(out):
            table = torch.einsum("qhe,khe->qkh", q, k).flatten(0, 1)
            scores.append(torch.nn.functional.embedding(asked * len(source) + read, table))
        else:
            scores.append((q[asked] * k[read]).sum(-1))
    softmax = torch.stack(scores, dim=1).softmax(1)
    return model.softmax_share * softmax + (1 - model.softmax_share)


def _attention(
    model: Transformer, params: Params, plan: Plan, layer: int, reads: list[Tensor], position: int
) -> Float[Tensor, "row width"]:
    """The attention output of one position's rows: shared sources as a bag of rows, the others one by one."""
    block, out = f"blocks.{layer}", plan.rows(layer + 1, position)
    pattern = _pattern(model, params, plan, layer, reads, position)
    w_o = params[f"{block}.attn.W_O"]
    own: Tensor | float = 0.0
    tables, shared = [], []
    for s in _sources(model, position):
        v = _project(model, params, block, "V", reads[s])
        source = plan.rows(layer, s)
        if 2 * len(source) <= len(out):
            tables.append(torch.einsum("rhe,hed->rhd", v, w_o).flatten(0, 1))
            shared.append(s)
        else:
            own = own + pattern[:, s, :, None] * v[plan.link(out, source)]
    result: Tensor | float = model.bias(params, f"{block}.attn.b_O")
    if isinstance(own, Tensor):
        result = own.flatten(1) @ w_o.flatten(0, 1) + result
    if tables:
        entries = _entries(model, plan, layer, position, shared)
        result = bag(torch.cat(tables), pattern[:, shared].flatten(1), entries) + result
    return result  # pyright: ignore[reportReturnType]


def _entries(model: Transformer, plan: Plan, layer: int, position: int, shared: list[int]) -> Entries:
    """The rows of the stacked (position, row, head) tables that each output row sums over."""
    name = ("entries", min(layer, 1), position, model.n_heads)
    if name not in plan.memo:
        out = plan.rows(layer + 1, position)
        columns, height = _head_columns(plan, model.n_heads, out, [plan.rows(layer, s) for s in shared])
        plan.memo[name] = Entries(torch.cat(columns, 1), height)
    return plan.memo[name]


def _head_columns(plan: Plan, heads: int, out: Rows, sources: list[Rows]) -> tuple[list[Tensor], int]:
    columns, height = [], 0
    for source in sources:
        head = torch.arange(heads, device=source.tokens.device)
        columns.append(height + plan.link(out, source)[:, None] * heads + head)
        height += len(source) * heads
    return columns, height


def _folded(model: Transformer, params: Params, plan: Plan, stream: list[Tensor]) -> Float[Tensor, "batch class"]:
    """One layer without LayerNorm: W_in and W_U applied to the value rows, then one weighted sum of rows per example.

    A position with a single row (the "=" at the end) is eliminated: the pattern sums to a constant, so its weight is
    that constant less the others', and it moves into their rows and into the row that every example has.
    """
    w_u = model.unembedding(params)
    both = torch.cat([params["blocks.0.mlp.W_in"], w_u], dim=1)
    w_o_both = params["blocks.0.attn.W_O"] @ both
    position = model.n_ctx - 1
    sources = list(_sources(model, position))
    single = next((s for s in reversed(sources) if len(plan.rows(0, s)) == 1), None)
    others = [s for s in sources if s != single]
    values = {
        s: torch.einsum("rhe,hef->rhf", _project(model, params, "blocks.0", "V", stream[s]), w_o_both) for s in sources
    }
    base = (stream[position] + model.bias(params, "blocks.0.attn.b_O")) @ both + _constant(model, params, w_u)
    if single is not None:
        total = model.softmax_share + (1 - model.softmax_share) * len(sources)
        base = base + total * values[single].sum(1)
    tables = [(values[s] if single is None else values[s] - values[single]).flatten(0, 1) for s in others]
    table = torch.cat([*tables, base])
    pattern = _pattern(model, params, plan, 0, stream, position)[:, others].flatten(1)
    weights = torch.cat([pattern, torch.ones_like(pattern[:, :1])], dim=1)
    entries = _folded_entries(model, plan, others)
    pre = bag(table[:, : model.d_mlp], weights, entries)
    direct = bag(table[:, model.d_mlp :], weights, entries)
    return torch.addmm(direct, model.nonlinear(pre), params["blocks.0.mlp.W_out"] @ w_u)


def _constant(model: Transformer, params: Params, w_u: Tensor) -> Tensor:
    """What the biases add to the pre-activations and to the logits, side by side."""
    b_in = params.get("blocks.0.mlp.b_in", w_u.new_zeros(model.d_mlp))
    b_u = params.get("unembed.b_U", w_u.new_zeros(model.d_vocab_out))
    if "blocks.0.mlp.b_out" in params:
        b_u = b_u + params["blocks.0.mlp.b_out"] @ w_u
    return torch.cat([b_in, b_u])


def _folded_entries(model: Transformer, plan: Plan, others: list[int]) -> Entries:
    name = ("folded", model.n_heads)
    if name not in plan.memo:
        position = model.n_ctx - 1
        batch = plan.examples
        out = Rows(batch.tokens[:, position], None, None)
        columns, height = _head_columns(plan, model.n_heads, out, [plan.rows(0, s) for s in others])
        base = plan.rows(0, position)
        columns.append(height + plan.link(out, base)[:, None])
        plan.memo[name] = Entries(torch.cat(columns, 1), height + len(base))
    return plan.memo[name]
