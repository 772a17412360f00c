"""Circle isolation: what is left of a network when its embedding keeps one pair of principal components.

Zhong et al. 2023 (2306.17844) isolate each circle of the embedding and compare the logits that remain with a clock's
formula, cos w_k(a + b − c), and a pizza's, |cos(w_k(a − b)/2)| cos w_k(a + b − c).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.measures.clock_pizza import missing_operands, operand_rows
from latebloom.measures.cyclic import CyclicTable
from latebloom.measures.fourier import frequency_norms
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values, labelled

PAIRS = 3
SOURCE = "Zhong et al. 2023 (arXiv 2306.17844), circle isolation"
KEPT = (
    "rows of the operands replaced by their mean and their projection on principal components 2i − 1 and 2i of the "
    f"embedding, i = 1 … {PAIRS}, in order of variance; other tokens' rows kept"
)

RECORDS = (
    Record(
        "circle_frequency",
        "Frequency of each pair of components",
        "the k of the most Fourier energy in the two components together",
        "1",
        f"{KEPT}; NaN for pairs that the embedding has not",
        SOURCE,
        axes=("pair",),
    ),
    Record(
        "circle_accuracy",
        "Accuracy with one pair of components",
        "share of pairs (a, b) whose right answer has the greatest logit",
        "share",
        f"{KEPT}; pairs of the group's cycle, classes of the cycle; ties count as wrong",
        SOURCE,
        better="higher",
        axes=("pair",),
    ),
    Record(
        "circle_clock_fve",
        "Logits of one pair explained as a clock",
        "R² of z_abc on cos w_k(a + b − c), k the pair's circle_frequency",
        "share",
        f"{KEPT}; squared correlation over all (a, b, c) of the cycle, float64",
        SOURCE,
        axes=("pair",),
    ),
    Record(
        "circle_pizza_fve",
        "Logits of one pair explained as a pizza",
        "R² of z_abc on |cos(w_k(a − b)/2)| cos w_k(a + b − c), k the pair's circle_frequency",
        "share",
        f"{KEPT}; squared correlation over all (a, b, c) of the cycle, float64; a + b and a − b change places for "
        "− and ÷",
        SOURCE,
        axes=("pair",),
    ),
)


class Circle(NamedTuple):
    """One pair of principal components alone: its frequency and what it does."""

    frequency: float
    accuracy: float
    clock_fve: float
    pizza_fve: float


def isolated(rows: Float[Tensor, "order width"], pairs: int) -> list[Float[Tensor, "order width"]]:
    """The rows' mean plus their projection on each of the first pairs of principal components that they have."""
    mean = rows.double().mean(0)
    u, scale, v = torch.linalg.svd(rows.double() - mean, full_matrices=False)
    rank = int((scale > 1e-9 * scale.max()).sum())
    starts = range(0, min(2 * pairs, rank // 2 * 2), 2)
    return [(mean + u[:, i : i + 2] * scale[i : i + 2] @ v[i : i + 2]).to(rows) for i in starts]


def formula_fves(z: Float[Tensor, "order order order"], k: int, sign: int) -> tuple[float, float]:
    """R² of a table of logits on the clock's and on the pizza's formula of frequency k (see the records).

    Args:
        z: logits z[i, j, c] by exponents.
        k: the frequency.
        sign: +1 where the answer's exponent is i + j, −1 where it is i − j.
    """
    order = len(z)
    x = torch.arange(order, device=z.device)
    cosines = (2 * math.pi / order * (k * (x[:, None] - x) % order).double()).cos()
    i, j = x[:, None], x
    near = (math.pi / order * (k * (i - sign * j)).double()).cos().abs()
    centred = z.double() - z.double().mean()
    # both formulas have mean zero over the classes, so no constant need be fitted
    along = (centred * cosines[(i + sign * j) % order]).sum(2)
    energy, wave = centred.square().sum(), cosines[0].square().sum()
    clock = along.sum().square() / (order**2 * wave)
    pizza = (near * along).sum().square() / (near.square().sum() * wave)
    return float(clock / energy), float(pizza / energy)


def circle(z: Float[Tensor, "order order order"], rows: Float[Tensor, "order width"], sign: int) -> Circle:
    """What a network does whose operands are turned into `rows`, which hold one pair of components."""
    norms = frequency_norms(rows - rows.mean(0))
    k = int(norms[1:].argmax()) + 1
    order = len(z)
    x = torch.arange(order, device=z.device)
    right = z.gather(2, ((x[:, None] + sign * x) % order)[:, :, None])
    accuracy = ((z >= right).sum(2) == 1).double().mean()
    return Circle(float(k), float(accuracy), *formula_fves(z, k, sign))


def _compute(probe: Probe) -> Values:
    subject, rows = probe.subject, operand_rows(probe.subject, probe.params)
    table = CyclicTable.of(subject)
    found = torch.full((PAIRS, len(Circle._fields)), math.nan, dtype=torch.float64)
    for i, kept in enumerate(isolated(rows, PAIRS) if rows.isfinite().all() else []):
        assert subject.algebra is not None  # `missing` says so otherwise
        embed = probe.params["embed.W_E"].index_copy(0, subject.algebra.cycle.to(rows.device), kept)
        logits = subject.model.logits(probe.params | {"embed.W_E": embed}, subject.examples)
        found[i] = torch.tensor(circle(table.logits(logits), kept, table.sign), dtype=torch.float64)
    pairs = {"pair": list(range(1, PAIRS + 1))}
    return {f"circle_{name}": labelled(found[:, i], pairs) for i, name in enumerate(Circle._fields)}


def _missing(subject: Subject) -> str:
    tensors = subject.model.tensors()
    if why := missing_operands(subject):
        return why
    if "embed.W_E" not in tensors:
        return "the network has no embedding"
    if not any(weight.role == "unembedding" for weight in tensors.values()):
        return "W_E is the unembedding too, and cannot be changed alone"
    return ""


CIRCLES = Measure(
    "circles",
    "What is left of a network when its embedding keeps one pair of principal components.",
    RECORDS,
    _compute,
    _missing,
    level="all",
    cost=5.0,
)
