"""The gradient of a one-layer transformer's loss, written out: what autograd gives for `logits`, in fewer passes.

For networks that read "a b … =" with one row at the last position, no normalisation and a plain MLP (the set-up of
Nanda et al. 2023 and of most of the field). Each example's pre-activations and its direct part of the logits are one
weighted sum of rows of the table [A | B], A = v W_O W_in and B = v W_O W_U, as in `transformer_rows`; what follows,
neurons, logits, loss and all their gradients, is taken for a few hundred examples at a time, so that activations stay
in the cache instead of passing through memory several times. Only first derivatives: curvature goes through `logits`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.axes import Grads, Params
from latebloom.models.bag import Entries, gathered, products, spread
from latebloom.models.rows import Plan
from latebloom.models.tensors import LossGradient
from latebloom.tasks import Examples

if TYPE_CHECKING:
    from latebloom.models.transformer import Transformer

CHUNK_BYTES = 3 * 2**19
"""Activations of one chunk: with their gradient they fit the second-level caches of today's processors."""

HELD_BYTES = 2**18
"""Table rows of the first operand that are used again and again while those of the others pass by."""

WHOLE = 16
"""Columns of the table are filled up to a multiple of this: products of rows that are aligned are twice as fast."""


def handles(model: Transformer, examples: Examples) -> bool:
    """Whether `transformer_gradients` covers this network on these examples."""
    plain = model.n_layers == 1 and model.norm == "none" and model.d_mlp > 0 and model.activation == "relu"
    plain = plain and not (model.gated or model.tied) and model.biases != "all" and model.positions != "rotary"
    plain = plain and model.n_ctx > 1 and examples.labels.dim() == 1
    if not plain or examples.labels.device.type != "cpu":
        return False
    plan = Plan.of(examples, model.causal)
    sizes = [len(plan.rows(0, t)) for t in range(model.n_ctx)]
    out = plan.rows(1, model.n_ctx - 1)
    # one row that asks, tables that are smaller than the batch, and a row of its own for each example
    return sizes[-1] == 1 and 2 * max(sizes) <= len(examples) and out.of is None


