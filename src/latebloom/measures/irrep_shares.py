"""How much of a network's weights and neurons single irreducible representations explain (Chughtai et al. 2023)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from latebloom.measures.fourier import READ
from latebloom.measures.group_table import IRREPS, GroupTable, IrrepBasis, missing_group
from latebloom.measures.irreps import live_key_irreps, readout_rows
from latebloom.measures.keys import LIVE
from latebloom.measures.neurons import CLUSTER, last_neurons
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values, labelled


def power_shares(rows: Float[Tensor, "order width"], basis: IrrepBasis) -> Float[Tensor, " irrep"]:
    """Σ over columns of d‖f̂(ρ)‖² / (n Σf²): the share of functions on the group in each irrep's matrix elements.

    Not centred: the mean is the trivial irrep's share. NaN where all is 0.

    Source: Stander et al. 2023 (arXiv 2312.06581) for the power; Chughtai et al. 2023 (arXiv 2302.03025), code, for the
    same as a projection.
    """
    power = basis.power(rows).sum(dim=1)
    total = power.sum()
    return torch.where(total > 0, power / total, torch.nan)


class NeuronPower(NamedTuple):
    """Energies of every neuron over all pairs, its mean left out.

    Attributes:
        a: in functions ρ_ij(a) of the first operand, for each irrep; 0 for the trivial one.
        b: in functions ρ_ij(b).
        answer: in functions ρ_ij(s) of the answer.
        total: all of it.
        lives: whether the neuron changes at all, beyond rounding.
    """

    a: Float[Tensor, "irrep neuron"]
    b: Float[Tensor, "irrep neuron"]
    answer: Float[Tensor, "irrep neuron"]
    total: Float[Tensor, " neuron"]
    lives: Bool[Tensor, " neuron"]


def neuron_power(neurons: Float[Tensor, "batch neuron"], table: GroupTable) -> NeuronPower:
    """The energies of neurons in functions of a, b and the answer.

    The three are orthogonal for the words ab and ba; in aba and aba⁻¹ the answer tells of b alone (its conjugacy class,
    or its class modulo squares), so that what is counted under b and under the answer overlaps.
    """
    n = len(table.group)
    a, b, answer = (means(neurons).double() for means in (table.a_means, table.b_means, table.answer_means))
    mean = a.mean(dim=0)
    # piece by piece (a piece fits into the cache), added up in float64
    squares = torch.stack([(piece * piece).sum(dim=0) for piece in neurons.split(n)]).double().sum(dim=0)
    total = squares - n * n * mean.square()
    lives = total > 64 * torch.finfo(neurons.dtype).eps * squares
    power = table.basis.power
    return NeuronPower(n * power(a - mean), n * power(b - mean), n * power(answer - mean), total, lives)


class Clusters(NamedTuple):
    """Which irrep explains most of each neuron.

    Attributes:
        share: of its variance; NaN where it never changes.
        size: how many neurons belong to each irrep, which explains more than .85 of them.
    """

    share: Float[Tensor, " neuron"]
    size: Int[Tensor, " irrep"]


def clusters(power: NeuronPower) -> Clusters:
    """For each neuron the irrep with the greatest share in functions of a and of b together, and the cluster sizes.

    Source: the clusters of Chughtai et al. 2023 (arXiv 2302.03025), by the threshold of Nanda et al. 2023.
    """
    best = ((power.a + power.b) / power.total).max(dim=0)
    share = torch.where(power.lives, best.values, torch.nan)
    return Clusters(share, torch.bincount(best.indices[share > CLUSTER], minlength=len(power.a)))


def operand_rows(probe: Probe) -> tuple[Float[Tensor, "order width"], Float[Tensor, "order width"]] | None:
    """W_a and W_b, what each element is turned into as first and as second operand.

    With attention that is W_E, twice; without, what its token adds to the first layer's neurons before the
    non-linearity: its embedding times the rows of W_in that read its position. None where nothing says.

    Source: the released code of Chughtai et al. 2023 (arXiv 2302.03025).
    """
    params, subject = probe.params, probe.subject
    n, embed, w = len(GroupTable.of(subject).group), params.get("embed.W_E"), params.get("blocks.0.mlp.W_in")
    if w is None or any(".attn." in name for name in params):
        return None if embed is None else (embed[:n], embed[:n])
    tokens, operands = subject.examples.tokens, subject.task.operands().to(subject.examples.tokens.device)
    width, found = subject.task.d_vocab if embed is None else embed.shape[1], []
    for i in range(2):
        position = int((tokens == operands[:, i, None]).all(dim=0).int().argmax())
        # positions have rows of their own, or their embeddings were added up
        rows = w if len(w) == width else w[position * width : (position + 1) * width]
        found.append(rows[:n] if embed is None else embed[:n] @ rows)
    return found[0], found[1]


def pre_activations(probe: Probe) -> Float[Tensor, "batch neuron"] | None:
    """The last MLP layer before its non-linearity, at the last position, of all examples; None without MLP layer."""
    names = [name for name in probe.activations if name.endswith("mlp.hook_pre")]
    return probe.activations[max(names, key=lambda name: int(name.split(".")[1]))] if names else None


def _compute(probe: Probe) -> Values:
    basis, keys = GroupTable.of(probe.subject).basis, list(live_key_irreps(probe))
    names, nothing = {"irrep": basis.names}, torch.full((len(basis.parts),), torch.nan)
    read, out = operand_rows(probe), readout_rows(probe)
    weights = {"W_a": read and read[0], "W_b": read and read[1], "W_U": None if out is None else out.T}
    values: Values = {}
    for word, rows in weights.items():
        shares = nothing if rows is None else power_shares(rows, basis)
        values[f"irrep_{word}_share"] = labelled(shares, names)
        values[f"irrep_{word}_key_share"] = torch.nan if rows is None else shares[keys].sum().item()
    return values | _neurons(probe, keys)


def _neurons(probe: Probe, keys: list[int]) -> Values:
    table = GroupTable.of(probe.subject)
    names, nothing = {"irrep": table.basis.names}, torch.full((len(table.basis.parts),), torch.nan)
    before = pre_activations(probe)
    shares = dict.fromkeys(WORDS, nothing)
    found = Clusters(nothing, nothing)
    if before is not None:
        power = neuron_power(last_neurons(probe), table)
        shares = {word: getattr(power, word).sum(dim=1) / (power.total.sum() or torch.nan) for word in shares}
        found = clusters(neuron_power(before, table))
    live = found.share[~found.share.isnan()]
    total = torch.stack(list(shares.values())).sum(dim=0)
    # a sum over no key irreps is 0, but not where nothing is known
    known = 0.0 if before is not None else torch.nan
    return {
        **{f"irrep_hidden_{word}_share": labelled(share, names) for word, share in shares.items()},
        "irrep_hidden_key_share": known + total[keys].sum().item(),
        "irrep_hidden_answer_key_share": known + shares["answer"][keys].sum().item(),
        "neuron_irrep_share_median": live.quantile(0.5).item() if len(live) else torch.nan,
        "neuron_irrep_clustered": known + (found.share > CLUSTER).double().mean().item(),
        "neuron_irrep_cluster_size": labelled(found.size.double(), names),
    }


CHUGHTAI = "Chughtai et al. 2023 (arXiv 2302.03025), released code"
CLUSTERS = (
    "the clusters of Chughtai et al. 2023 (arXiv 2302.03025), by the threshold of Nanda et al. 2023 for frequencies"
)
POWER = "the same as the power share d‖f̂(ρ)‖²/(n Σf²) of Stander et al. 2023 (arXiv 2312.06581), summed over columns"
KEYS = f"key_irreps, {LIVE}; 0 without any"
TENSORS = {
    "W_a": "W_a: with attention W_E; without, what the first operand's token adds to the first layer's neurons before "
    "the non-linearity (its embedding times W_in's rows of its position)",
    "W_b": "W_b: as W_a, of the second operand",
    "W_U": "W_out·W_U of the last MLP layer (W_U alone where neurons feed it), the group's classes; NaN without MLP "
    "layer and with normalisation layers",
}
WORDS = {"a": "ρ_ij(a)", "b": "ρ_ij(b)", "answer": "ρ_ij(s), s the right answer (ab, or the task's other word)"}
HIDDEN = (
    f"neurons of the last MLP layer after the non-linearity, last position, less their means over all pairs; {IRREPS}; "
    "float64; NaN without MLP layer"
)
OVERLAP = "for the words aba and aba⁻¹ functions of b and of the answer overlap, and shares may add up to more than 1"
BEFORE = (
    f"neurons of the last MLP layer before the non-linearity; functions of a and of b together; {IRREPS}; float64; NaN "
    "without MLP layer"
)


def _weights(word: str) -> tuple[Record, Record]:
    variant = f"{TENSORS[word]}; not centred: the mean is the trivial irrep's; {IRREPS}; float64; {POWER}"
    formula = f"Σ_ij ‖√(d/n)·ρ_ij·{word}‖² / ‖{word}‖²"
    return (
        Record(f"irrep_{word}_share", f"{word} by irrep", formula, "share", variant, CHUGHTAI, axes=("irrep",)),
        Record(
            f"irrep_{word}_key_share",
            f"{word} in the key irreps",
            f"Σ_(ρ key) {formula}",
            "share",
            f"{KEYS}; {variant}",
            CHUGHTAI,
            better="higher",
        ),
    )


RECORDS = (
    *(record for word in TENSORS for record in _weights(word)),
    *(
        Record(
            f"irrep_hidden_{word}_share",
            f"Neurons' variance in functions of {word}, by irrep",
            f"Σ over neurons and ij of the energy in {functions} over their energy",
            "share",
            HIDDEN,
            CHUGHTAI,
            disputes=f"earlier versions of the code do not centre; {OVERLAP}",
            axes=("irrep",),
        )
        for word, functions in WORDS.items()
    ),
    *(
        Record(
            f"irrep_hidden_{name}key_share",
            title,
            f"Σ_(ρ key) of the shares {which}",
            "share",
            f"{KEYS}; {HIDDEN}",
            CHUGHTAI,
            disputes=f"earlier versions of the code do not centre; {OVERLAP}",
            better="higher",
        )
        for name, title, which in (
            ("", "Neurons' variance in the key irreps", "in ρ_ij(a), ρ_ij(b) and ρ_ij(s)"),
            ("answer_", "Neurons' variance in the key irreps of the answer", "in ρ_ij(s)"),
        )
    ),
    Record(
        "neuron_irrep_share_median",
        "Neurons' share in one irrep, median",
        "median over neurons of max_ρ (energy in ρ_ij(a) and ρ_ij(b)) / (energy less the mean)",
        "share",
        f"{BEFORE}; of the neurons that change",
        "Stander et al. 2023 (arXiv 2312.06581), the power of pre-activations; a and b together defined here",
        better="higher",
    ),
    Record(
        "neuron_irrep_clustered",
        "Neurons of one irrep",
        "share of neurons of which one irrep explains more than .85",
        "share",
        f"{BEFORE}; of all neurons",
        CLUSTERS,
        disputes="the threshold of Chughtai et al. is not known",
        better="higher",
    ),
    Record(
        "neuron_irrep_cluster_size",
        "Neurons of each irrep",
        "number of neurons of which this irrep explains more than .85",
        "neurons",
        BEFORE,
        CLUSTERS,
        disputes="the threshold of Chughtai et al. is not known",
        axes=("irrep",),
    ),
)


def _missing(subject: Subject) -> str:
    why = missing_group(subject)
    if not why and not READ & subject.model.tensors().keys():
        why = "the network has neither embed.W_E nor blocks.0.mlp.W_in"
    return why


# cost on S_5 (14,400 pairs), in training steps of the mainline's transformer there
IRREP_SHARES = Measure(
    "irrep-shares",
    "How much of the weights and of the neurons single irreducible representations explain.",
    RECORDS,
    _compute,
    _missing,
    cost=0.5,
)
