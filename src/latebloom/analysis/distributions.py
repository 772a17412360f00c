"""How weights and activations are spread, checkpoint by checkpoint."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from latebloom.analysis.circuits.rebuild import probe_of
from latebloom.errors import LatebloomError
from latebloom.measures.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from latebloom.store import Run

PARTS = (("unembed", "unembedding"), ("embed", "embedding"), ("attn", "attention"), ("mlp", "MLP"))
"""Parts of a network, by words in the names of their tensors; the first that fits."""

EDGES = np.linspace(-5, 1, 61)
"""Of the bins of log10 |w|; what lies beyond them counts in the outermost ones."""

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, eq=False)
class Spread:
    """Values at some checkpoints.

    Attributes:
        steps: of the checkpoints.
        quantiles: at LEVELS, shape (step, level).
        shares: of the values in each bin of EDGES, by their log10 |value|, shape (step, bin).
    """

    steps: list[int]
    quantiles: np.ndarray
    shares: np.ndarray


def part_of(tensor: str) -> str:
    """The part of the network that a tensor belongs to."""
    return next((part for word, part in PARTS if word in tensor), "others")


def weight_spread(run: Run, steps: Sequence[int]) -> dict[str, Spread]:
    """|w| in each part of the network, biases and normalisations included; quantiles are of |w|."""
    found: dict[str, list[np.ndarray]] = {}
    for step in steps:
        values: dict[str, list[np.ndarray]] = {}
        for name, tensor in run.params(step).items():
            values.setdefault(part_of(name), []).append(tensor.abs().double().flatten().numpy())
        for part, pieces in values.items():
            found.setdefault(part, []).append(np.concatenate(pieces))
    return {part: _spread(steps, rows) for part, rows in found.items()}


@torch.no_grad()
def activation_spread(run: Run, steps: Sequence[int]) -> dict[str, Spread]:
    """The last MLP layer before and after its non-linearity, over all pairs and neurons, last position.

    Raises:
        LatebloomError: the run cannot be rebuilt, or has no MLP layer.
    """
    subject = probe_of(run)[1].subject
    found: dict[str, list[Spread]] = {"before": [], "after": []}
    for step in steps:
        seen = Probe(subject, run.params(step)).activations
        blocks = sorted(int(name.split(".")[1]) for name in seen if name.endswith("mlp.hook_post"))
        if not blocks:
            raise LatebloomError(f"{run.folder}: the network has no MLP layer, so it has no activations to show")
        for when, hook in (("before", "hook_pre"), ("after", "hook_post")):
            # one checkpoint's activations at a time: all of them would not fit into memory
            values = seen[f"blocks.{blocks[-1]}.mlp.{hook}"].flatten().numpy()
            found[when].append(_spread([step], [values]))
    return {
        when: Spread(list(steps), np.concatenate([r.quantiles for r in rows]), np.concatenate([r.shares for r in rows]))
        for when, rows in found.items()
    }


def _spread(steps: Sequence[int], rows: Sequence[np.ndarray]) -> Spread:
    return Spread(
        list(steps),
        np.stack([np.quantile(row, LEVELS) for row in rows]),
        np.stack([_shares(row) for row in rows]),
    )


def _shares(values: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        sizes = np.clip(np.log10(np.abs(values)), EDGES[0], EDGES[-1])
    return np.histogram(sizes, EDGES)[0] / max(len(values), 1)
