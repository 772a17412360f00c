"""A bilinear network of two tokens (Chughtai et al. 2023, arXiv 2302.03025): no non-linearity but one product."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch
from jaxtyping import Float, Int
from pydantic import Field
from torch import Tensor

from latebloom.axes import Params
from latebloom.models.tensors import Edit, Weight, keep
from latebloom.tasks import Examples

Size = Annotated[int, Field(ge=1, le=65536)]


@dataclass(frozen=True)
class Bilinear:
    """Each operand's embedding, multiplied entry by entry and unembedded: bilinear in the codes of a and b.

    Formula: z = ((W_a x_a) ⊙ (W_b x_b)) W_U
    Size: m·(2·tokens + classes) numbers, m = d_hidden
    Source: the bilinear network in the code of Chughtai et al. 2023 (arXiv 2302.03025)

    W_a and W_b lie below each other in `blocks.0.mlp.W_in`, as the first layer of an MLP on one-hot codes has them; the
    scheme `normal` draws all three from N(0, 1/m), as published. A transformer's MLP is bilinear (Shazeer 2020, arXiv
    2002.05202; Pearce et al. 2024, arXiv 2410.08417) with `gated` and the activation `identity`.

    Raises:
        ValueError: an example has more than two tokens.
    """

    d_vocab: Annotated[Size, Field(description="tokens that can be read (from the task)")]
    n_ctx: Annotated[Size, Field(description="tokens of one example (from the task)")]
    classes: Annotated[Size, Field(description="answers, the number of logits (from the task)")]
    d_hidden: Annotated[Size, Field(description="m, width of both embeddings and of their product")] = 256
    output_scale: Annotated[
        float,
        Field(gt=0, le=1e6, description="α: logits are α times the network's (Kumar et al. 2023, who set lr ∝ 1/α²)"),
    ] = 1.0

    def __post_init__(self) -> None:
        if self.n_ctx > 2:
            raise ValueError(
                f"expected examples of two tokens, the operands, got {self.n_ctx}: a constant token such as = would "
                'only scale the product; set task.equation = "a b"'
            )

    @property
    def d_vocab_out(self) -> int:
        """The number of logits."""
        return self.classes

    def tensors(self) -> dict[str, Weight]:
        """Embeddings and unembedding."""
        m, tokens = self.d_hidden, self.d_vocab * self.n_ctx
        return {
            # one row is read at a time: an embedding, whatever its name
            "blocks.0.mlp.W_in": Weight((tokens, m), "embedding", self.d_vocab, m),
            "unembed.W_U": Weight((m, self.classes), "unembedding", m, self.classes),
        }

    def apply(
        self, params: Params, tokens: Int[Tensor, "batch position"], edit: Edit = keep
    ) -> tuple[Float[Tensor, "batch class"], dict[str, Tensor]]:
        """The forward pass; `hook_embed` is (batch, position, neuron), the product of its rows (batch, neuron).

        No non-linearity follows the product, so that it is both the layer's `hook_pre` and its `hook_post`.
        """
        starts = torch.arange(self.n_ctx, device=tokens.device) * self.d_vocab
        embed = edit("hook_embed", torch.nn.functional.embedding(tokens + starts, params["blocks.0.mlp.W_in"]))
        product = edit("blocks.0.mlp.hook_pre", embed.prod(1))
        post = edit("blocks.0.mlp.hook_post", product)
        seen = {"hook_embed": embed, "blocks.0.mlp.hook_pre": product, "blocks.0.mlp.hook_post": post}
        return self.output_scale * (post @ params["unembed.W_U"]), seen

    def logits(self, params: Params, examples: Examples) -> Float[Tensor, "batch class"]:
        """The same: a token's row is looked up, not computed, and every example has a product of its own."""
        return self.apply(params, examples.tokens)[0]

    def traced(self, params: Params, examples: Examples) -> tuple[Float[Tensor, "batch class"], dict[str, Tensor]]:
        """Logits and the product."""
        logits, seen = self.apply(params, examples.tokens)
        return logits, {name: tensor for name, tensor in seen.items() if name != "hook_embed"}
