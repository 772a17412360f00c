"""How many directions the weight matrices and the hidden representation use, from their singular values."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.measures.activations import layers, no_neurons
from latebloom.measures.probe import Probe
from latebloom.measures.record import Measure, Record, Values, labelled

RELATIVE = 0.01
"""A singular value counts towards the numerical rank above this share of the greatest."""

MATRICES = (
    "each tensor with two axes or more as one linear map: W_Q, W_K, W_V as (d_model, heads·d_head), W_O as "
    "(heads·d_head, d_model); singular values from a Gram matrix in float64, good to 1e-8 of the greatest"
)
HIDDEN = (
    "neurons of the last MLP after the non-linearity, last position, training examples, the mean of each neuron "
    "subtracted; singular values from the Gram matrix in float64, good to 1e-8 of the greatest"
)
KINDS = {
    "effective_rank": (
        "Effective rank",
        "exp(−Σ p ln p), p = σ_i / Σ σ",
        "Roy & Vetterli 2007 (EUSIPCO)",
        "p is of the singular values; others take their squares, which gives smaller numbers",
    ),
    "stable_rank": ("Stable rank", "Σ σ² / σ_max²", "Rudelson & Vershynin 2007 (arXiv math/0503442)", ""),
    "participation_ratio": (
        "Participation ratio",
        "(Σ σ²)² / Σ σ⁴",
        "Gao et al. 2017 (bioRxiv 214262), of the eigenvalues σ² of a covariance",
        "",
    ),
    "numerical_rank": (
        "Numerical rank",
        f"number of σ > {RELATIVE} σ_max",
        "ordinary definition",
        "depends on the threshold; with the rounding error as threshold nearly every trained matrix has full rank",
    ),
}


def _records(prefix: str, suffix: str, words: str, variant: str, axes: tuple[str, ...]) -> tuple[Record, ...]:
    return tuple(
        Record(f"{prefix}{name}{suffix}", f"{title} {words}", formula, "1", variant, source, disputes, axes=axes)
        for name, (title, formula, source, disputes) in KINDS.items()
    )


def singular_values(matrix: Float[Tensor, "row column"]) -> Float[Tensor, " value"]:
    """Singular values in descending order, float64, as roots of the smaller Gram matrix's eigenvalues.

    Cheap for tall matrices; values below 1e-8 of the greatest are rounding error.
    """
    x = matrix.double()
    gram = x.T @ x if x.shape[0] > x.shape[1] else x @ x.T
    return torch.linalg.eigvalsh(gram).clamp(min=0).sqrt().flip(0)


def ranks(values: Float[Tensor, " value"]) -> dict[str, float]:
    """Effective, stable and numerical rank and the participation ratio of singular values; NaN when all are 0.

    >>> ranks(torch.tensor([2.0, 2.0, 0.0]))["stable_rank"]
    2.0
    """
    sigma = values.double()
    if not sigma.numel() or not sigma.max() > 0:
        return dict.fromkeys(KINDS, float("nan"))
    sigma = sigma / sigma.max()
    share, squares = sigma / sigma.sum(), sigma.square()
    return {
        "effective_rank": torch.special.entr(share).sum().exp().item(),
        "stable_rank": squares.sum().item(),
        "participation_ratio": (squares.sum().square() / squares.square().sum()).item(),
        "numerical_rank": float((sigma > RELATIVE).sum()),
    }


def as_matrix(name: str, tensor: Tensor) -> Float[Tensor, "row column"]:
    """A weight tensor as the linear map that it is part of: heads side by side."""
    if tensor.dim() == 2:
        return tensor
    if name.endswith("W_O"):
        return tensor.flatten(0, -2)
    return tensor.movedim(0, -2).flatten(1) if tensor.dim() == 3 else tensor.flatten(1)


def _compute(probe: Probe) -> Values:
    matrices = {name: as_matrix(name, tensor) for name, tensor in probe.params.items() if tensor.dim() >= 2}
    found = [ranks(singular_values(matrix)) for matrix in matrices.values()]
    axis = {"matrix": list(matrices)}
    return {
        f"{kind}_by_matrix": labelled(torch.tensor([one[kind] for one in found], dtype=torch.float64), axis)
        for kind in KINDS
    }


def _compute_hidden(probe: Probe) -> Values:
    post = layers(probe, "hook_post")[-1][probe.subject.train_index].double()
    return {f"hidden_{kind}": value for kind, value in ranks(singular_values(post - post.mean(dim=0))).items()}


RANKS = Measure(
    "ranks",
    "How many directions each weight matrix uses, from its singular values.",
    _records("", "_by_matrix", "of each matrix", MATRICES, ("matrix",)),
    _compute,
    lambda subject: "" if any(len(w.shape) > 1 for w in subject.model.tensors().values()) else "there are no matrices",
    level="all",
    cost=0.45,
    several=True,
)
HIDDEN_RANKS = Measure(
    "hidden-ranks",
    "How many directions the last hidden layer uses, from its singular values over the training examples.",
    _records("hidden_", "", "of the last hidden layer", HIDDEN, ()),
    _compute_hidden,
    no_neurons,
    level="all",
    cost=2.3,
)
