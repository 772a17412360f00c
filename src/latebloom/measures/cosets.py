"""Neurons read as coset membership (Stander et al. 2023, arXiv 2312.06581).

Their circuit for ab, with a subgroup H and its conjugate K = g⁻¹Hg: a neuron adds a function of the right coset Ha and
one of the left coset bK, which between them tell in which double coset HabK, and so whether in the coset Hg = gK, the
product lies. Right for the first factor, left for the second; (ab)[i] = b[a[i]] in both codes.

For every subgroup at once: with the Fourier coefficients C_ρ of f, the sum of squares between the left cosets of H is
Σ_ρ tr(C*C · P_ρ(H)ᵀ), and between the right ones Σ_ρ tr(CC* · P_ρ(H)ᵀ), where P_ρ(H) is the mean of ρ over H.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.measures.group_table import GroupTable, IrrepBasis, irrep_basis, missing_group
from latebloom.measures.irrep_shares import pre_activations
from latebloom.measures.neurons import CLUSTER
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values, labelled
from latebloom.tasks.groups import Group, Subgroup, named_group, subgroup_classes
from latebloom.tasks.groups.subgroups import LARGEST_LISTED

MOST_HALVES = 32
"""Real one-dimensional irreps of a group whose subgroups are listed; C_2⁵ has 374 subgroups, C_2⁸ some 400,000."""
SURROGATES = 0
"""Seed of the rotations that surrogates are drawn with."""


def excess(share: Tensor, parts: Tensor | int, order: int) -> Tensor:
    """(share − q) / (1 − q) with q = (parts − 1) / (order − 1), what a random partition into so many parts explains.

    q is exact for every function and any sizes of the parts: a part of size m has the mean of m values drawn without
    replacement, whose variance is σ²(n − m) / (m(n − 1)).
    """
    q = (torch.as_tensor(parts).double() - 1) / (order - 1)
    return (share - q) / (1 - q)


def partition_share(f: Float[Tensor, "order neuron"], parts: Int[Tensor, " order"]) -> Float[Tensor, " neuron"]:
    """1 − (variance within parts) / (variance) of functions on a group, for any partition; NaN for constant ones.

    Coset concentration where the parts are `left_cosets`, `right_cosets` or `double_cosets`. Population variances,
    weighted by the parts' sizes; float64.

    Source: Stander et al. 2023 (arXiv 2312.06581); their code adds up sample variances of the parts instead.
    """
    centred = f.double() - f.double().mean(dim=0)
    sizes = torch.bincount(parts).double()
    sums = centred.new_zeros(len(sizes), centred.shape[1]).index_add(0, parts, centred)
    total = centred.square().sum(dim=0)
    return torch.where(total > 0, (sums.square() / sizes[:, None]).sum(dim=0) / total, torch.nan)


class Grams(NamedTuple):
    """What the shares of all cosets follow from: C*C (left) and CC* (right) of each irrep's Fourier coefficients.

    Laid out as the rows of the basis: real parts, then (of complex irreps) negative imaginary parts.
    """

    left: Float[Tensor, "component neuron"]
    right: Float[Tensor, "component neuron"]


def grams(f: Float[Tensor, "order neuron"], basis: IrrepBasis, rotate: torch.Generator | None = None) -> Grams:
    """The Gram matrices of functions on a group, their means left out.

    Args:
        f: the functions.
        basis: the group's irreps.
        rotate: a surrogate instead, f̂(ρ) turned into U·f̂(ρ)·V with random unitary U and V: a function of the same
            power and the same rank in every irrep, which knows of no subgroup. U and V cancel in one of the two.
    """
    components = basis.spectrum(f)
    # below that, what changes is rounding
    floor = (64 * torch.finfo(f.dtype).eps) ** 2 * components.square().sum(dim=0)
    components = torch.where(components[1:].square().sum(dim=0) > floor, components, 0.0)
    left, right = torch.zeros_like(components), torch.zeros_like(components)
    for _, start, parts, d in basis.parts[1:]:
        rows = slice(start, start + parts * d * d)
        c = components[rows].reshape(parts, d, d, -1).permute(0, 3, 1, 2)
        c = c[0] if parts == 1 else torch.complex(c[0], -c[1])
        for into, gram in ((left, c.mH @ c), (right, c @ c.mH)):
            if rotate is not None:
                v = _unitary(gram, rotate)
                gram = v.mH @ gram @ v
            flat = gram[None] if parts == 1 else torch.stack([gram.real, -gram.imag])
            into[rows] = flat.permute(0, 2, 3, 1).flatten(0, 2)
    return Grams(left, right)


def _unitary(like: Tensor, generator: torch.Generator) -> Tensor:
    """Random unitary matrices (orthogonal for a real `like`), uniform: Q of a Gaussian matrix, by the signs of R."""
    drawn = torch.randn(like.shape, dtype=like.dtype, generator=generator)
    q, r = torch.linalg.qr(drawn)
    diagonal = r.diagonal(dim1=-2, dim2=-1)
    return (q * (diagonal / diagonal.abs())[..., None, :]).to(like.device)


class Subgroups(NamedTuple):
    """The subgroups of a group, but for the trivial one and the whole, class by class, the smallest first.

    Attributes:
        names: of each class of conjugate subgroups: its order, and the generators of one of them.
        of: the class of each subgroup.
        cosets: the number of cosets of each subgroup.
        fixed: the mean of ρ over each subgroup for every irrep, laid out as the rows of the basis.
    """

    names: tuple[str, ...]
    of: Int[Tensor, " subgroup"]
    cosets: Int[Tensor, " subgroup"]
    fixed: Float[Tensor, "subgroup component"]


@cache
def proper_subgroups(name: str) -> Subgroups:
    """The subgroups of a named group. Raises: as `subgroup_classes`."""
    group, basis = named_group(name), irrep_basis(name)
    classes = [cls for cls in subgroup_classes(name) if 1 < len(cls[0]) < len(group)]
    scale = torch.tensor([(p.parts * p.dimension / len(group)) ** 0.5 for p in basis.parts], dtype=torch.float64)
    elements = basis.rows / scale[basis.irrep_of][:, None]
    every = [subgroup for cls in classes for subgroup in cls]
    return Subgroups(
        tuple(_label(group, cls[0]) for cls in classes),
        torch.repeat_interleave(torch.tensor([len(cls) for cls in classes], dtype=torch.long)),
        torch.tensor([len(group) // len(subgroup) for subgroup in every]),
        torch.stack([elements[:, list(subgroup.elements)].mean(dim=1) for subgroup in every]),
    )


def _label(group: Group, subgroup: Subgroup) -> str:
    return f"{len(subgroup)}: ⟨{', '.join(group.elements[g] for g in subgroup.generators)}⟩"


def class_excess(
    gram: Float[Tensor, "component neuron"], basis: IrrepBasis, found: Subgroups
) -> Float[Tensor, "subgroup neuron"]:
    """For each class of conjugate subgroups the greatest excess of a neuron's share over any of them; NaN if constant.

    Args:
        gram: `Grams.left` for left cosets, `Grams.right` for right ones.
        basis: the group's irreps.
        found: the group's subgroups.
    """
    total = gram.new_zeros(gram.shape[1])
    for _, start, _, d in basis.parts[1:]:
        # the trace; negative imaginary parts have none
        total += gram[start : start + d * d].reshape(d, d, -1).diagonal().sum(dim=1)
    share = found.fixed.to(gram.device) @ gram / torch.where(total > 0, total, torch.nan)
    over = excess(share, found.cosets[:, None].to(gram.device), len(basis.rows))
    best = over.new_full((len(found.names), gram.shape[1]), -torch.inf)
    return best.scatter_reduce(0, found.of.to(gram.device)[:, None].expand_as(over), over, "amax")


def largest(excesses: Float[Tensor, "subgroup neuron"]) -> Int[Tensor, " neuron"]:
    """The last class, and so one of the largest subgroups, with more than .85; −1 where there is none.

    A function of the cosets of H is one of the cosets of every subgroup of H too, so the largest tells most.
    """
    number = torch.arange(len(excesses), device=excesses.device)[:, None]
    return torch.where(excesses > CLUSTER, number, -1).amax(dim=0)


def _of_operands(probe: Probe, rotate: torch.Generator | None) -> Float[Tensor, "operand side subgroup neuron"]:
    """`class_excess` of every neuron's functions of a and of b over left and over right cosets."""
    table = GroupTable.of(probe.subject)
    found, neurons = proper_subgroups(table.group.name), pre_activations(probe)
    assert neurons is not None  # `missing` says so otherwise
    sides = [
        torch.stack([class_excess(gram, table.basis, found) for gram in grams(means(neurons), table.basis, rotate)])
        for means in (table.a_means, table.b_means)
    ]
    return torch.stack(sides)


