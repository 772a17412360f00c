"""Structure of the embedding: parallelograms (Liu et al. 2022), and how many directions it fills."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.measures.fourier import input_rows, operand_position
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values, labelled
from latebloom.models import keyed_generator

THRESHOLD, BUDGET = 0.01, 2_000_000
ROWS = (
    "rows of W_E (without an embedding, of W_in that read the first operand) of the group's elements, in the order of "
    "its cycle (discrete logarithm for × and ÷, zero left out); every coordinate brought to mean 0 and variance 1 "
    "(n − 1) over them, as in the authors' code; float64"
)
CLOSED = (
    f"closed means a mean square coordinate of E_i + E_j − E_m − E_n below {THRESHOLD} (δ = 0.1 a coordinate), the "
    "rule of the authors' code"
)
LIU = "Liu et al. 2022 (arXiv 2205.10343)"
DISPUTE = (
    "the paper writes ‖E_i + E_j − E_m − E_n‖ ≤ δ without a value; its code divides the squared norm by the width, "
    "which in one dimension is the same. The authors call it too restrictive in many dimensions: points on circles, "
    "which modular addition learns, close no parallelogram"
)
PCA = f"covariance over {ROWS.replace('brought to mean 0 and variance 1 (n − 1)', 'brought to mean 0')}"

RECORDS = (
    Record(
        "rqi",
        "Representation quality index (cyclic)",
        "|{closed in P₀}| / |P₀|, P₀ = {pairs of pairs {i, j} ≠ {m, n} with i + j ≡ m + n (mod n)}",
        "share",
        f"P₀ of the cyclic group, pairs unordered, i = j counts; {CLOSED}; exact up to {BUDGET:,} parallelograms, "
        f"beyond over randomly drawn sums i + j, see rqi_error; {ROWS}",
        f"{LIU} for addition without a modulus; the modulus is this project's",
        disputes=DISPUTE,
        better="higher",
    ),
    Record(
        "rqi_error",
        "Standard error of the index (cyclic)",
        "√((1 − s/S) Var / s) over the s of S sums that were drawn; 0 where all were",
        "share",
        "same draw at every step",
        "sampling without replacement, Cochran 1977",
    ),
    Record(
        "rqi_integer",
        "Representation quality index (integers)",
        "|{closed in P₀}| / |P₀|, P₀ = {pairs of pairs {i, j} ≠ {m, n} with i + j = m + n}",
        "share",
        f"the paper's P₀, without a modulus: an index of a number line; {CLOSED}; sampled as rqi is; {ROWS}",
        LIU,
        disputes=DISPUTE,
        better="higher",
    ),
    Record(
        "effective_loss",
        "Effective loss ℓ₀/Z₀",
        "Σ ‖(E_a ± E_b) − (E_c ± E_d)‖² / |P₀(D)| / Z₀, Z₀ = Σ_k ‖E_k‖²",
        "1",
        "over all pairs P₀(D) of training examples with the same answer, modulus included; a + b and b + a are one "
        f"example where the task commutes; + where exponents add, − where they subtract; {ROWS}",
        f"{LIU}, eq. 4 of v2",
        disputes="v1 and the code leave out 1/|P₀(D)|",
        better="lower",
    ),
    Record(
        "embedding_pca_shares",
        "Explained variance of the embedding",
        "λ_i / Σ λ, descending",
        "share",
        PCA,
        "Liu et al. 2022 (arXiv 2205.10343), figures 1 and 7",
        axes=("component",),
    ),
    Record(
        "embedding_participation_ratio",
        "Participation ratio of the embedding",
        "(Σ λ)² / Σ λ²",
        "1",
        PCA,
        "Gao et al. 2017 (bioRxiv 214262)",
    ),
    Record(
        "embedding_effective_dimension",
        "Effective dimension of the embedding",
        "exp(−Σ q_i log q_i), q_i = λ_i / Σ λ",
        "1",
        PCA,
        "Liu et al. 2022 (arXiv 2205.10343), figure 7",
    ),
)


def standardised(rows: Float[Tensor, "order width"]) -> Float[Tensor, "order width"]:
    """Every coordinate at mean 0 and variance 1 (n − 1), float64; a constant coordinate becomes 0."""
    centred = rows.double() - rows.double().mean(0)
    spread = centred.square().sum(0).div(max(len(rows) - 1, 1)).sqrt()
    return centred / torch.where(spread > 0, spread, torch.inf)


@dataclass(frozen=True)
class Quality:
    """A share of closed parallelograms.

    Attributes:
        share: NaN where there are no parallelograms.
        error: its standard error; 0 where all were counted.
        counted: the number of parallelograms looked at.
    """

    share: float
    error: float
    counted: int


def parallelogram_quality(
    rows: Float[Tensor, "order width"], modular: bool, threshold: float = THRESHOLD, budget: int = BUDGET
) -> Quality:
    """RQI: the share of parallelograms i + j = m + n that the rows close, sum by sum in O(n³/8) distances.

    Rows are taken as they are (see `standardised`). When there are more than `budget` parallelograms, sums are drawn by
    a fixed key until that many are counted, and the error is that of a ratio estimate under such a draw.
    Source: Liu et al. 2022 (arXiv 2205.10343); the threshold is that of the authors' code, on the mean squared
    coordinate.

    Args:
        rows: one row an element, in the order of its number.
        modular: whether sums are taken modulo the number of rows.
        threshold: the mean squared coordinate below which a parallelogram is closed.
        budget: how many to count at most (one sum at least is counted whole).
    """
    sums = len(rows) if modular else 2 * len(rows) - 1
    order = torch.randperm(sums, generator=keyed_generator(0, "parallelograms")).tolist()
    hits, sizes = [], []
    for done, total in enumerate(order):
        pairs = _pairs_of(total, len(rows), modular)
        count = len(pairs) * (len(pairs) - 1) // 2
        if done and sum(sizes) + count > budget:
            break
        middles = rows[pairs[:, 0]] + rows[pairs[:, 1]]
        near = _squared_distances(middles) / rows.shape[1] < threshold
        hits.append((int(near.sum()) - len(pairs)) // 2)
        sizes.append(count)
    counted = sum(sizes)
    if not counted:
        return Quality(math.nan, math.nan, 0)
    share, drawn = sum(hits) / counted, len(sizes)
    if drawn == sums:
        return Quality(share, 0.0, counted)
    residuals = [hit - share * size for hit, size in zip(hits, sizes, strict=True)]
    variance = sum(r * r for r in residuals) / (drawn - 1) if drawn > 1 else math.nan
    return Quality(share, math.sqrt((1 - drawn / sums) * variance / drawn) / (counted / drawn), counted)


def _pairs_of(total: int, order: int, modular: bool) -> Int[Tensor, "pair 2"]:
    """The unordered pairs {i, j} with i + j = total, i = j included."""
    i = torch.arange(order)
    j = (total - i) % order if modular else total - i
    kept = (i <= j) & (j < order)
    return torch.stack([i[kept], j[kept]], dim=1)


def _squared_distances(points: Float[Tensor, "point width"]) -> Float[Tensor, "point point"]:
    # from the points' mean, so that what cancels is small; the diagonal is exactly 0 and so always closed
    points = points - points.mean(0)
    squares = points.square().sum(1)
    distances = (squares[:, None] + squares[None, :] - 2 * points @ points.T).clamp(min=0)
    return distances.fill_diagonal_(0)


def effective_loss(rows: Float[Tensor, "order width"], groups: list[Int[Tensor, "_ 2"]], sign: int = 1) -> float:
    """ℓ₀/Z₀ of Liu et al. 2022, v2: the mean of ‖v − v′‖² over pairs of examples with one answer, by Σ_k ‖E_k‖².

    v = E_a + sign·E_b. Σ ‖v − v′‖² over a group's pairs is its size times the squares about its mean, so that no pair
    is formed. NaN where no two examples share an answer, or all rows are 0.

    Args:
        rows: one row an element (see `standardised`).
        groups: for each answer the operands (a, b) of its examples, each example once.
        sign: +1 where operands add, −1 where they subtract.
    """
    total, count = 0.0, 0
    for pairs in groups:
        middles = rows[pairs[:, 0]] + sign * rows[pairs[:, 1]]
        total += len(pairs) * float((middles - middles.mean(0)).square().sum())
        count += len(pairs) * (len(pairs) - 1) // 2
    scale = float(rows.square().sum())
    return total / count / scale if count and scale > 0 else math.nan


def explained_shares(rows: Float[Tensor, "order width"]) -> Float[Tensor, " component"]:
    """Shares of variance of the principal components, min(order, width) of them, descending; NaN for constant rows."""
    variances = torch.linalg.svdvals(rows.double() - rows.double().mean(0)).square()
    return variances / variances.sum()


def training_groups(subject: Subject) -> list[Int[Tensor, "_ 2"]]:
    """The training examples by answer, operands as places in the cycle; what holds no element of it is left out."""
    algebra = subject.algebra
    assert algebra is not None  # `missing` says so otherwise
    place = torch.full((subject.task.d_vocab,), -1)
    place[algebra.cycle] = torch.arange(algebra.order)
    pairs = place[subject.task.operands()[subject.train_index.cpu()]]
    labels = subject.train.labels.cpu()
    inside = (pairs >= 0).all(dim=1)
    pairs, labels = pairs[inside], labels[inside]
    if algebra.commutative:
        pairs = pairs.sort(dim=1).values
    return list(_grouped(torch.cat([labels[:, None], pairs], dim=1).unique(dim=0)))


def _grouped(examples: Int[Tensor, "example 3"]) -> Iterator[Int[Tensor, "_ 2"]]:
    """The last two columns, by the first one, which is ascending."""
    counts = examples[:, 0].unique_consecutive(return_counts=True)[1]
    yield from examples[:, 1:].split(counts.tolist())


def _compute(probe: Probe) -> Values:
    subject = probe.subject
    algebra = subject.algebra
    assert algebra is not None  # `missing` says so otherwise
    rows = input_rows(probe.params, subject.task.d_vocab, operand_position(subject)).cpu()[algebra.cycle]
    unit, shares = standardised(rows), explained_shares(rows)
    cyclic, integer = (parallelogram_quality(unit, modular) for modular in (True, False))
    return {
        "rqi": cyclic.share,
        "rqi_error": cyclic.error,
        "rqi_integer": integer.share,
        "effective_loss": effective_loss(unit, training_groups(subject), algebra.sign),
        "embedding_pca_shares": labelled(shares, {"component": list(range(1, len(shares) + 1))}),
        "embedding_participation_ratio": 1 / float(shares.square().sum()),
        "embedding_effective_dimension": math.exp(float(torch.special.entr(shares).sum())),
    }


def _missing(subject: Subject) -> str:
    if subject.algebra is None:
        return "the task states no cyclic group"
    if not {"embed.W_E", "blocks.0.mlp.W_in"} & subject.model.tensors().keys():
        return "the network has neither embed.W_E nor blocks.0.mlp.W_in"
    return "" if subject.algebra.order > 1 else "the cyclic group has one element"


REPRESENTATION = Measure(
    "representation",
    "Whether the embedding forms parallelograms, and how many directions it fills.",
    RECORDS,
    _compute,
    _missing,
    level="default",
    cost=5.0,
)
