"""Clock or pizza: does a network multiply the operands' circles, or average them? (Zhong et al. 2023, 2306.17844).

Both algorithms put the operands on circles, z_c ≈ Σ_k α_k g_k(a, b) cos w_k(a + b − c). A clock multiplies cosines and
sines (g = 1); a pizza averages the two embeddings, so that its answer is weaker the further apart the operands are
(g = |cos(w_k(a − b)/2)|), and treats them alike.
"""

from __future__ import annotations

import itertools
import math
import random

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.axes import Params
from latebloom.measures.cyclic import CyclicTable, missing_cyclic
from latebloom.measures.fourier import by_frequency, input_rows, spectrum
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values
from latebloom.models import Model

CIRCULAR, SYMMETRIC, IRRELEVANT = 0.995, 0.98, 0.6
"""Thresholds of Zhong et al. 2023: circular from .995; a pizza above .98 symmetricity and below .6 irrelevance."""

TRIPLES = 400
SOURCE = "Zhong et al. 2023 (arXiv 2306.17844)"

RECORDS = (
    Record(
        "distance_irrelevance",
        "Distance irrelevance",
        "mean_d Std_i(L_{i,d}) / Std(L), L the right answer's logit at sum i and distance d = a − b",
        "share",
        "right answer's logit, all pairs, population standard deviations; discrete logarithms for × and ÷ (zero left "
        "out), d = a + b for − and ÷; 1: the logit does not depend on the distance (clock), 0: on nothing else (pizza)",
        f"{SOURCE}, definition 4.2 and notebook",
        disputes="their training script takes the greatest wrong logit: see distance_irrelevance_wrong",
    ),
    Record(
        "distance_irrelevance_wrong",
        "Distance irrelevance of the greatest wrong logit",
        "mean_d Std_i(M_{i,d}) / Std(M), M the greatest logit but the right answer's",
        "share",
        "as distance_irrelevance, with the greatest wrong logit among all columns of the network",
        f"the training script of {SOURCE}, and so their published table of runs",
        disputes="not what their paper defines: see distance_irrelevance",
    ),
    Record(
        "circularity",
        "Circularity of the embedding",
        "mean over the first 4 principal components u (over tokens, ‖u‖ = 1) of max_k (c_k·u)² + (s_k·u)²",
        "share",
        "rows of the operands in the order of the group's cycle, centred; components without variance left out; "
        "without an embedding the rows of W_in that read the first operand",
        f"{SOURCE}, released code",
        disputes="circles of the same size share their principal components and lower it, though each is perfect",
    ),
    Record(
        "gradient_symmetricity",
        "Gradient symmetricity",
        "mean over (a, b, c) of cos(∂z_c/∂E_a, ∂z_c/∂E_b)",
        "1",
        f"{TRIPLES} triples drawn evenly with a fixed seed, the same at every step; cosines in float64 without ε, "
        "vanishing gradients left out; without an embedding by the one-hot codes; for − and ÷ ∂E_b is reflected by "
        "the orthogonal map nearest to E_x → E_(−x) (our extension, the identity for + and ×)",
        f"{SOURCE}, definition 4.1; they draw 100 triples (`published_triples`)",
        disputes='it is 1 by construction where the operands enter as a sum (uniform attention read at "=")',
    ),
    Record(
        "pizza_class",
        "Clock (0), pizza (1), unclear (.5) or non-circular (−1)",
        f"−1 if circularity < {CIRCULAR}; 1 if symmetricity > {SYMMETRIC} and irrelevance < {IRRELEVANT}; "
        "0 if neither; else .5",
        "1",
        "from circularity, gradient_symmetricity and distance_irrelevance; .5 for more than one block, where the two "
        "are known not to separate, and where one of them is undefined; means nothing before the network generalises",
        f"thresholds of {SOURCE} and of their public table of runs",
        disputes="only some 15 % of their runs are circular: the other answers are needed",
    ),
)
NAMES = {-1.0: "non-circular", 0.0: "clock", 0.5: "unclear", 1.0: "pizza"}
"""What the numbers of `pizza_class` stand for."""


