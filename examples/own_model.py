"""A network of one's own in one file: a bilinear one, logits = ((E a) ⊙ (E b)) U.

latebloom run --model.name examples/own_model.py:Bilinear --task.equation "a b" --task.p 23 --steps 500
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from latebloom.axes import Params
from latebloom.models import Edit, Weight, keep
from latebloom.tasks import Examples


@dataclass(frozen=True)
class Bilinear:
    """The product of the two tokens' embeddings, unembedded; d_vocab and classes come from the task."""

    d_vocab: int
    classes: int
    d_model: int = 64

    def tensors(self) -> dict[str, Weight]:
        """Embedding and unembedding."""
        return {
            "embed.W_E": Weight((self.d_vocab, self.d_model), "embedding", self.d_vocab, self.d_model),
            "unembed.W_U": Weight((self.d_model, self.classes), "unembedding", self.d_model, self.classes),
        }

    def apply(self, params: Params, tokens: Tensor, edit: Edit = keep) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits and the activations `hook_embed` (batch, position, width) and `hook_product` (batch, width)."""
        embed = edit("hook_embed", params["embed.W_E"][tokens])
        product = edit("hook_product", embed[:, 0] * embed[:, 1])
        return product @ params["unembed.W_U"], {"hook_embed": embed, "hook_product": product}

    def logits(self, params: Params, examples: Examples) -> Tensor:
        """No faster way is known here."""
        return self.apply(params, examples.tokens)[0]
