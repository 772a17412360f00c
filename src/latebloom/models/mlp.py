"""Multilayer perceptrons on the tokens' embeddings or one-hot codes, with TransformerLens' names as far as they go."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from latebloom.axes import Params
from latebloom.models.activations import ACTIVATIONS, Activation
from latebloom.models.bag import Entries, bag
from latebloom.models.rows import Plan
from latebloom.models.tensors import Edit, Weight, keep
from latebloom.tasks import Examples

Size = Annotated[int, Field(ge=1, le=65536)]


@dataclass(frozen=True)
class MLP:
    """Hidden layers `blocks.i.mlp` (W_in, b_in, hook_pre, hook_post) and an unembedding (W_U, b_U).

    Formula: h₀ = the tokens' embeddings or one-hot codes, h_i = φ(h_{i−1} W_in + b_in), z = α (h_L W_U + b_U)
    Size: tokens·d_model for W_E, Σ_i (m_{i−1} + 1)·m_i + (m_L + 1)·classes, m₀ = n_ctx·d_model (sum: d_model)
    Source: Rumelhart et al. 1986; φ = x² on one-hot codes: Gromov 2023 (arXiv 2301.02679)
    """

    d_vocab: Annotated[Size, Field(description="tokens that can be read (from the task)")]
    n_ctx: Annotated[Size, Field(description="tokens of one example (from the task)")]
    classes: Annotated[Size, Field(description="answers, the number of logits (from the task)")]
    embedding: Annotated[
        Literal["concatenate", "sum", "one-hot"],
        Field(
            description="one shared embedding, concatenated or summed over positions; or no embedding: one-hot codes"
        ),
    ] = "concatenate"
    d_model: Annotated[Size, Field(description="width of the embedding (unused with one-hot)")] = 128
    widths: Annotated[
        tuple[Size, ...], Field(min_length=1, max_length=32, description="hidden units of each layer")
    ] = (256,)
    activation: Annotated[Activation, Field(description="the non-linearity φ (quadratic: x²)")] = "relu"
    biases: Annotated[bool, Field(description="biases of every linear map")] = True
    output_scale: Annotated[
        float,
        Field(gt=0, le=1e6, description="α: logits are α times the network's (Kumar et al. 2023, who set lr ∝ 1/α²)"),
    ] = 1.0

    @property
    def d_vocab_out(self) -> int:
        """The number of logits."""
        return self.classes

    @property
    def _inputs(self) -> int:
        per_position = self.d_vocab if self.embedding == "one-hot" else self.d_model
        return per_position if self.embedding == "sum" else per_position * self.n_ctx

    def tensors(self) -> dict[str, Weight]:
        """Every parameter by name; the first W_in reads positions one after the other (concatenate, one-hot)."""
        found: dict[str, Weight] = {}
        if self.embedding != "one-hot":
            found["embed.W_E"] = Weight((self.d_vocab, self.d_model), "embedding", self.d_vocab, self.d_model)
        width = self._inputs
        for i, m in enumerate(self.widths):
            found[f"blocks.{i}.mlp.W_in"] = Weight((width, m), "weight", width, m)
            if self.biases:
                found[f"blocks.{i}.mlp.b_in"] = Weight((m,), "bias", width, m)
            width = m
        found["unembed.W_U"] = Weight((width, self.classes), "unembedding", width, self.classes)
        if self.biases:
            found["unembed.b_U"] = Weight((self.classes,), "bias", width, self.classes)
        return found

    def apply(
        self, params: Params, tokens: Int[Tensor, "batch position"], edit: Edit = keep
    ) -> tuple[Float[Tensor, "batch class"], dict[str, Tensor]]:
        """The plain forward pass; `hook_embed` is (batch, position, width), hook_pre and hook_post (batch, neuron)."""
        seen: dict[str, Tensor] = {}

        def hook(name: str, tensor: Tensor) -> Tensor:
            seen[name] = edit(name, tensor)
            return seen[name]

        if self.embedding == "one-hot":
            # not `one_hot`, which looks at the numbers and so cannot be lifted over runs
            every_token = torch.arange(self.d_vocab, device=tokens.device)
            codes = (tokens[..., None] == every_token).to(params["unembed.W_U"].dtype)
        else:
            codes = params["embed.W_E"][tokens]
        x = hook("hook_embed", codes)
        x = x.sum(1) if self.embedding == "sum" else x.flatten(1)
        for i in range(len(self.widths)):
            pre = hook(f"blocks.{i}.mlp.hook_pre", self._linear(params, f"blocks.{i}.mlp.W_in", x))
            x = hook(f"blocks.{i}.mlp.hook_post", self.nonlinear(pre))
        return self.output_scale * self._linear(params, "unembed.W_U", x), seen

    def logits(self, params: Params, examples: Examples) -> Float[Tensor, "batch class"]:
        """The fast path: the first layer is linear in each token, so it is one table a position and a sum of rows."""
        return self.traced(params, examples)[0]

    def traced(self, params: Params, examples: Examples) -> tuple[Float[Tensor, "batch class"], dict[str, Tensor]]:
        """The fast path with every layer's `hook_pre` and `hook_post`."""
        plan = Plan.of(examples, causal=True)
        w = params["blocks.0.mlp.W_in"]
        maps = [w] * self.n_ctx if self.embedding == "sum" else w.chunk(self.n_ctx)
        embed = params.get("embed.W_E")
        tables, columns, height = [], [], 0
        for t in range(self.n_ctx):
            rows = plan.rows(0, t)
            tables.append(maps[t][rows.tokens] if embed is None else embed[rows.tokens] @ maps[t])
            here = torch.arange(len(rows), device=w.device) if rows.of is None else rows.of
            columns.append(height + here)
            height += len(rows)
        if "entries" not in plan.memo:
            plan.memo["entries"] = Entries(torch.stack(columns, 1), height)
        table = torch.cat(tables)
        if self.biases:
            table = table + params["blocks.0.mlp.b_in"] / self.n_ctx
        x, seen = table, {}
        for i in range(len(self.widths)):
            x = self._linear(params, f"blocks.{i}.mlp.W_in", x) if i else bag(table, None, plan.memo["entries"])
            seen[f"blocks.{i}.mlp.hook_pre"] = x
            x = seen[f"blocks.{i}.mlp.hook_post"] = self.nonlinear(x)
        logits = self._linear(params, "unembed.W_U", x)
        return logits if self.output_scale == 1 else logits * self.output_scale, seen

    def nonlinear(self, pre: Tensor) -> Tensor:
        """The non-linearity."""
        return ACTIVATIONS[self.activation](pre)

    def _linear(self, params: Params, name: str, x: Tensor) -> Tensor:
        bias = name.replace("W_", "b_")
        return torch.addmm(params[bias], x, params[name]) if self.biases else x @ params[name]
