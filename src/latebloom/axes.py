"""The axis glossary: one word for each axis and one name for each alias, the same in every signature.

| word | letter | what runs along it |
|---|---|---|
| run | r | members of an ensemble |
| batch | b | examples |
| position | s, t | tokens of one example |
| head | h | attention heads |
| width | d | the residual stream |
| neuron | m | the MLP's hidden units |
| class | v | logits |
| frequency | k | Fourier frequencies of the task's group |
| row | | distinct values that several examples share |
| tensor | | the named parameters of a network |
"""

from __future__ import annotations

from torch import Tensor

Params = dict[str, Tensor]
"""The parameters of one network by TransformerLens' names (`embed.W_E`, `blocks.0.mlp.W_in`, …)."""

Grads = dict[str, Tensor]
"""Gradients by the names of the parameters they belong to."""