def _compute(probe: Probe) -> Values:
    found = proper_subgroups(GroupTable.of(probe.subject).group.name)
    orders = torch.tensor([1.0, *(int(name.split(":")[0]) for name in found.names)], dtype=torch.float64)
    values: Values = {}
    generator = torch.Generator().manual_seed(SURROGATES)
    for suffix, rotate in (("", None), ("_surrogate", generator)):
        excesses = _of_operands(probe, rotate)
        # in ba the first factor is b
        first, second = excesses.flip(0) if probe.subject.task.word == "ba" else excesses  # pyright: ignore[reportAttributeAccessIssue]
        member = largest(torch.minimum(first[1], second[0]))
        lives = ~excesses.isnan().flatten(0, 2).any(dim=0)
        medians = excesses[..., lives].quantile(0.5, dim=-1) if lives.any() else excesses[..., 0] * torch.nan
        axes = {"factor": ["a", "b"], "side": ["left", "right"], "subgroup": list(found.names)}
        sizes = torch.bincount(member[lives] + 1, minlength=len(orders))[1:]
        values |= {
            f"coset_excess{suffix}": labelled(medians, axes),
            f"coset_circuit_size{suffix}": labelled(sizes.double(), {"subgroup": list(found.names)}),
            f"coset_circuit_share{suffix}": sizes.sum().item() / len(member),
            f"coset_circuit_order{suffix}": orders[member[lives] + 1].mean().item(),
        }
    return values


