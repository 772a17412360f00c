"""The excluded loss in training: how well the network answers its training pairs without its key frequencies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from latebloom.measures.cyclic import PAIRS, CyclicLogits, CyclicTable, missing_cyclic, once
from latebloom.measures.fourier import fourier_basis, spectrum
from latebloom.measures.keys import LIVE, live_keys
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.progress import gap_hits, gap_losses, pair_gaps
from latebloom.measures.record import Measure, Record, Values, labelled
from latebloom.measures.restricted import kept_frequencies, restricted_3d_by_answer

SAFE = (1e-250, 1e250)
"""Sums outside may have lost terms to underflow or overflow, and are computed anew."""


class ByAnswer(NamedTuple):
    """Some pairs, those of the same answer side by side.

    Attributes:
        pairs: their numbers i·order + j; rows are padded with 0.
        real: what is no padding.
    """

    pairs: Int[Tensor, "answer most"]
    real: Bool[Tensor, "answer most"]


def by_answer(mask: Bool[Tensor, "order order"], answer: Int[Tensor, "order order"]) -> ByAnswer:
    """The pairs of a mask, grouped by their answers."""
    chosen = mask.flatten().nonzero().flatten()
    chosen = chosen[answer.flatten()[chosen].argsort(stable=True)]
    counts = torch.bincount(answer.flatten()[chosen], minlength=len(mask))
    real = torch.arange(int(counts.max()), device=mask.device) < counts[:, None]
    return ByAnswer(torch.zeros_like(real, dtype=torch.long).masked_scatter(real, chosen), real)


@once
def train_pairs(subject: Subject) -> ByAnswer:
    """The training pairs along the group, made once."""
    table = CyclicTable.of(subject)
    return by_answer(table.train, table.answers)


def single_parts(logits: CyclicLogits) -> Float[Tensor, "answer class frequency"]:
    """The part of cos and sin w_k(a + sign·b) in the logits of each answer, for every k; entry 0 is frequency 1."""
    basis = fourier_basis(logits.order).to(logits.z.device)
    transform = spectrum(logits.groups.answer)
    parts = basis[1::2].T[:, None, :] * transform[1::2].T
    # where n is even the last frequency has no sine
    sines = len(basis[2::2])
    parts[..., :sines] += basis[2::2].T[:, None, :] * transform[2::2].T
    return parts


def losses_without(
    gaps: Float[Tensor, "answer most class"], parts: Float[Tensor, "answer class part"]
) -> Float[Tensor, "answer most part"]:
    """Cross-entropy of every pair when a part that depends on the answer alone is taken out, for many parts at once.

    The loss is log(1 + Σ_{c≠s} e^(z_c − z_s) · e^(δ_s − δ_c)): one matrix product for each answer s. The answer itself
    is left out of the sum, so small losses are exact.

    Args:
        gaps: z_c − z_s for the pairs of each answer s; −inf at c = s.
        parts: δ_c, what is taken out of the logit of class c of the pairs of answer s.
    """
    growth = parts.diagonal(dim1=0, dim2=1).T[:, None] - parts
    sums = torch.bmm(gaps.exp(), growth.exp())
    losses = sums.log1p()
    if not (SAFE[0] < float(sums.min()) and float(sums.max()) < SAFE[1]):
        for part in range(parts.shape[2]):
            losses[..., part] = gap_losses(gaps + growth[:, None, :, part])
    return losses


def _gaps(z: Float[Tensor, "order order class"], pairs: ByAnswer) -> Float[Tensor, "answer most class"]:
    answer = torch.arange(len(z), device=z.device)[:, None].expand_as(pairs.pairs)
    return pair_gaps(z.flatten(0, 1)[pairs.pairs], answer)


def _accuracy(gaps: Tensor, part: Float[Tensor, "answer class"], real: Tensor) -> float:
    without = gaps + (part.diagonal()[:, None] - part)[:, None]
    return gap_hits(without)[real].double().mean().item()


def excluded_values(logits: CyclicLogits, keys: Sequence[int], pairs: ByAnswer) -> tuple[dict[str, float], Tensor]:
    """Losses and accuracies without the key or all frequencies, in 2D and 3D; and losses without each one alone."""
    means, every = logits.groups.answer, range(1, logits.order // 2 + 1)
    whole = {
        ("", ""): kept_frequencies(logits.order, keys).to(means.device) @ means,
        ("_3d", ""): restricted_3d_by_answer(logits, keys),
        # all that depends on the answer's exponent
        ("", "_all_frequencies"): means - means.mean(dim=0),
        ("_3d", "_all_frequencies"): restricted_3d_by_answer(logits, every),
    }
    gaps = _gaps(logits.z, pairs)
    weights = pairs.real.double() / pairs.real.sum()
    parts = torch.cat([torch.stack(list(whole.values()), dim=2), single_parts(logits)], dim=2)
    losses = torch.tensordot(weights, losses_without(gaps, parts), dims=2)
    values: dict[str, float] = {}
    for (kind, which), part, loss in zip(whole, whole.values(), losses.tolist(), strict=False):
        values[f"excluded{kind}_loss{which}"] = loss
        values[f"excluded{kind}_accuracy{which}"] = _accuracy(gaps, part, pairs.real)
    single = losses[len(whole) :]
    return values | {"excluded_loss_any": single.max().item()}, single


def _compute(probe: Probe) -> Values:
    logits = CyclicLogits.of(probe)
    values, single = excluded_values(logits, live_keys(probe), train_pairs(probe.subject))
    frequencies = {"frequency": list(range(1, logits.order // 2 + 1))}
    return {**values, "excluded_loss_by_frequency": labelled(single, frequencies)}


NANDA = "Nanda et al. 2023 (arXiv 2301.05217), §5.1 and released code"
CHUGHTAI = "Chughtai et al. 2023 (arXiv 2302.03025), their logit-excluded loss for C_n"
DISPUTES = (
    "the text takes out the key frequencies; the curves of figure 7 are met only by taking out all (see "
    "excluded_loss_all_frequencies); others exclude one at a time, or take all or test pairs; live key frequencies "
    "here, the final network's (which leak the future) there"
)
TRAIN = f"training pairs; fitted on all pairs; each class's mean over pairs stays; {PAIRS}; float64"
KINDS = {
    "": ("", "2D: cos and sin of w_k(a ± b) for each class apart (+ for + and ×, − for − and ÷)", NANDA),
    "_3d": (" (3D)", "3D: cos w_k(a ± b − c) alone, one number a frequency", CHUGHTAI),
}
WHICH = {
    "": ("", f"all key_frequencies at once, {LIVE}"),
    "_all_frequencies": (", all frequencies", "all of 1 … n // 2 at once, key or not, so that nothing is to be chosen"),
}
LOSS = "mean over pairs of −log softmax(z − z′)[c], z′ the part of the frequency or frequencies"
HITS = "share of pairs whose answer has the greatest logit of z − z′, z′ the part of the frequencies; a tie is wrong"


def _records(kind: str, which: str) -> tuple[Record, Record]:
    title, directions, source = KINDS[kind]
    suffix, frequencies = WHICH[which]
    variant = f"{frequencies}; {directions}; {TRAIN}"
    names = (f"excluded{kind}_loss{which}", f"excluded{kind}_accuracy{which}")
    return (
        Record(names[0], f"Excluded{title} loss{suffix}", LOSS, "nats", variant, source, disputes=DISPUTES),
        Record(names[1], f"Excluded{title} accuracy{suffix}", HITS, "share", variant, source, disputes=DISPUTES),
    )


RECORDS = (
    *(record for which in WHICH for kind in KINDS for record in _records(kind, which)),
    Record(
        "excluded_loss_any",
        "Excluded loss, any frequency",
        LOSS,
        "nats",
        "the greatest over k = 1 … n // 2 of the loss without k alone, so that no key frequencies are needed; "
        f"{KINDS[''][1]}; {TRAIN}",
        f"{NANDA}, footnote 3",
        disputes=DISPUTES,
    ),
    Record(
        "excluded_loss_by_frequency",
        "Excluded loss of each frequency",
        LOSS,
        "nats",
        f"one frequency alone, for each of 1 … n // 2; {KINDS[''][1]}; {TRAIN}",
        f"{NANDA}, App. C.1.5",
        disputes=DISPUTES,
        axes=("frequency",),
    ),
)


def _missing(subject: Subject) -> str:
    why = missing_cyclic(subject)
    if not why and not bool(CyclicTable.of(subject).train.any()):
        why = "no training pair is in the table of the cyclic group"
    return why


EXCLUDED = Measure(
    "excluded",
    "How well the network answers its training pairs without its key frequencies.",
    RECORDS,
    _compute,
    _missing,
    cost=0.75,
)
