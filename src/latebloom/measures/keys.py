"""Key frequencies: which ones the network computes with. Several rules, since the literature has several.

Every rule says which frequencies from 1 to n // 2 are key at the step that it looks at ("live"). The final network's
key frequencies, which Nanda et al. 2023 use for all earlier steps, leak the future; the analysis of a finished run can
use them with the same functions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.measures.cyclic import PAIRS, CyclicLogits, missing_cyclic, once
from latebloom.measures.fourier import ROWS, by_frequency, embedding_rows, frequency_norms, spectrum, unembedding_rows
from latebloom.measures.neurons import NeuronFit, fit_of, missing_neurons
from latebloom.measures.probe import Probe
from latebloom.measures.record import Measure, Record, Values, labelled

LOUD = 0.25
"""A frequency is key where its norm is more than this share of the largest."""

Keys = tuple[int, ...]


def answer_shares(logits: CyclicLogits) -> Float[Tensor, " frequency"]:
    """Each frequency's share of the logits' energy in cos and sin of w_k(a + sign·b); entry 0 is frequency 1.

    Of z less its mean over classes and each class's mean over pairs; NaN where nothing is left.
    """
    energy = logits.order * by_frequency(spectrum(logits.centred_groups.answer).square().sum(dim=1))[1:]
    return energy / (logits.energy or torch.nan)


def key_frequencies(logits: CyclicLogits) -> Keys:
    """The default rule: frequencies that stand out of chance in what the logits say about a + sign·b. May be empty.

    With s_k of `answer_shares` and its chance value q_k = (2, or 1 where 2k = n) / (n² − 1), the share of a random
    function of (a, b): k is key where s_k > max(q_k^(2/3), √(q_k · max_j s_j)). The first is a third of the way from
    chance to everything on a logarithmic scale (18 times chance at n = 113), and keeps networks that have learnt
    nothing about a + sign·b without key frequencies; the second is half of the way from chance to the greatest, and
    drops what is left of frequencies that lost. It needs no neurons, no embedding and no architecture.

    Source: defined here; published rules (`by_neurons`, `by_embedding`, `by_gap`) always name some frequency.
    """
    return _standing_out(answer_shares(logits), logits.order)


def _standing_out(shares: Tensor, order: int) -> Keys:
    waves = by_frequency(torch.ones(order, dtype=torch.float64))[1:].to(shares.device)
    chance = waves / (order * order - 1)
    return _where(shares > torch.maximum(chance ** (2 / 3), (chance * shares.max()).sqrt()))


def by_neurons(fit: NeuronFit) -> Keys:
    """Every neuron's best frequency, whatever it explains; neurons that never change have none.

    Source: released code of Nanda et al. 2023 (arXiv 2301.05217), searched here over all of 1 … n // 2. Fragile: one
    neuron is enough.
    """
    return tuple(k for k in fit.frequency.unique().tolist() if k)


def by_embedding(norms: Float[Tensor, " frequency"]) -> Keys:
    """Frequencies whose norm in W_E (not squared) is more than 1/4 of the largest.

    Args:
        norms: `frequency_norms` of W_E, the constant first.

    Source: one of the rules in use by reproductions of Nanda et al. 2023; the paper speaks of norms that are not
    negligible. It also names frequencies that the network embeds and does not use.
    """
    return _loud(norms)


def by_unembedding(norms: Float[Tensor, " frequency"]) -> Keys:
    """Frequencies whose norm in W_L = W_U·W_out (not squared) is more than 1/4 of the largest.

    Args:
        norms: `frequency_norms` of W_L along the classes, the constant first.

    Source: Nanda et al. 2023 (arXiv 2301.05217), App. C.2, "nontrivial" coefficients; no threshold is published, and
    that of `by_embedding` is taken.
    """
    return _loud(norms)


def _loud(norms: Tensor) -> Keys:
    return _where(norms[1:] > LOUD * norms[1:].max())


def by_gap(norms: Float[Tensor, " frequency"]) -> Keys:
    """The frequencies above the largest gap between neighbours of the sorted norms (differences, not ratios).

    One frequency alone is key; equal norms have no gap, and no frequency is key. For all others it always names some.

    Args:
        norms: `frequency_norms` of W_E, the constant first.

    Source: one of the rules in use by reproductions of Nanda et al. 2023.
    """
    ordered = norms[1:].sort(descending=True)
    if len(ordered.values) == 1:
        return _where(norms[1:] > 0)
    gaps = -ordered.values.diff()
    if not gaps.max() > 0:
        return ()
    return tuple(sorted((ordered.indices[: int(gaps.argmax()) + 1] + 1).tolist()))


def _where(chosen: Tensor) -> Keys:
    return tuple((chosen.nonzero().flatten() + 1).tolist())


def agreement(rules: Sequence[Sequence[int]]) -> float:
    """Mean over pairs of rules of |A ∩ B| / |A ∪ B| (Jaccard; 1 where both are empty); NaN for fewer than two rules.

    >>> agreement([(1, 2), (2,), (2,)])
    0.6666666666666666
    """
    pairs = list(combinations([set(rule) for rule in rules], 2))
    if not pairs:
        return float("nan")
    return sum(len(a & b) / len(a | b) if a | b else 1.0 for a, b in pairs) / len(pairs)


@once
def live_keys(probe: Probe) -> Keys:
    """`key_frequencies` of a probe's logits."""
    return key_frequencies(CyclicLogits.of(probe))