STANDER = "Stander et al. 2023 (arXiv 2312.06581)"
NEURONS = (
    "neurons of the last MLP layer before the non-linearity, last position: their means over b as functions of a and "
    "over a as functions of b; every subgroup but the trivial one and the whole, the best of each class of conjugate "
    "ones; share = 1 − variance within cosets / variance; excess = (share − q)/(1 − q), q = (cosets − 1)/(n − 1) that "
    "of a random partition; float64"
)
CIRCUIT = (
    "excess above .85 over the right cosets Hg of the product's first factor and over the left cosets gK of the "
    "second, H and K conjugate"
)
SURROGATE = (
    "surrogates: f̂(ρ) of each neuron turned into U·f̂(ρ)·V, U and V random unitary (seed 0): the same power and rank in "
    "every irrep and no subgroup; for abelian groups they are no different"
)
DISPUTES = (
    "their code adds up the sample variances of the cosets, without a null; a function of a low-dimensional irrep is "
    "concentrated on cosets of small subgroups whatever it is, so compare with the surrogate"
)


def _records(suffix: str, words: str, which: str, source: str) -> tuple[Record, ...]:
    def record(name: str, title: str, formula: str, units: str, what: str, axes: tuple[str, ...] = ()) -> Record:
        variant = "; ".join(part for part in (what, which, NEURONS) if part)
        return Record(
            f"{name}{suffix}", f"{title}{words}", formula, units, variant, source, disputes=DISPUTES, axes=axes
        )

    return (
        record(
            "coset_excess",
            "Coset concentration beyond chance",
            "median over neurons of max_(H in the class) (share − q)/(1 − q)",
            "1",
            "of the neurons that change with both operands; left cosets gH, right cosets Hg",
            ("factor", "side", "subgroup"),
        ),
        record(
            "coset_circuit_size",
            "Neurons of each coset circuit",
            "number of neurons whose largest subgroup with a circuit is in the class",
            "neurons",
            CIRCUIT,
            ("subgroup",),
        ),
        record(
            "coset_circuit_share",
            "Neurons in coset circuits",
            "share of neurons with a circuit of some subgroup",
            "share",
            f"{CIRCUIT}; of all neurons",
        ),
        record(
            "coset_circuit_order",
            "Order of the neurons' subgroups",
            "mean over neurons of the order of the largest subgroup with a circuit, 1 without any",
            "elements",
            f"{CIRCUIT}; of the neurons that change with both operands",
        ),
    )


RECORDS = (
    *_records("", "", "", STANDER),
    *_records("_surrogate", ", surrogates", SURROGATE, f"surrogates defined here, for the measure of {STANDER}"),
)


def _missing(subject: Subject) -> str:
    if why := missing_group(subject):
        return why
    group = GroupTable.of(subject).group
    word = subject.task.word  # pyright: ignore[reportAttributeAccessIssue]
    if word not in ("ab", "ba"):
        return f"no coset circuit is known for the word {word}, only for ab and ba"
    if not any(name.endswith("mlp.W_in") for name in subject.model.tensors()):
        return "the network has no MLP layer (blocks.0.mlp.W_in)"
    if len(group) > LARGEST_LISTED:
        return f"subgroups are listed for groups of at most {LARGEST_LISTED} elements, {group.name} has {len(group)}"
    # real characters of dimension 1 other than the trivial one: subgroups of index 2
    basis = irrep_basis(group.name)
    halves = sum(part.size == 1 for part in basis.parts)
    if halves > MOST_HALVES:
        return f"{group.name} has too many subgroups: {halves - 1} of index 2, listed are up to {MOST_HALVES - 1}"
    if all(order in (1, len(group)) for order in group.orders.tolist()):
        return f"{group.name} has no subgroup but the trivial one and itself"
    return ""


# cost on S_5 (14,400 pairs), in training steps of the mainline's transformer there
COSETS = Measure(
    "cosets",
    "How far neurons fire on cosets of subgroups rather than on single elements.",
    RECORDS,
    _compute,
    _missing,
    level="all",
    cost=0.8,
)