class _Layout(NamedTuple):
    """What depends on the examples alone.

    Attributes:
        labels: the right class of each example, in the order in which they are gone through, shape (batch).
        tokens: the token of every row, the last position's at the end, shape (row).
        positions: its position.
        scores: for each position the row of every example, shape (position, batch).
        by_row: the entries of `scores` in the order of their rows.
        offsets: where each row's entries begin in `by_row`.
        entries: the rows of the (head, row) table of each example, and the row that every example has.
        operands: the same without the row that every example has.
        turned: that of the (row, head) table: heads read the same sums, which are then still in the cache.
        kept: buffers that every step writes anew, so that memory is not asked for and cleared each time.
    """

    labels: Int[Tensor, " batch"]
    tokens: Int[Tensor, " row"]
    positions: Int[Tensor, " row"]
    scores: Int[Tensor, "position batch"]
    by_row: Int[Tensor, " entry"]
    offsets: Int[Tensor, " row"]
    entries: Entries
    operands: Entries
    turned: Entries
    kept: dict[torch.dtype, tuple[Tensor, Tensor, Tensor]]

    @classmethod
    def of(cls, model: Transformer, examples: Examples) -> _Layout:
        plan = Plan.of(examples, model.causal)
        name = ("gradient layout", model)
        if name not in plan.memo:
            plan.memo[name] = cls._made(model, plan)
        return plan.memo[name]

    @classmethod
    def _made(cls, model: Transformer, plan: Plan) -> _Layout:
        last, h = model.n_ctx - 1, model.n_heads
        out, rows = plan.rows(1, last), [plan.rows(0, t) for t in range(model.n_ctx)]
        sizes = torch.tensor([len(r) for r in rows])
        starts = sizes.cumsum(0) - sizes
        scores = torch.stack([start + plan.link(out, r) for start, r in zip(starts, rows, strict=True)], 1)
        order = _order(scores, _columns(model) * h)
        scores = scores[order].T.contiguous()
        grouped = Entries(scores, int(sizes.sum()))
        operands, height = scores[:last].T[:, :, None], int(starts[last])
        shared, heads = torch.full((len(order), 1), h * height), torch.arange(h)
        by_head = (operands + heads * height).flatten(1)
        return cls(
            plan.examples.labels[order],
            torch.cat([r.tokens for r in rows]),
            torch.repeat_interleave(torch.arange(model.n_ctx), sizes),
            scores,
            grouped.by_row,
            grouped.row_offsets,
            Entries(torch.cat([by_head, shared], 1), h * height + 1),
            Entries(by_head, h * height),
            Entries((operands * h + heads).flatten(1), h * height),
            {},
        )

    def buffers(self, model: Transformer, dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
        """The table, its rows' weights (1 for the last), and gradients by the sums (0 in columns that fill up)."""
        if dtype not in self.kept:
            batch, columns = len(self.labels), _columns(model)
            table = torch.empty(self.entries.height, columns, dtype=dtype)
            weights = torch.ones(batch, self.entries.rows.shape[1], dtype=dtype)
            self.kept[dtype] = table, weights, torch.zeros(batch, columns, dtype=dtype)
        return self.kept[dtype]


def _chunk(batch: int, neurons: int, bytes_each: int) -> int:
    size = max(64, CHUNK_BYTES // (neurons * bytes_each))
    return math.ceil(batch / math.ceil(batch / size))


def _columns(model: Transformer) -> int:
    """Columns of the table: neurons, logits, and zeros up to a whole number of vectors."""
    return math.ceil((model.d_mlp + model.d_vocab_out) / WHOLE) * WHOLE


def _order(scores: Int[Tensor, "batch position"], numbers: int) -> Int[Tensor, " batch"]:
    """The examples by blocks of the first operand, within a block by the others: `numbers` of a row are held."""
    block = max(1, HELD_BYTES // (4 * numbers))
    operands = [rows for rows in scores.T if int(rows.min()) < int(rows.max())]
    keys = [operands[0], *operands[:0:-1], operands[0] // block]
    order = torch.arange(len(scores))
    for key in keys:
        order = order[torch.argsort(key[order], stable=True)]
    return order


class _Attention(NamedTuple):
    """What the forward pass made of the rows before any example is looked at."""

    x: Float[Tensor, "row width"]
    q: Float[Tensor, "head 1 d_head"]
    k: Float[Tensor, "head row d_head"]
    values: Float[Tensor, "head row d_head"]
    alone: Float[Tensor, "head 1 d_head"]
    target: Float[Tensor, "width column"]
    through: Float[Tensor, "head d_head column"]
    table: Float[Tensor, "entry column"]
    pattern: Float[Tensor, "position batch head"]
    weights: Float[Tensor, "batch entry"]


def transformer_gradients(model: Transformer, params: Params, examples: Examples, loss_gradient: LossGradient) -> Grads:
    """∇ of the mean loss over `examples`, for networks that `handles` accepts."""
    with torch.no_grad():
        layout = _Layout.of(model, examples)
        total = model.softmax_share + (1 - model.softmax_share) * model.n_ctx
        seen = _forward(model, params, layout, total)
        by_sum, by_map, by_base, by_weights = _neurons(model, params, seen, layout, loss_gradient)
        by_rows = spread(by_sum, seen.weights[:, :-1], layout.turned)
        m = model.d_mlp
        grads = _of_maps(params, by_map, by_base[:m], by_base[m : m + model.d_vocab_out])
        return _of_attention(model, params, layout, seen, total, by_base, by_rows, by_weights, grads)


def _forward(model: Transformer, params: Params, layout: _Layout, total: float) -> _Attention:
    block, last = "blocks.0", -1
    x = params["embed.W_E"][layout.tokens] + model.position_table(params)[layout.positions]
    q = x[last:] @ params[f"{block}.attn.W_Q"] / math.sqrt(model.d_head)
    k, v = x @ params[f"{block}.attn.W_K"], x @ params[f"{block}.attn.W_V"]
    scores = (k @ q.transpose(1, 2)).squeeze(2).T.contiguous()
    pattern = torch.nn.functional.embedding(layout.scores, scores).softmax(0)
    # the weights of one example's positions add up to a constant, so the last row moves into the others
    alone = v[:, last:]
    values = v[:, :last] - alone
    w_in, w_u = params[f"{block}.mlp.W_in"], params["unembed.W_U"]
    m, end = model.d_mlp, model.d_mlp + model.d_vocab_out
    target = torch.cat([w_in, w_u, w_u.new_zeros(len(w_u), _columns(model) - end)], 1)
    through = params[f"{block}.attn.W_O"] @ target
    base = x[last] @ target + total * (alone @ through).sum((0, 1))
    if model.biases != "none":
        base[:m] += params[f"{block}.mlp.b_in"]
        base[m:end] += params[f"{block}.mlp.b_out"] @ w_u
    table, weights, _ = layout.buffers(model, x.dtype)
    torch.bmm(values, through, out=table[:-1].view(*values.shape[:2], -1))
    table[-1] = base
    shares = pattern[:-1] if model.softmax_share == 1 else pattern[:-1] * model.softmax_share + 1 - model.softmax_share
    weights[:, :-1].unflatten(1, (-1, model.n_heads)).copy_(shares.transpose(0, 1))
    return _Attention(x, q, k, values, alone, target, through, table, pattern, weights)


def _neurons(
    model: Transformer, params: Params, seen: _Attention, layout: _Layout, loss_gradient: LossGradient
) -> tuple[
    Float[Tensor, "batch column"],
    Float[Tensor, "neuron class"],
    Float[Tensor, " column"],
    Float[Tensor, "batch operand"],
]:
    """Gradients by the weighted sums, by W_out W_U, by the row that all share, and by the other rows' weights."""
    m, end, batch = model.d_mlp, model.d_mlp + model.d_vocab_out, len(layout.labels)
    to_logits = params["blocks.0.mlp.W_out"] @ params["unembed.W_U"]
    by_sum = layout.buffers(model, seen.x.dtype)[2]
    # BLAS is faster where the long side of a product's result is its rows' length
    by_map = torch.zeros_like(to_logits.T, memory_format=torch.contiguous_format)
    by_base, by_weights = torch.zeros_like(by_sum[0]), []
    scale, chunk = model.output_scale, _chunk(batch, m, by_sum.element_size())
    for start in range(0, batch, chunk):
        part = slice(start, min(start + chunk, batch))
        sums = gathered(seen.table, seen.weights, layout.entries, part)
        post = torch.relu_(sums[:, :m])
        logits = sums[:, m:end].addmm_(post, to_logits)
        by_pre, by_logits = by_sum[part, :m], by_sum[part, m:end]
        exact = loss_gradient(logits if scale == 1 else scale * logits, layout.labels[part])
        by_logits.copy_(exact.mul_(scale / batch))
        # denormal numbers would make the products many times slower: latebloom.training.denormals
        torch.hardshrink(by_logits, torch.finfo(by_sum.dtype).tiny, out=by_logits)
        by_map.addmm_(by_logits.T, post)
        torch.mm(by_logits, to_logits.T, out=by_pre)
        torch.ops.aten.threshold_backward.grad_input(by_pre, post, 0, grad_input=by_pre)
        # the chunk's gradients are still in the cache
        by_base += by_sum[part].sum(0)
        by_weights.append(products(by_sum, seen.table, layout.operands, part))
    return by_sum, by_map.T, by_base, torch.cat(by_weights)


def _of_maps(params: Params, by_map: Tensor, by_pre: Tensor, by_logits: Tensor) -> Grads:
    """Gradients of the MLP's output and of the biases; that of W_U and W_in as far as they pass through these."""
    w_out, w_u = params["blocks.0.mlp.W_out"], params["unembed.W_U"]
    grads = {"blocks.0.mlp.W_out": by_map @ w_u.T, "unembed.W_U": w_out.T @ by_map}
    if "blocks.0.mlp.b_in" in params:
        grads["blocks.0.mlp.b_in"] = by_pre.clone()
        grads["blocks.0.mlp.b_out"] = w_u @ by_logits
        grads["unembed.W_U"].addr_(params["blocks.0.mlp.b_out"], by_logits)
    return grads


def _of_attention(
    model: Transformer,
    params: Params,
    layout: _Layout,
    seen: _Attention,
    total: float,
    by_base: Tensor,
    by_rows: Tensor,
    by_weights: Tensor,
    grads: Grads,
) -> Grads:
    """All other gradients, from those of the table's rows and of their weights."""
    attn, m, end = "blocks.0.attn", model.d_mlp, model.d_mlp + model.d_vocab_out
    by_rows = by_rows.unflatten(0, (-1, model.n_heads)).transpose(0, 1)
    alone = total * seen.alone
    by_through = torch.baddbmm(alone.transpose(1, 2) * by_base, seen.values.transpose(1, 2), by_rows)
    by_values = by_rows @ seen.through.transpose(1, 2)
    by_alone = (seen.through @ by_base) * total - by_values.sum(1)
    w_o = params[f"{attn}.W_O"]
    grads[f"{attn}.W_O"] = by_through @ seen.target.T
    by_target = w_o.flatten(0, 1).T @ by_through.flatten(0, 1)
    by_target.addr_(seen.x[-1], by_base)
    grads["blocks.0.mlp.W_in"] = by_target[:, :m].contiguous()
    grads["unembed.W_U"] += by_target[:, m:end]
    by_v = torch.cat([by_values, by_alone[:, None]], 1)
    by_scores = _by_scores(model, layout, seen.pattern, by_weights)
    by_q = (by_scores.T[:, None] @ seen.k) / math.sqrt(model.d_head)
    by_k = by_scores.T[:, :, None] * seen.q
    x = seen.x
    grads[f"{attn}.W_K"], grads[f"{attn}.W_V"] = x.T @ by_k, x.T @ by_v
    grads[f"{attn}.W_Q"] = x[-1, :, None] * by_q
    by_x = (by_k @ params[f"{attn}.W_K"].transpose(1, 2) + by_v @ params[f"{attn}.W_V"].transpose(1, 2)).sum(0)
    by_x[-1] += (by_q @ params[f"{attn}.W_Q"].transpose(1, 2)).sum((0, 1)) + seen.target @ by_base
    grads["embed.W_E"] = torch.zeros_like(params["embed.W_E"]).index_add_(0, layout.tokens, by_x)
    if model.positions == "learned":
        grads["pos_embed.W_pos"] = torch.zeros_like(params["pos_embed.W_pos"]).index_add_(0, layout.positions, by_x)
    return {name: grads[name] for name in params}


def _by_scores(model: Transformer, layout: _Layout, pattern: Tensor, by_weights: Tensor) -> Float[Tensor, "row head"]:
    """Gradient of each row's score, from that of the weights of all but the last position."""
    by_pattern = torch.zeros_like(pattern)
    by_pattern[:-1] = by_weights.unflatten(1, (-1, model.n_heads)).transpose(0, 1)
    by_entry = torch.ops.aten._softmax_backward_data(by_pattern * model.softmax_share, pattern, 0, pattern.dtype)
    return torch.embedding_bag(by_entry.flatten(0, 1), layout.by_row, layout.offsets, mode=0)[0]
