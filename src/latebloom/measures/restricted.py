"""The restricted loss in training: how well the network answers with the parts of its live key frequencies alone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.measures.cyclic import PAIRS, CyclicLogits, CyclicTable, missing_cyclic
from latebloom.measures.fourier import fourier_basis, frequency_of
from latebloom.measures.keys import LIVE, live_keys
from latebloom.measures.logit_structure import cosine_coefficients
from latebloom.measures.probe import Probe
from latebloom.measures.progress import cube_wave, gap_hits, gap_losses, pair_gaps
from latebloom.measures.record import Measure, Record, Values


def kept_frequencies(order: int, keys: Sequence[int]) -> Float[Tensor, "order order"]:
    """The projection of functions along the group on the waves of some frequencies, without the constant; float64."""
    rows = fourier_basis(order)[torch.isin(frequency_of(order), torch.tensor(list(keys), dtype=torch.long))]
    return rows.T @ rows


def restricted_by_answer(logits: CyclicLogits, keys: Sequence[int]) -> Float[Tensor, "answer class"]:
    """`restricted_logits(z, keys, sign, "2d")`, which are the same for all pairs of the same answer."""
    means = logits.groups.answer
    return kept_frequencies(logits.order, keys).to(means.device) @ means + means.mean(dim=0)


def restricted_3d_by_answer(logits: CyclicLogits, keys: Sequence[int]) -> Float[Tensor, "answer class"]:
    """`restricted_logits(z, keys, sign, "3d", bias=False)`, which are the same for all pairs of the same answer."""
    n, chosen = logits.order, [k - 1 for k in keys]
    lag = torch.arange(n, device=logits.z.device)
    by_lag = cosine_coefficients(logits)[chosen] @ cube_wave(n).to(lag.device)[chosen]
    return by_lag[(lag[:, None] - lag) % n]


def restricted_block(logits: CyclicLogits, keys: Sequence[int]) -> Float[Tensor, "order order class"]:
    """`restricted_logits(z, keys, sign, "block")`, as a sum of functions of a, b, a + sign·b and a − sign·b."""
    n, means = logits.order, logits.groups
    keep = kept_frequencies(n, keys).to(means.a.device)
    # where 2k = n the waves of a + b and of a − b are one, which is counted with a + b
    mirrored = kept_frequencies(n, [k for k in keys if 2 * k != n]).to(keep.device)
    i = torch.arange(n, device=keep.device)
    found = (keep @ means.answer)[(i[:, None] + logits.sign * i) % n]
    found += (mirrored @ means.mirror)[(i[:, None] - logits.sign * i) % n]
    found += (keep @ means.a + means.a.mean(dim=0))[:, None]
    found += keep @ means.b
    return found


def by_split(table: CyclicTable, name: str, losses: Tensor, hits: Tensor) -> Values:
    """Mean over all, training and test pairs of every pair's loss and hit."""
    values: Values = {}
    for split, mask in (("all", torch.ones_like(table.train)), ("train", table.train), ("test", ~table.train)):
        values[f"{name}_loss_{split}"] = losses[mask].mean().item()
        values[f"{name}_accuracy_{split}"] = hits[mask].double().mean().item()
    return values


def _compute_sums(probe: Probe) -> Values:
    logits, keys, table = CyclicLogits.of(probe), live_keys(probe), CyclicTable.of(probe.subject)
    answer = torch.arange(logits.order, device=logits.z.device)
    gaps = pair_gaps(restricted_by_answer(logits, keys), answer)
    # without bias correction every pair is the same: one row stands for all
    cube = pair_gaps(restricted_3d_by_answer(logits, keys)[:1], answer[:1])
    return {
        **by_split(table, "restricted", gap_losses(gaps)[table.answers], gap_hits(gaps)[table.answers]),
        "restricted_3d_loss_all": gap_losses(cube).item(),
        "restricted_3d_accuracy_all": float(gap_hits(cube).item()),
    }


def _compute_block(probe: Probe) -> Values:
    table = CyclicTable.of(probe.subject)
    gaps = pair_gaps(restricted_block(CyclicLogits.of(probe), live_keys(probe)), table.answers)
    return by_split(table, "restricted_block", gap_losses(gaps), gap_hits(gaps))


NANDA = "Nanda et al. 2023 (arXiv 2301.05217), §5.1 and released code"
DISPUTES = (
    "the paper states no split, its figure uses all pairs, later code uses test; live key frequencies are named here, "
    "the final network's (which leak the future) there"
)
SPLITS = {"all": "all pairs", "train": "training pairs", "test": "test pairs"}


def records(name: str, title: str, part: str, bias: str, source: str, splits: Sequence[str]) -> tuple[Record, ...]:
    """Loss and accuracy of one kind of restricted logits on some splits."""
    found = []
    for split in splits:
        variant = f"{SPLITS[split]}; {part}; key_frequencies, {LIVE}; fitted on all pairs; {bias}; {PAIRS}; float64"
        found += [
            Record(
                f"{name}_loss_{split}",
                f"{title} loss, {SPLITS[split]}",
                "mean over pairs of −log softmax(z′)[c], z′ the key frequencies' part of the logits",
                "nats",
                f"{variant}, exact for small losses too",
                source,
                disputes=DISPUTES,
                better="lower",
            ),
            Record(
                f"{name}_accuracy_{split}",
                f"{title} accuracy, {SPLITS[split]}",
                "share of pairs with z′_c > z′_j for every j ≠ c, z′ the key frequencies' part of the logits",
                "share",
                f"{variant}; a tie counts as wrong",
                source,
                disputes=f"{DISPUTES}; the released code adds the final network's mean logits to every step's",
                better="higher",
            ),
        ]
    return tuple(found)


BIAS = "bias correction: each class's mean over all pairs is kept"
SUM_RECORDS = (
    *records(
        "restricted",
        "Restricted",
        "2D: cos and sin of w_k(a ± b) for each class apart (+ for + and ×, − for − and ÷)",
        BIAS,
        NANDA,
        tuple(SPLITS),
    ),
    *records(
        "restricted_3d",
        "Restricted (3D)",
        "3D: cos w_k(a ± b − c) alone, one number a frequency; training and test pairs give the same number",
        "no bias correction",
        "Chughtai et al. 2023 (arXiv 2302.03025), their logit-restricted loss for C_n",
        ("all",),
    ),
)
BLOCK_RECORDS = records(
    "restricted_block",
    "Restricted (block)",
    "block: all non-constant products of 1, cos, sin(w_k a) and 1, cos, sin(w_k b) for each class apart",
    BIAS,
    "Nanda et al. 2023 (arXiv 2301.05217): the whole frequency, as reproductions also restrict",
    tuple(SPLITS),
)

RESTRICTED = Measure(
    "restricted",
    "How well the network answers with its key frequencies alone: waves of the answer.",
    SUM_RECORDS,
    _compute_sums,
    missing_cyclic,
    cost=0.3,
)
RESTRICTED_BLOCK = Measure(
    "restricted-block",
    "How well the network answers with all products of its key frequencies' waves of a and b.",
    BLOCK_RECORDS,
    _compute_block,
    missing_cyclic,
    cost=0.6,
)
