"""A decoder-only transformer, read at its last positions; tensors and activations have TransformerLens' names."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from latebloom.axes import Grads, Params
from latebloom.models.activations import ACTIVATIONS, Activation
from latebloom.models.rotary import rotations, turned
from latebloom.models.tensors import Edit, LossGradient, Weight, keep
from latebloom.models.transformer_gradients import handles, transformer_gradients
from latebloom.models.transformer_rows import normalised, transformer_logits, transformer_traced
from latebloom.tasks import Examples

Size = Annotated[int, Field(ge=1, le=65536)]


@dataclass(frozen=True)
class Transformer:
    """Blocks of attention and MLP on a residual stream (Elhage et al. 2021; Nanda et al. 2023 for the defaults).

    Formula: x ← x + Σ_h softmax(x W_Q (x W_K)ᵀ/√d_head) x W_V W_O, x ← x + φ(x W_in + b_in) W_out + b_out, z = x W_U
    Size: n_layers·(4d² + 2dm + m + d) + d·(tokens + n_ctx + classes) numbers by default, d = d_model, m = d_mlp
    Source: Vaswani et al. 2017 (arXiv 1706.03762); defaults: Nanda et al. 2023 (arXiv 2301.05217)

    Raises:
        ValueError: n_heads does not divide d_model.
    """

    d_vocab: Annotated[Size, Field(description="tokens that can be read (from the task)")]
    n_ctx: Annotated[Size, Field(description="tokens of one example (from the task)")]
    classes: Annotated[Size, Field(description="answers (from the task)")]
    n_layers: Annotated[int, Field(ge=1, le=32, description="blocks")] = 1
    d_model: Annotated[Size, Field(description="width of the residual stream")] = 128
    n_heads: Annotated[Size, Field(description="attention heads; must divide d_model")] = 4
    d_mlp: Annotated[int, Field(ge=0, le=65536, description="hidden units of each MLP; 0 = attention only, no MLP")] = (
        512
    )
    activation: Annotated[Activation, Field(description="the MLP's non-linearity φ (quadratic: x²)")] = "relu"
    gated: Annotated[
        bool, Field(description="gated MLP: φ of W_gate's output times W_in's (Shazeer 2020; φ = identity: bilinear)")
    ] = False
    norm: Annotated[
        Literal["none", "pre", "post"],
        Field(description="normalisation: none, before each part (and before the unembedding), or after each sum"),
    ] = "none"
    norm_kind: Annotated[
        Literal["layer", "rms"], Field(description="LayerNorm (gain, shift) or RMSNorm (gain; Zhang & Sennrich 2019)")
    ] = "layer"
    biases: Annotated[
        Literal["none", "mlp", "all"],
        Field(description="biases of linear maps: none, the MLP's b_in and b_out, or also b_Q, b_K, b_V, b_O, b_U"),
    ] = "mlp"
    positions: Annotated[
        Literal["learned", "sinusoidal", "rotary", "none"],
        Field(
            description="added to the tokens' embedding: learned or sinusoidal; rotary: queries and keys are turned "
            "instead (Su et al. 2021; needs an even d_head); none"
        ),
    ] = "learned"
    tied: Annotated[bool, Field(description="W_U is the transpose of W_E")] = False
    unembed: Annotated[
        Literal["classes", "tokens"],
        Field(description="logits for the task's answers only, or for every token (as Nanda et al. and Power et al.)"),
    ] = "classes"
    causal: Annotated[bool, Field(description="a position sees only itself and those before it")] = True
    softmax_share: Annotated[
        float,
        Field(
            ge=0,
            le=1,
            description="α: the pattern is α·softmax + (1 − α)·1 (Zhong et al. 2023; 1 = ordinary attention)",
        ),
    ] = 1.0
    output_scale: Annotated[
        float,
        Field(gt=0, le=1e6, description="α: logits are α times the network's (Kumar et al. 2023, who set lr ∝ 1/α²)"),
    ] = 1.0
    answers: Annotated[
        Size, Field(description="answers of one example, read off the last positions (from the task)")
    ] = 1

    def __post_init__(self) -> None:
        if self.positions == "rotary" and self.d_model // self.n_heads % 2:
            raise ValueError(
                f"expected an even d_head for rotary positions, got d_model / n_heads = {self.d_model // self.n_heads}"
            )
        if self.d_model % self.n_heads:
            fits = max(n for n in range(1, self.n_heads + 1) if self.d_model % n == 0)
            raise ValueError(
                f"expected n_heads to divide d_model, got n_heads = {self.n_heads} and d_model = {self.d_model}; "
                f"n_heads = {fits} would do"
            )

    @property
    def d_head(self) -> int:
        """Width of one head."""
        return self.d_model // self.n_heads

    @property
    def d_vocab_out(self) -> int:
        """The number of logits."""
        return self.d_vocab if self.unembed == "tokens" else self.classes

    def tensors(self) -> dict[str, Weight]:
        """Every parameter by its TransformerLens name."""
        d, v = self.d_model, self.d_vocab_out
        found = {"embed.W_E": Weight((self.d_vocab, d), "embedding", self.d_vocab, d)}
        if self.positions == "learned":
            found["pos_embed.W_pos"] = Weight((self.n_ctx, d), "position", self.n_ctx, d)
        for layer in range(self.n_layers):
            found |= {f"blocks.{layer}.{name}": weight for name, weight in self._block().items()}
        if self.norm == "pre":
            found |= self._norm_tensors("ln_final")
        if not self.tied:
            found["unembed.W_U"] = Weight((d, v), "unembedding", d, v)
        if self.biases == "all":
            found["unembed.b_U"] = Weight((v,), "bias", d, v)
        return found

    def _block(self) -> dict[str, Weight]:
        d, h, e, m = self.d_model, self.n_heads, self.d_head, self.d_mlp
        found: dict[str, Weight] = {}
        for name in "QKV":
            found[f"attn.W_{name}"] = Weight((h, d, e), "weight", d, d)
        found["attn.W_O"] = Weight((h, e, d), "weight", d, d)
        if self.biases == "all":
            found |= {f"attn.b_{name}": Weight((h, e), "bias", d, d) for name in "QKV"}
            found["attn.b_O"] = Weight((d,), "bias", d, d)
        if m:
            if self.gated:
                found["mlp.W_gate"] = Weight((d, m), "weight", d, m)
            found["mlp.W_in"] = Weight((d, m), "weight", d, m)
            if self.biases != "none":
                found["mlp.b_in"] = Weight((m,), "bias", d, m)
            found["mlp.W_out"] = Weight((m, d), "weight", m, d)
            if self.biases != "none":
                found["mlp.b_out"] = Weight((d,), "bias", m, d)
        if self.norm != "none":
            for i in (1, 2) if m else (1,):
                found |= self._norm_tensors(f"ln{i}")
        return found

    def _norm_tensors(self, name: str) -> dict[str, Weight]:
        shape = (self.d_model,)
        shift = {f"{name}.b": Weight(shape, "shift")} if self.norm_kind == "layer" else {}
        return {f"{name}.w": Weight(shape, "gain")} | shift

    def logits(self, params: Params, examples: Examples) -> Float[Tensor, "row class"]:
        """The fast path: see `transformer_rows`; with several answers an example there is none."""
        if self.answers > 1:
            return self.apply(params, examples.tokens)[0]
        return transformer_logits(self, params, examples)

    def traced(self, params: Params, examples: Examples) -> tuple[Float[Tensor, "row class"], dict[str, Tensor]]:
        """The fast path with patterns and neurons at the last position; with several answers an example the logits."""
        if self.answers > 1:
            return self.logits(params, examples), {}
        return transformer_traced(self, params, examples)

    def gradients(self, params: Params, examples: Examples, loss_gradient: LossGradient) -> Grads | None:
        """∇ of the mean loss, written out for the commonest networks: see `transformer_gradients`."""
        return transformer_gradients(self, params, examples, loss_gradient) if handles(self, examples) else None

    def apply(
        self, params: Params, tokens: Int[Tensor, "batch position"], edit: Edit = keep
    ) -> tuple[Float[Tensor, "row class"], dict[str, Tensor]]:
        """The plain forward pass; activations as TransformerLens shapes them (q: batch, position, head, d_head)."""
        seen: dict[str, Tensor] = {}

        def hook(name: str, tensor: Tensor) -> Tensor:
            seen[name] = edit(name, tensor)
            return seen[name]

        t = tokens.shape[1]
        embed = hook("hook_embed", params["embed.W_E"][tokens])
        resid = embed + hook("hook_pos_embed", self.position_table(params)[:t].expand_as(embed))
        for layer in range(self.n_layers):
            resid = self._apply_block(params, layer, resid, hook)
        if self.norm == "pre":
            resid = hook("ln_final.hook_normalized", normalised(params, "ln_final", resid))
        read = resid[:, -self.answers :].flatten(0, 1)
        logits = read @ self.unembedding(params) + self.bias(params, "unembed.b_U")
        return self.output_scale * logits, seen

    def _apply_block(self, params: Params, layer: int, resid: Tensor, hook: Edit) -> Tensor:
        block = f"blocks.{layer}"
        resid = hook(f"{block}.hook_resid_pre", resid)
        reads = resid
        if self.norm == "pre":
            reads = hook(f"{block}.ln1.hook_normalized", normalised(params, f"{block}.ln1", resid))
        resid = resid + hook(f"{block}.hook_attn_out", self._apply_attention(params, block, reads, hook))
        if self.norm == "post":
            resid = hook(f"{block}.ln1.hook_normalized", normalised(params, f"{block}.ln1", resid))
        if self.d_mlp:
            resid = self._apply_mlp(params, block, hook(f"{block}.hook_resid_mid", resid), hook)
        return hook(f"{block}.hook_resid_post", resid)

    def _apply_mlp(self, params: Params, block: str, resid: Tensor, hook: Edit) -> Tensor:
        reads = resid
        if self.norm == "pre":
            reads = hook(f"{block}.ln2.hook_normalized", normalised(params, f"{block}.ln2", resid))
        linear = reads @ params[f"{block}.mlp.W_in"] + self.bias(params, f"{block}.mlp.b_in")
        if self.gated:
            linear = hook(f"{block}.mlp.hook_pre_linear", linear)
            pre = hook(f"{block}.mlp.hook_pre", reads @ params[f"{block}.mlp.W_gate"])
            post = hook(f"{block}.mlp.hook_post", self.nonlinear(pre) * linear)
        else:
            post = hook(f"{block}.mlp.hook_post", self.nonlinear(hook(f"{block}.mlp.hook_pre", linear)))
        out = post @ params[f"{block}.mlp.W_out"] + self.bias(params, f"{block}.mlp.b_out")
        resid = resid + hook(f"{block}.hook_mlp_out", out)
        if self.norm == "post":
            resid = hook(f"{block}.ln2.hook_normalized", normalised(params, f"{block}.ln2", resid))
        return resid

    def _apply_attention(self, params: Params, block: str, reads: Tensor, hook: Edit) -> Tensor:
        q, k, v = (
            hook(
                f"{block}.attn.hook_{name.lower()}",
                torch.einsum("btd,hde->bthe", reads, params[f"{block}.attn.W_{name}"])
                + self.bias(params, f"{block}.attn.b_{name}"),
            )
            for name in "QKV"
        )
        if self.positions == "rotary":
            turns = rotations(self, params)[: q.shape[1], None]
            q = hook(f"{block}.attn.hook_rot_q", turned(q, turns))
            k = hook(f"{block}.attn.hook_rot_k", turned(k, turns))
        scores = torch.einsum("bqhe,bkhe->bhqk", q, k) / math.sqrt(self.d_head)
        visible = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device)
        if self.causal:
            visible = visible.tril()
        scores = hook(f"{block}.attn.hook_attn_scores", scores.masked_fill(~visible, -math.inf))
        pattern = self.softmax_share * scores.softmax(-1) + (1 - self.softmax_share) * visible.to(scores)
        z = torch.einsum("bhqk,bkhe->bqhe", hook(f"{block}.attn.hook_pattern", pattern), v)
        z = hook(f"{block}.attn.hook_z", z)
        out = torch.einsum("bqhe,hed->bqd", z, params[f"{block}.attn.W_O"])
        return out + self.bias(params, f"{block}.attn.b_O")

    def nonlinear(self, pre: Tensor) -> Tensor:
        """The MLP's non-linearity."""
        return ACTIVATIONS[self.activation](pre)

    def bias(self, params: Params, name: str) -> Tensor | float:
        """A bias, or 0 where the network has none of that name."""
        return params.get(name, 0.0)

    def unembedding(self, params: Params) -> Float[Tensor, "width class"]:
        """W_U, or the transpose of W_E's first rows where they are tied."""
        return params["embed.W_E"][: self.d_vocab_out].T if self.tied else params["unembed.W_U"]

    def position_table(self, params: Params) -> Float[Tensor, "position width"]:
        """W_pos, the sines and cosines of Vaswani et al. 2017, or zeros where nothing is added."""
        if self.positions == "learned":
            return params["pos_embed.W_pos"]
        like = params["embed.W_E"]
        if self.positions != "sinusoidal":
            return like.new_zeros(self.n_ctx, self.d_model)
        # made where they are used: a captured step may copy nothing from the host
        place = torch.arange(self.n_ctx, dtype=torch.float64, device=like.device)
        entry = torch.arange(0, self.d_model, 2, dtype=torch.float64, device=like.device)
        angle = place[:, None] / 10000 ** (entry / self.d_model)
        pairs = torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)
        return pairs[:, : self.d_model].to(like)