def distance_irrelevance(logits: Float[Tensor, "order order"], sign: int) -> float:
    """Mean over distances of the standard deviation within one, over that of all; NaN where all are equal to rounding.

    Args:
        logits: a logit of every pair (i, j) of exponents.
        sign: +1 where the answer's exponent is i + j and their distance i − j, −1 where it is the other way round.
    """
    logits, order = logits.double(), len(logits)
    j = torch.arange(order, device=logits.device)
    by_distance = logits[(j[:, None] + sign * j) % order, j]  # row d holds the pairs with i − sign·j = d
    total = logits.std(correction=0)
    if not total > 1e-12 * logits.abs().max():
        return math.nan
    return float(by_distance.std(dim=1, correction=0).mean() / total)


def circularity(rows: Float[Tensor, "order width"], components: int = 4) -> float:
    """Share of Fourier energy in the best frequency of each of the first principal components, averaged.

    Args:
        rows: what each operand is turned into, in the order of the group's cycle.
        components: how many principal components; fewer where the rows have not as many.
    """
    rows = rows.double() - rows.double().mean(0)
    if not rows.isfinite().all():
        return math.nan
    u, scale, _ = torch.linalg.svd(rows, full_matrices=False)
    u = u[:, scale > 1e-9 * scale.max()][:, :components]
    if u.shape[1] == 0:
        return math.nan
    return float(by_frequency(spectrum(u).square()).max(dim=0).values.mean())


def published_triples(order: int, count: int = 100) -> Int[Tensor, "triple 3"]:
    """The triples of Zhong et al.'s published .993665: the first of all order³, shuffled by Python's Random(42).

    Holds all order³ triples in memory for a moment.
    """
    triples = list(itertools.product(range(order), repeat=3))
    random.Random(42).shuffle(triples)
    return torch.tensor(triples[:count])


def even_triples(order: int, count: int = TRIPLES) -> Int[Tensor, "triple 3"]:
    """Our triples: drawn evenly with replacement, always the same."""
    return torch.randint(order, (count, 3), generator=torch.Generator().manual_seed(0))


def embedding_gradients(
    model: Model,
    params: Params,
    tokens: Int[Tensor, "triple position"],
    positions: tuple[int, int],
    classes: Int[Tensor, " triple"],
) -> Float[Tensor, "triple 2 width"] | None:
    """∂z_c/∂E at the two operands' positions, one class for each row of tokens; None without a `hook_embed`."""
    embeds: list[Tensor] = []

    def watch(name: str, tensor: Tensor) -> Tensor:
        if name != "hook_embed":
            return tensor
        embeds.append(tensor.detach().requires_grad_())
        return embeds[-1]

    with torch.enable_grad():
        logits, _ = model.apply({name: tensor.detach() for name, tensor in params.items()}, tokens, watch)
        if not embeds:
            return None
        (grads,) = torch.autograd.grad(logits.gather(1, classes[:, None]).sum(), embeds, materialize_grads=True)
    return grads[:, list(positions)].double()


def reflection(rows: Float[Tensor, "order width"]) -> Float[Tensor, "width width"]:
    """The orthogonal matrix R nearest to E_x R = E_(−x): the sign of the symmetric matrix EᵀPE, P the mirror.

    Cosines (and what the rows do not reach) are kept, sines turned over.
    """
    mirrored = rows.double().roll(-1, 0).flip(0)
    values, vectors = torch.linalg.eigh(rows.double().T @ mirrored)
    signs = torch.where(values < -1e-9 * values.abs().max(), -1.0, 1.0).double()
    return (vectors * signs) @ vectors.T


def gradient_symmetricity(gradients: Float[Tensor, "triple 2 width"], mirror: Tensor | None = None) -> float:
    """Mean cosine of the two gradients, in float64 without ε; triples with a vanishing gradient are left out.

    Args:
        gradients: those by the first and by the second operand's embedding.
        mirror: a map of the second one's gradient (`reflection`, where the task subtracts).
    """
    first, second = gradients.double().unbind(1)
    second = second if mirror is None else second @ mirror
    cosines = (first * second).sum(1) / (first.norm(dim=1) * second.norm(dim=1))
    return float(cosines.nanmean())


