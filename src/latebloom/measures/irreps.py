"""Logits read as irreducible representations of the task's group (Chughtai et al. 2023, arXiv 2302.03025).

Their algorithm for ab in a finite group ends in logits Σ_ρ α_ρ χ_ρ(a b c⁻¹), χ_ρ = tr ρ. All of it depends on the
answer s = ab and the class c alone, and so does every projection below: tables of n × n do for n³ logits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.measures.cyclic import once
from latebloom.measures.excluded import losses_without
from latebloom.measures.group_table import IRREPS, PAIRS, GroupLogits, GroupTable, IrrepBasis, missing_group
from latebloom.measures.keys import LIVE, agreement
from latebloom.measures.neurons import last_neurons
from latebloom.measures.probe import Probe
from latebloom.measures.progress import gap_losses, pair_gaps
from latebloom.measures.record import Measure, Record, Values, labelled

SIMILAR = 0.005
"""An irrep is key for the released code of Chughtai et al. 2023 where its similarity is more than this."""

Irreps = tuple[int, ...]
"""Numbers of irreps in the order of their basis."""


def coefficients(
    means: Float[Tensor, "answer class"], basis: IrrepBasis, quotients: Int[Tensor, "answer class"]
) -> Float[Tensor, " irrep"]:
    """α_ρ of the least-squares fit z(a, b, c) ≈ Σ_ρ α_ρ χ_ρ(s c⁻¹) over all entries, 0 for the trivial irrep.

    Characters are orthogonal, so α_ρ does not depend on which others are fitted.

    Args:
        means: of the logits over the pairs of each answer s.
        basis: the group's irreps.
        quotients: s·c⁻¹.
    """
    n = len(means)
    centred = means - means.mean(dim=1, keepdim=True)
    by_quotient = means.new_zeros(n).index_add(0, quotients.flatten(), centred.flatten()) / n
    characters = basis.characters.to(means.device)
    return characters @ by_quotient / characters.square().sum(dim=1)


def similarities(logits: GroupLogits) -> Float[Tensor, " irrep"]:
    """cos(z less its mean over classes, χ_ρ(s c⁻¹)) over all entries; 0 for the trivial irrep, NaN for flat logits."""
    basis, n = logits.table.basis, len(logits.z)
    alpha = coefficients(logits.means, basis, logits.table.quotients)
    sizes = n * basis.characters.square().sum(dim=1).sqrt().to(alpha.device)
    return alpha * sizes / (math.sqrt(max(logits.pair_energy, 0.0)) or torch.nan)


def answer_shares(logits: GroupLogits) -> Float[Tensor, " irrep"]:
    """Each irrep's share of the logits' energy in functions ρ_ij(s) of the answer, for each class apart.

    Of z less its mean over classes and each class's mean over pairs; NaN where nothing is left.
    """
    means = logits.means - logits.means.mean(dim=1, keepdim=True)
    power = logits.table.basis.power(means - means.mean(dim=0)).sum(dim=1)
    return len(means) * power / (logits.energy or torch.nan)


def key_irreps(shares: Float[Tensor, " irrep"], basis: IrrepBasis) -> Irreps:
    """The default rule: the one of `key_frequencies`, with which it agrees on cyclic groups. May be empty.

    With s_ρ of `answer_shares` and its chance value q_ρ = (number of ρ's matrix elements) / (n² − 1), ρ is key where
    s_ρ > max(q_ρ^(2/3), √(q_ρ · max s)). The trivial irrep never is.

    Source: defined here; `by_similarity` names almost anything that was trained.
    """
    sizes = torch.tensor([part.size for part in basis.parts], dtype=torch.float64, device=shares.device)
    chance = sizes / (len(basis.rows) ** 2 - 1)
    key = shares > torch.maximum(chance ** (2 / 3), (chance * shares.max()).sqrt())
    return tuple(i for i in key.nonzero().flatten().tolist() if i)


def by_similarity(similarity: Float[Tensor, " irrep"]) -> Irreps:
    """Irreps whose similarity is more than .005 (.05 in earlier versions of the same code).

    Source: released code of Chughtai et al. 2023 (arXiv 2302.03025).
    """
    return tuple((similarity > SIMILAR).nonzero().flatten().tolist())


def single_parts(means: Float[Tensor, "answer class"], basis: IrrepBasis) -> Float[Tensor, "answer class irrep"]:
    """The part of every irrep in functions of the answer, for each class apart; they add up to the means."""
    rows, transform = basis.rows.to(means.device), basis.spectrum(means)
    pieces = [rows[p.start : p.start + p.size].T @ transform[p.start : p.start + p.size] for p in basis.parts]
    return torch.stack(pieces, dim=2)


def character_part(
    alpha: Float[Tensor, " irrep"], irreps: Sequence[int], basis: IrrepBasis, quotients: Int[Tensor, "answer class"]
) -> Float[Tensor, "answer class"]:
    """Σ_ρ α_ρ χ_ρ(s c⁻¹) over some irreps: one number an irrep."""
    chosen = list(irreps)
    return (alpha[chosen] @ basis.characters.to(alpha.device)[chosen])[quotients]


def excluded_losses(
    logits: GroupLogits, parts: Float[Tensor, "answer class part"]
) -> Float[Tensor, "answer pair part"]:
    """Cross-entropy of every pair when a part that depends on the answer and the class is taken out, for many parts.

    Row s holds the pairs that s answers, as `logits.z` does.
    """
    answer = torch.arange(len(logits.z), device=logits.z.device)[:, None].expand(-1, len(logits.z))
    return losses_without(pair_gaps(logits.z, answer), parts)


def restricted_losses(z: Float[Tensor, "answer class"]) -> Float[Tensor, " answer"]:
    """Cross-entropy of logits that depend on the answer alone."""
    return gap_losses(pair_gaps(z, torch.arange(len(z), device=z.device)))


def hidden_means(probe: Probe) -> Float[Tensor, "answer class"] | None:
    """What the last MLP layer's neurons, each replaced by its mean over the pairs of an answer, add to the logits.

    Projecting neurons on functions of the answer and reading them out is projecting this table. None where there are
    no neurons that feed the logits linearly.
    """
    readout = readout_rows(probe)
    if readout is None:
        return None
    means = GroupTable.of(probe.subject).answer_means(last_neurons(probe)).double()
    return means @ readout.double() * float(getattr(probe.subject.model, "output_scale", 1.0))


def readout_rows(probe: Probe) -> Float[Tensor, "neuron class"] | None:
    """W_out·W_U of the last MLP layer (W_U alone where neurons feed it), for the group's classes; without output_scale.

    None where no MLP layer feeds the logits linearly: there is none, or a normalisation stands between.
    """
    params, n = probe.params, len(GroupTable.of(probe.subject).group)
    layers = [int(name.split(".")[1]) for name in params if name.endswith(".mlp.W_in")]
    if not layers or any(weight.role == "gain" for weight in probe.subject.model.tensors().values()):
        return None
    unembed = params["unembed.W_U"][:, :n] if "unembed.W_U" in params else params["embed.W_E"][:n].T
    out = params.get(f"blocks.{max(layers)}.mlp.W_out")
    return unembed if out is None else out @ unembed


@once
def live_key_irreps(probe: Probe) -> Irreps:
    """`key_irreps` of a probe's logits."""
    logits = GroupLogits.of(probe)
    return key_irreps(answer_shares(logits), logits.table.basis)


def _losses(probe: Probe) -> Values:
    logits, keys = GroupLogits.of(probe), list(live_key_irreps(probe))
    table, basis, r = logits.table, logits.table.basis, len(logits.table.basis.parts)
    alpha, bias = coefficients(logits.means, basis, table.quotients), logits.means.mean(dim=0)
    cube = character_part(alpha, keys, basis, table.quotients)
    single, hidden = single_parts(logits.means, basis), hidden_means(probe)
    # without neurons the logits stand in for them, so that there is something to compute, and NaN is told
    inside = single if hidden is None else single_parts(hidden, basis)
    known = 1.0 if hidden is not None else torch.nan
    kept, kept_inside = single[..., keys].sum(dim=-1), inside[..., keys].sum(dim=-1)
    totals = torch.stack([kept, kept_inside, cube], dim=-1)
    excluded = excluded_losses(logits, torch.cat([totals, single, inside], dim=2))
    names = {"irrep": basis.names}
    trained = excluded[table.trained].mean(dim=0)
    # the trivial irrep is the bias itself
    alone = [restricted_losses(single[..., i] + (bias if i else 0)).mean() for i in range(r)]
    values: Values = {
        "irrep_excluded_3d_loss_train": trained[2].item(),
        "irrep_restricted_3d_loss_all": restricted_losses(cube).mean().item(),
        "irrep_hidden_excluded_loss_train": known * trained[1].item(),
        "irrep_hidden_restricted_loss_all": known * restricted_losses(kept_inside).mean().item(),
        "irrep_restricted_loss_by_irrep": labelled(torch.stack(alone), names),
        "irrep_excluded_loss_by_irrep": labelled(trained[3 : 3 + r], names),
        "irrep_hidden_excluded_loss_by_irrep": labelled(known * trained[3 + r :], names),
    }
    restricted = restricted_losses(kept + bias)
    for split, mask in (("all", table.trained | True), ("train", table.trained), ("test", ~table.trained)):
        values[f"irrep_restricted_loss_{split}"] = restricted[:, None].expand_as(mask)[mask].mean().item()
        values[f"irrep_excluded_loss_{split}"] = excluded[..., 0][mask].mean().item()
    return values


def _compute(probe: Probe) -> Values:
    logits = GroupLogits.of(probe)
    basis, similarity = logits.table.basis, similarities(logits)
    names = {"irrep": basis.names}
    rules = {"key_irreps": live_key_irreps(probe), "key_irreps_by_similarity": by_similarity(similarity)}
    return {
        "irrep_similarity": labelled(similarity, names),
        "irrep_answer_share": labelled(answer_shares(logits), names),
        **{
            name: labelled(torch.tensor([float(i in rule) for i in range(len(basis.parts))]), names)
            for name, rule in rules.items()
        },
        "key_irrep_count": float(len(rules["key_irreps"])),
        "key_irrep_agreement": agreement(list(rules.values())),
        "irrep_logit_fve": similarity[list(rules["key_irreps"])].square().sum().item(),
        "irrep_logit_fve_all_irreps": similarity.square().sum().item(),
        **_losses(probe),
    }


CHUGHTAI = "Chughtai et al. 2023 (arXiv 2302.03025)"
CODE = f"{CHUGHTAI}, released code"
BOTH = (
    f"the hidden form of {CHUGHTAI}, as it is where logits are affine in the neurons; class means as in Nanda et al. "
    "2023 (arXiv 2301.05217)"
)
S = "s the right answer of (a, b): ab, or the task's other word"
KEYS = f"key_irreps, {LIVE}"
RULES = "rules differ; the released code takes the final network's, which leak the future"
IN_2D = "2D: functions ρ_ij(s) of the answer, for each class apart"
IN_3D = "3D: χ_ρ(s c⁻¹) alone, one number an irrep"
IN_HIDDEN = (
    "hidden: the last MLP layer's neurons projected on functions ρ_ij(s), not centred, then read out; what reaches the "
    "logits beside them (b_U, residual stream) is not restricted to and not taken out; the same as 2D where logits are "
    "affine in the neurons; NaN without MLP layer and with normalisation layers"
)
OVER = f"fitted on all pairs; {IRREPS}; {PAIRS}; float64"


def _record(name: str, title: str, formula: str, variant: str, source: str, **more: str) -> Record:
    axes = ("irrep",) if more.pop("array", "") else ()
    units = more.pop("units", "nats")
    return Record(name, title, formula, units, f"{variant}; {S}; {OVER}", source, axes=axes, **more)  # pyright: ignore[reportArgumentType]


def _loss(kind: str, form: str, which: str, where: str, directions: str, array: str = "") -> Record:
    z = "the irreps' part of the logits" if kind == "restricted" else "z less the irreps' part"
    kept = {"2d": "; each class's mean over all pairs stays", "3d": "", "hidden": ""}[form]
    if (kind, form) == ("restricted", "3d"):
        kept = "; no bias correction"
    middle = "" if form == "2d" else f"_{form}"
    title = f"{kind.capitalize()} loss, {'one irrep' if array else 'key irreps'}, {form}"
    return _record(
        f"irrep{middle}_{kind}_loss_{array or where}".replace("irrep_3d_" + kind, f"irrep_{kind}_3d"),
        title if array else f"{title}, {where} pairs",
        f"mean over pairs of −log softmax(z′)[s], z′ = {z}",
        f"{where} pairs; {which}; {directions}{kept}",
        CODE if form != "2d" else BOTH,
        disputes=RULES,
        better="lower" if kind == "restricted" else "",
        array=array,
    )


ONE = "each irrep alone; the trivial one is the class means themselves"
RECORDS = (
    _record(
        "irrep_similarity",
        "Similarity of the logits with characters",
        "⟨z, χ_ρ⟩ / (‖z‖‖χ_ρ‖), χ_ρ(s c⁻¹)",
        "over all entries at once; z less its mean over the pair's classes; 0 for the trivial irrep by construction",
        CODE,
        disputes="an earlier version of the code has the mean over pairs of each pair's cosine",
        units="1",
        array="yes",
    ),
    _record(
        "irrep_answer_share",
        "Logits' energy in functions of the answer, by irrep",
        "Σ_(ij, c) ⟨z_c, ρ_ij(s)⟩² / Σ z²",
        "z less its mean over classes and each class's mean over pairs; what key_irreps is decided by",
        "defined here, as for cyclic groups",
        units="share",
        array="yes",
    ),
    _record(
        "key_irreps",
        "Key irreps",
        "s_ρ > max(q_ρ^(2/3), √(q_ρ max s)), s_ρ of irrep_answer_share, q_ρ its chance value",
        f"q_ρ = d²/(n² − 1), 2d² for a pair of complex irreps; never the trivial one; {LIVE}",
        "defined here, as for cyclic groups",
        disputes=RULES,
        units="1 where key",
        array="yes",
    ),
    _record(
        "key_irreps_by_similarity",
        "Key irreps by similarity",
        "irrep_similarity > 0.005",
        LIVE,
        CODE,
        disputes=".05 in earlier versions of the code",
        units="1 where key",
        array="yes",
    ),
    _record(
        "key_irrep_count", "Number of key irreps", "number of ρ with key_irreps = 1", LIVE, "defined here", units="1"
    ),
    _record(
        "key_irrep_agreement",
        "Agreement of the rules for key irreps",
        "|A ∩ B| / |A ∪ B| of key_irreps and key_irreps_by_similarity",
        f"two empty sets agree; {LIVE}",
        "defined here",
        units="share",
        better="higher",
    ),
    *(
        _record(
            f"irrep_logit_fve{suffix}",
            title,
            "Σ_ρ irrep_similarity², the R² of z ≈ Σ_ρ α_ρ χ_ρ(s c⁻¹)",
            f"{which}; variance of z less its mean over the pair's classes",
            CODE,
            disputes="the released code sums over all non-trivial irreps",
            units="share",
            better="higher",
        )
        for suffix, title, which in (
            ("", "Logit FVE, key irreps", KEYS),
            ("_all_irreps", "Logit FVE, all irreps", "all non-trivial irreps"),
        )
    ),
    *(
        _loss(kind, "2d", KEYS, split, IN_2D)
        for kind in ("restricted", "excluded")
        for split in ("all", "train", "test")
    ),
    _loss("restricted", "3d", KEYS, "all", IN_3D),
    _loss("excluded", "3d", KEYS, "train", IN_3D),
    _loss("restricted", "hidden", KEYS, "all", IN_HIDDEN),
    _loss("excluded", "hidden", KEYS, "train", IN_HIDDEN),
    _loss("restricted", "2d", ONE, "all", IN_2D, "by_irrep"),
    _loss("excluded", "2d", ONE, "train", IN_2D, "by_irrep"),
    _loss("excluded", "hidden", "each irrep alone", "train", IN_HIDDEN, "by_irrep"),
)

# cost on S_5 (14,400 pairs), in training steps of the mainline's transformer there
IRREPS_OF_LOGITS = Measure(
    "irreps",
    "Which irreducible representations of the task's group the logits are made of, and what they do for the loss.",
    RECORDS,
    _compute,
    missing_group,
    cost=0.4,
)
