"""What a network's tensors are, as data: shape, role and fans, from which every initialisation is drawn."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from latebloom.axes import Grads, Params
from latebloom.tasks import Examples

Role = Literal["embedding", "position", "weight", "unembedding", "bias", "gain", "shift"]


@dataclass(frozen=True)
class Weight:
    """One tensor of a network.

    Attributes:
        shape: its sizes.
        role: what it does; initialisation schemes differ by role. A normalisation has a gain and a shift.
        fan_in: how many inputs each of its outputs sums over.
        fan_out: how many outputs each of its inputs reaches.
    """

    shape: tuple[int, ...]
    role: Role
    fan_in: int = 1
    fan_out: int = 1


Edit = Callable[[str, Tensor], Tensor]
"""Called with every activation's name and value; what it returns is used instead (ablation, patching)."""


def keep(name: str, tensor: Tensor) -> Tensor:
    """The edit that changes nothing."""
    return tensor


@runtime_checkable
class Model(Protocol):
    """One network: a frozen dataclass of sizes, with its tensors as data and two ways to compute its logits.

    The fields `d_vocab`, `n_ctx` and `classes` are filled from the task; all others come from the spec. A model's own
    file can live anywhere: `latebloom run` takes `model.name = "file.py:Class"`.
    """

    def tensors(self) -> dict[str, Weight]:
        """Every parameter by name, in the order of computation."""
        ...

    def apply(
        self, params: Params, tokens: Int[Tensor, "batch position"], edit: Edit = keep
    ) -> tuple[Float[Tensor, "row class"], dict[str, Tensor]]:
        """The plain forward pass: logits at the last position and every activation by its TransformerLens name.

        A model with a field `answers` (filled from the task too) gives logits at its last `answers` positions: row
        i·answers + j of them is answer j of example i. Others are refused where a task asks for several.
        """
        ...

    def logits(self, params: Params, examples: Examples) -> Float[Tensor, "row class"]:
        """The fast path used in training: equal to `apply(params, examples.tokens)[0]` up to rounding."""
        ...


@runtime_checkable
class Traced(Protocol):
    """A model whose fast path can also say what it computed on the way; others are measured through `apply`."""

    def traced(self, params: Params, examples: Examples) -> tuple[Float[Tensor, "row class"], dict[str, Tensor]]:
        """Logits by the fast path, and activations at the last position by their TransformerLens names.

        `blocks.i.mlp.hook_pre`, `hook_post`: (batch, neuron); `blocks.i.attn.hook_pattern`: (batch, head, position).
        """
        ...


LossGradient = Callable[[Tensor, Tensor], Tensor]
"""The gradient of Σ over examples of the loss with respect to their logits, from logits (batch, class) and labels.

A new tensor in the precision of the loss, which the caller may change."""


@runtime_checkable
class Graded(Protocol):
    """A model that can take the gradient of a loss in fewer passes than autograd."""

    def gradients(self, params: Params, examples: Examples, loss_gradient: LossGradient) -> Grads | None:
        """∇ of the mean loss over `examples`, equal to autograd's through `logits` up to rounding.

        None where this network or these examples are not among those that it was written for. What it needs to know
        of the examples it keeps in their memo: it pays where the same examples come again.
        """
        ...