def classify(circular: float, symmetric: float, irrelevant: float, blocks: int = 1) -> float:
    """A key of `NAMES`, by the thresholds of Zhong et al. 2023; see the record `pizza_class`."""
    if circular < CIRCULAR:
        return -1.0
    if blocks > 1 or math.isnan(circular + symmetric + irrelevant):
        return 0.5
    return ((symmetric > SYMMETRIC) + (irrelevant < IRRELEVANT)) / 2


def operand_positions(subject: Subject) -> tuple[int, ...]:
    """Where each operand stands in the examples' tokens; shorter than the operands where one does not appear."""
    tokens, operands = subject.examples.tokens, subject.task.operands()
    found = ((tokens == operand[:, None].to(tokens)).all(0).nonzero().flatten() for operand in operands.unbind(1))
    return tuple(int(where[0]) for where in found if len(where))


def operand_rows(subject: Subject, params: Params) -> Float[Tensor, "order width"]:
    """What each operand is turned into, in the order of the group's cycle (see `input_rows`)."""
    assert subject.algebra is not None  # `missing_operands` says so otherwise
    rows = input_rows(params, subject.task.d_vocab, operand_positions(subject)[0])
    return rows[subject.algebra.cycle.to(rows.device)]


def missing_operands(subject: Subject) -> str:
    """Why a network's two operands are not seen as points on circles; "" where they are."""
    if why := missing_cyclic(subject):
        return why
    if len(operand_positions(subject)) != 2:
        return "the operands are not read as two tokens"
    if not {"embed.W_E", "blocks.0.mlp.W_in"} & subject.model.tensors().keys():
        return "the network has neither embed.W_E nor blocks.0.mlp.W_in"
    return ""


def _symmetricity(probe: Probe, table: CyclicTable, rows: Tensor) -> float:
    subject, tokens = probe.subject, probe.subject.examples.tokens
    i, j, c = even_triples(table.order).to(tokens.device).unbind(1)
    first, second = operand_positions(subject)
    grads = embedding_gradients(
        subject.model, probe.params, tokens[table.index[i, j]], (first, second), table.classes[c]
    )
    if grads is None or not (grads.isfinite().all() and rows.isfinite().all()):
        return math.nan
    if table.sign > 0:
        return gradient_symmetricity(grads)
    if "embed.W_E" not in probe.params:
        assert subject.algebra is not None
        rows = torch.eye(grads.shape[-1]).to(grads)[subject.algebra.cycle.to(grads.device)]
    return gradient_symmetricity(grads, reflection(rows))


def _compute(probe: Probe) -> Values:
    subject = probe.subject
    table, rows = CyclicTable.of(subject), operand_rows(subject, probe.params)
    # the group's answers, which corrupted labels are not
    logits, answers = table.values(probe.logits), table.classes[table.answers][..., None]
    right, wrong = logits.gather(2, answers)[..., 0], logits.scatter(2, answers, -torch.inf).amax(2)
    right_at, wrong_at = (distance_irrelevance(chosen, table.sign) for chosen in (right, wrong))
    circular, symmetric = circularity(rows), _symmetricity(probe, table, rows)
    blocks = len({name.split(".")[1] for name in probe.params if name.startswith("blocks.")})
    return {
        "distance_irrelevance": right_at,
        "distance_irrelevance_wrong": wrong_at,
        "circularity": circular,
        "gradient_symmetricity": symmetric,
        "pizza_class": classify(circular, symmetric, right_at, blocks),
    }


CLOCK_PIZZA = Measure(
    "clock-pizza",
    "Whether a network multiplies the operands' circles (clock) or averages them (pizza).",
    RECORDS,
    _compute,
    missing_operands,
    cost=0.9,
)
