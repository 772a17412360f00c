"""How much of each neuron one frequency explains: the degree-2 polynomials of Nanda et al. 2023 (arXiv 2301.05217)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from latebloom.measures.cyclic import PAIRS, CyclicTable, Groups, group_means, missing_cyclic, once
from latebloom.measures.fourier import by_frequency, fourier_basis, frequency_of, spectrum
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values, labelled

CLUSTER = 0.85
"""A neuron belongs to its frequency's cluster where that explains more than this (Nanda et al. 2023)."""


class NeuronFit(NamedTuple):
    """What single frequencies explain of each neuron.

    Attributes:
        frequency: the best one, from 1 to n // 2; 0 where the neuron never changes.
        fve: the share of variance that it explains; NaN where the neuron never changes.
        shares: that of every frequency; row 0 is frequency 1.
    """

    frequency: Int[Tensor, " neuron"]
    fve: Float[Tensor, " neuron"]
    shares: Float[Tensor, "frequency neuron"]

    @property
    def clustered(self) -> Bool[Tensor, " neuron"]:
        """Whether the best frequency explains more than .85."""
        return self.fve > CLUSTER

    @property
    def cluster_sizes(self) -> Int[Tensor, " frequency"]:
        """How many neurons belong to each frequency, from 1 to n // 2."""
        return torch.bincount(self.frequency[self.clustered], minlength=len(self.shares) + 1)[1:]


def neuron_fit(activations: Float[Tensor, "order order neuron"]) -> NeuronFit:
    """For each neuron the energy of each frequency's non-constant products over its energy less its mean.

    The products of 1, cos, sin(w_k a) and 1, cos, sin(w_k b), eight of them (three where 2k = n), are a
    polynomial of degree 2 in the cosines and sines of one frequency, the second harmonics (cos 2w_k a) left out.

    Source: Nanda et al. 2023 (arXiv 2301.05217), code; searched here over all frequencies, 1 … n // 2 (the loop of the
    released code ends one before).
    """
    n = len(activations)
    return _fit(group_means(activations, 1), _energy(activations), n)


def _energy(x: Float[Tensor, "order order neuron"]) -> Float[Tensor, " neuron"]:
    """Σx² over all pairs, row by row of the table (a row fits into the cache), added up in float64."""
    return torch.stack([(row * row).sum(dim=0) for row in x]).double().sum(dim=0)


def _fit(groups: Groups, squares: Float[Tensor, " neuron"], n: int) -> NeuronFit:
    mean = groups.a.double().mean(dim=0)
    variance = squares - n * n * mean.square()
    # the products of two waves are waves of a + b and of a − b, one and the same where 2k = n
    explained = n * torch.stack([by_frequency(spectrum(means).square())[1:] for means in groups]).sum(dim=0)
    if n % 2 == 0:
        explained[-1] -= n * by_frequency(spectrum(groups.mirror).square())[-1]
    # below that, what is left of a neuron's energy is rounding
    changes = variance > 64 * torch.finfo(groups.a.dtype).eps * squares
    shares = torch.where(changes, explained / variance, torch.nan)
    best = shares.nan_to_num(-1.0).max(dim=0)
    return NeuronFit(torch.where(changes, best.indices + 1, 0), torch.where(changes, best.values, torch.nan), shares)


def polynomial(
    activations: Float[Tensor, "order order neuron"], frequency: Int[Tensor, " neuron"]
) -> Float[Tensor, "order order neuron"]:
    """Each neuron's part of one frequency, its mean included: the least-squares fit by the products of `neuron_fit`.

    Args:
        activations: the neurons, along the group.
        frequency: of each neuron, from 1 to n // 2; 0 leaves the mean alone.

    Source: the ablation of §5 of Nanda et al. 2023 (arXiv 2301.05217); float64.
    """
    n = len(activations)
    basis = fourier_basis(n).to(activations.device)
    frequencies = frequency_of(n).to(activations.device)
    chosen = (frequencies[:, None] == frequency[None, :]).double()
    groups = group_means(activations.double(), 1)
    mean = groups.a.mean(dim=0)

    def part(means: Tensor, kept: Tensor) -> Tensor:
        return basis.T @ (kept * (basis @ (means - mean)))

    # where 2k = n the waves of a + b and of a − b are one, and it is counted with a + b
    mirrored = chosen * (2 * frequencies != n)[:, None]
    a, b, total = (part(means, chosen) for means in groups[:3])
    i = torch.arange(n, device=activations.device)
    answer, mirror = (i[:, None] + i) % n, (i[:, None] - i) % n
    return mean + a[:, None] + b[None] + total[answer] + part(groups.mirror, mirrored)[mirror]


VARIANT = (
    f"neurons of the last MLP layer after the non-linearity, last position; {PAIRS}; best frequency over 1 … n // 2; "
    "eight products of 1, cos, sin(w_k a) and 1, cos, sin(w_k b); neurons that never change belong to no frequency"
)
SOURCE = "Nanda et al. 2023 (arXiv 2301.05217), released code"
SEARCH = "the loop of the released code ends at n // 2 − 1, which misses a key frequency n // 2"

RECORDS = (
    Record(
        "neuron_fve_share",
        "Share of neurons of one frequency",
        "share of neurons whose best frequency explains more than .85 of their variance",
        "share",
        f"{VARIANT}; of all neurons",
        SOURCE,
        disputes=SEARCH,
        better="higher",
    ),
    Record(
        "neuron_fve_median",
        "Neuron FVE, median",
        "median over neurons of max_k (energy of k's products) / (energy less the mean)",
        "share",
        f"{VARIANT}; median of those that change",
        SOURCE,
        disputes=SEARCH,
        better="higher",
    ),
    Record(
        "neuron_cluster_size",
        "Neurons of each frequency",
        "number of neurons whose best frequency is k and explains more than .85",
        "neurons",
        VARIANT,
        SOURCE,
        disputes=SEARCH,
        axes=("frequency",),
    ),
)


def last_neurons(probe: Probe) -> Float[Tensor, "batch neuron"]:
    """The last MLP layer after its non-linearity, at the last position, of all examples."""
    return probe.activations[f"blocks.{_last_layer(probe.subject)}.mlp.hook_post"]


def _last_layer(subject: Subject) -> int | None:
    names = [name.split(".") for name in subject.model.tensors()]
    return max((int(n[1]) for n in names if n[0] == "blocks" and n[2:] == ["mlp", "W_in"]), default=None)


def missing_neurons(subject: Subject) -> str:
    """Why there are no neurons to lay out along a group; "" where there are."""
    if _last_layer(subject) is None:
        return "the network has no MLP layer (blocks.0.mlp.W_in)"
    return missing_cyclic(subject)


@once
def fit_of(probe: Probe) -> NeuronFit:
    """`neuron_fit` of a probe's last layer."""
    table, neurons = CyclicTable.of(probe.subject), last_neurons(probe)
    return _fit(table.groups(neurons), _energy(table.values(neurons)), table.order)


def _compute(probe: Probe) -> Values:
    fit = fit_of(probe)
    live = fit.fve[~fit.fve.isnan()]
    return {
        "neuron_fve_share": fit.clustered.double().mean().item(),
        "neuron_fve_median": live.quantile(0.5).item() if len(live) else float("nan"),
        "neuron_cluster_size": labelled(fit.cluster_sizes.double(), {"frequency": list(range(1, len(fit.shares) + 1))}),
    }


NEURONS = Measure(
    "neurons", "How much of each neuron one frequency explains.", RECORDS, _compute, missing_neurons, cost=0.5
)