LIVE = "live: those of the step itself"
NAMES = {
    "key_frequencies": (
        "Key frequencies",
        "s_k > max(q_k^(2/3), √(q_k max_j s_j)), s_k the share of k in the logits' energy, q_k its chance value",
        f"energy of cos and sin of w_k(a ± b) over that of z less its means over classes and over pairs; {PAIRS}; "
        f"q_k = 2/(n² − 1), 1/(n² − 1) where 2k = n; {LIVE}",
        "defined here, so that networks that know nothing about a ± b have none",
    ),
    "key_by_neurons": (
        "Key frequencies by neurons",
        "k is the best frequency of some neuron",
        f"neurons of the last MLP layer that change at all, searched over all of 1 … n // 2; {LIVE}",
        "Nanda et al. 2023 (arXiv 2301.05217), released code",
    ),
    "key_by_embedding": (
        "Key frequencies by W_E",
        "‖(c_k, s_k)·W_E‖ > ¼ max_j ‖(c_j, s_j)·W_E‖",
        f"norms, not squared; the constant left out; {LIVE}",
        "in use by reproductions of Nanda et al. 2023 (arXiv 2301.05217)",
    ),
    "key_by_unembedding": (
        "Key frequencies by W_L",
        "‖(c_k, s_k)·W_L‖ > ¼ max_j ‖(c_j, s_j)·W_L‖, W_L = W_U·W_out along the classes",
        f"norms, not squared; the constant left out; threshold as for W_E, none is published; {LIVE}",
        "Nanda et al. 2023 (arXiv 2301.05217), App. C.2",
    ),
    "key_by_gap": (
        "Key frequencies by the gap of W_E",
        "k is above the largest gap of the sorted ‖(c_k, s_k)·W_E‖",
        f"differences of norms, not squared, not ratios; the constant left out; {LIVE}",
        "in use by reproductions of Nanda et al. 2023 (arXiv 2301.05217)",
    ),
}
DISPUTES = "rules differ (the number of key frequencies with them): read key_agreement beside it"

RECORDS = (
    *(
        Record(name, title, formula, "1 where key", variant, source, disputes=DISPUTES, axes=("frequency",))
        for name, (title, formula, variant, source) in NAMES.items()
    ),
    Record(
        "key_count",
        "Number of key frequencies",
        "number of k with key_frequencies = 1",
        "1",
        NAMES["key_frequencies"][2],
        "defined here",
    ),
    Record(
        "key_agreement",
        "Agreement of the rules for key frequencies",
        "mean over pairs of rules of |A ∩ B| / |A ∪ B|",
        "share",
        "key_frequencies and those of key_by_neurons, _embedding, _unembedding, _gap that apply; two empty sets agree; "
        f"{LIVE}",
        "defined here",
        better="higher",
    ),
    *(
        Record(
            f"{word}_key_share",
            f"{tensor} in the key frequencies",
            f"Σ_(k key) ‖(c_k, s_k)·{tensor}‖² / ‖{tensor}‖²",
            "share",
            f"key_frequencies, {LIVE}; the constant counts in the whole; 0 without key frequencies; {ROWS[tensor]}",
            "Chughtai et al. 2023 (arXiv 2302.03025), for representations of C_n",
            better="higher",
        )
        for word, tensor in (("embedding", "W_E"), ("unembedding", "W_L"))
    ),
)


def _rules(probe: Probe, embedding: Tensor | None, unembedding: Tensor | None) -> dict[str, Keys]:
    """The rules that apply to this network, with the norms of its W_E and W_L."""
    found = {"key_frequencies": live_keys(probe)}
    if not missing_neurons(probe.subject):
        found["key_by_neurons"] = by_neurons(fit_of(probe))
    if embedding is not None:
        found |= {"key_by_embedding": by_embedding(embedding), "key_by_gap": by_gap(embedding)}
    if unembedding is not None:
        found["key_by_unembedding"] = by_unembedding(unembedding)
    return found


def key_share(norms: Float[Tensor, " frequency"], keys: Sequence[int]) -> float:
    """The share of the squared norms that some frequencies hold, the constant counted in the whole."""
    squares = norms.square()
    return (squares[list(keys)].sum() / squares.sum()).item()


def _compute(probe: Probe) -> Values:
    rows = {"embedding_key_share": embedding_rows(probe), "unembedding_key_share": unembedding_rows(probe)}
    norms = {name: None if x is None else frequency_norms(x) for name, x in rows.items()}
    rules = _rules(probe, *norms.values())
    highest = CyclicLogits.of(probe).order // 2
    frequencies = list(range(1, highest + 1))
    values: Values = {
        "key_count": float(len(rules["key_frequencies"])),
        "key_agreement": agreement(list(rules.values())),
    }
    for name, found in norms.items():
        values[name] = torch.nan if found is None else key_share(found, rules["key_frequencies"])
    for name in NAMES:
        mask = [float(k in rules[name]) if name in rules else torch.nan for k in frequencies]
        values[name] = labelled(torch.tensor(mask, dtype=torch.float64), {"frequency": frequencies})
    return values


KEYS = Measure(
    "keys",
    "Which frequencies the network computes with, by several rules.",
    RECORDS,
    _compute,
    missing_cyclic,
    cost=1.0,
)
