"""What attention looks at from the last position, and which of the operands decides it."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.measures.clock_pizza import operand_positions
from latebloom.measures.cyclic import CyclicTable, missing_cyclic
from latebloom.measures.neurons import neuron_fit
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values, labelled

ALL = "all examples, the pattern of the last position; heads of all blocks, L0H1 the second of the first block"

RECORDS = (
    Record(
        "attention_weight",
        "Mean attention to each position",
        "mean over examples of the weight on each source position",
        "share",
        f"{ALL}; with a uniform share 1 − α (Zhong et al. 2023) the weights are α·softmax + 1 − α",
        "Nanda et al. 2023 (arXiv 2301.05217), appendix C.1.3",
        axes=("head", "position"),
    ),
    Record(
        "attention_entropy",
        "Entropy of attention",
        "mean over examples of −Σ_t w_t ln w_t, w the pattern normalised to sum 1",
        "nats",
        f"{ALL}; 0: one position, ln(positions): even",
        "Shannon entropy of the pattern, as commonly plotted",
        axes=("head",),
    ),
    Record(
        "attention_operand_share",
        "Attention explained by one operand alone",
        "Σ_t Var(E[w_t | operand]) / Σ_t Var(w_t)",
        "share",
        f"{ALL}; operand 0 is a, 1 is b; NaN where the pattern does not vary",
        "between-group variance (law of total variance)",
        axes=("head", "operand"),
    ),
)

CYCLIC = (
    "all pairs of the cycle (discrete logarithms for × and ÷, zero left out), from the last position; the 8 components "
    "of one frequency over centred energy (see the neurons' fit), the best k over all; NaN where nothing varies"
)
TABLE_2 = "Nanda et al. 2023 (arXiv 2301.05217), table 2"
DISPUTE = "whether the published table fits weights or scores we could not establish: both are here"

CYCLIC_RECORDS = (
    Record(
        "attention_fve",
        "Attention explained by one frequency",
        "R² of the weight on a as a polynomial of degree 2 in cos and sin of w_k a and w_k b, at the best k",
        "share",
        CYCLIC,
        TABLE_2,
        DISPUTE,
        axes=("head",),
    ),
    Record(
        "attention_score_fve",
        "Attention scores explained by one frequency",
        "as attention_fve, of ln(w_a/w_b), which is the difference of the two operands' scores",
        "share",
        f"{CYCLIC}; NaN where a weight is 0, and no difference of scores where attention has a uniform share",
        TABLE_2,
        DISPUTE,
        axes=("head",),
    ),
    Record(
        "attention_frequency",
        "Best frequency of each head",
        "the k of attention_fve",
        "1",
        CYCLIC,
        TABLE_2,
        axes=("head",),
    ),
)


def entropies(pattern: Float[Tensor, "batch head position"]) -> Float[Tensor, " head"]:
    """Mean entropy of each head's pattern, normalised to sum 1; nats, float64."""
    weights = pattern.double() / pattern.double().sum(-1, keepdim=True)
    return -torch.special.xlogy(weights, weights).sum(-1).mean(0)


def share_by(pattern: Float[Tensor, "batch head position"], operand: Int[Tensor, " batch"]) -> Float[Tensor, " head"]:
    """Share of the pattern's variance, summed over positions, that lies between the values of one operand."""
    flat = pattern.double().flatten(1)
    centred = flat - flat.mean(0)
    groups, of = operand.unique(return_inverse=True)
    counts = torch.bincount(of, minlength=len(groups))
    sums = torch.zeros(len(groups), flat.shape[1]).to(centred).index_add(0, of, centred)
    between, total = sums.square() / counts[:, None], centred.square()
    between, total = (x.sum(0).unflatten(0, pattern.shape[1:]).sum(-1) for x in (between, total))
    # weights that are equal up to rounding do not vary
    floor = len(flat) * (torch.finfo(pattern.dtype).eps * flat.abs().max()) ** 2
    return torch.where(total > floor, between / total, torch.nan)


def patterns(probe: Probe) -> tuple[list[str], Float[Tensor, "batch head position"]]:
    """The labels of all heads and their patterns at the last position."""
    names = [name for name in probe.activations if name.endswith("attn.hook_pattern")]
    names.sort(key=lambda name: int(name.split(".")[1]))
    found = [probe.activations[name] for name in names]
    heads = [f"L{name.split('.')[1]}H{h}" for name, x in zip(names, found, strict=True) for h in range(x.shape[1])]
    return heads, torch.cat(found, dim=1)


def _compute(probe: Probe) -> Values:
    heads, pattern = patterns(probe)
    operands = probe.subject.task.operands().to(pattern.device).unbind(1)
    shares = torch.stack([share_by(pattern, operand) for operand in operands], dim=1)
    positions = list(range(pattern.shape[2]))
    return {
        "attention_weight": labelled(pattern.double().mean(0), {"head": heads, "position": positions}),
        "attention_entropy": labelled(entropies(pattern), {"head": heads}),
        "attention_operand_share": labelled(shares, {"head": heads, "operand": list(range(len(operands)))}),
    }


def _compute_cyclic(probe: Probe) -> Values:
    heads, pattern = patterns(probe)
    first, second = operand_positions(probe.subject)
    # in float64: a head may vary by little around its mean
    table = CyclicTable.of(probe.subject).values(pattern[:, :, [first, second]].double())
    score = (table[..., 0] / table[..., 1]).log()
    fits = [neuron_fit(x) for x in (table[..., 0], score.where(score.isfinite().all(0).all(0), 0.0))]
    frequency = torch.where(fits[0].fve.isnan(), torch.nan, fits[0].frequency)
    return {
        "attention_fve": labelled(fits[0].fve, {"head": heads}),
        "attention_score_fve": labelled(fits[1].fve, {"head": heads}),
        "attention_frequency": labelled(frequency, {"head": heads}),
    }


def _missing(subject: Subject) -> str:
    return "" if any(name.endswith("attn.W_Q") for name in subject.model.tensors()) else "the network has no attention"


def _missing_cyclic(subject: Subject) -> str:
    if why := _missing(subject) or missing_cyclic(subject):
        return why
    return "" if len(operand_positions(subject)) == 2 else "the operands are not read as two tokens"


ATTENTION = Measure(
    "attention",
    "How much each head looks at each position, and which of the operands decides it.",
    RECORDS,
    _compute,
    _missing,
    cost=0.23,
)
ATTENTION_FOURIER = Measure(
    "attention-fourier",
    "How much of each head's attention one frequency explains.",
    CYCLIC_RECORDS,
    _compute_cyclic,
    _missing_cyclic,
    cost=0.35,
)
