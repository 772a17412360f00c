"""Fourier analysis along a cyclic group."""

from __future__ import annotations

import math
from functools import cache

import torch
from jaxtyping import Float, Int
from torch import Tensor

from latebloom.axes import Params
from latebloom.errors import LatebloomError
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values, labelled
from latebloom.measures.sparsity import gini

READ = {"embed.W_E", "blocks.0.mlp.W_in"}
"""The tensors that read operands: what each element of the group is turned into stands in the first that is there."""

ROWS = {
    "W_E": "rows of the operands' tokens alone, in the order of the group's cycle (discrete logarithm for × and ÷, "
    "zero left out); without an embedding, the rows of W_in that read the first operand",
    "W_L": "W_L = W_U·W_out of the last MLP layer (W_U alone where neurons feed it), columns of the group's answers "
    "alone, in the order of its cycle; without output_scale; NaN without MLP layer and with normalisation layers",
}
NANDA = "Nanda et al. 2023 (arXiv 2301.05217)"


def _norm_record(name: str, tensor: str, title: str, width: str) -> Record:
    return Record(
        name,
        title,
        f"‖(c_k·{tensor}, s_k·{tensor})‖ over the {width}, c_k, s_k = √(2/n) cos, sin(2πkx/n), 1 ≤ k ≤ n // 2",
        "1",
        f"{ROWS[tensor]}; cosine and sine together; the constant apart; float64",
        f"{NANDA}; basis of their code",
        disputes="whether the constant counts, and cosine and sine apart or together, is not stated there",
        axes=("frequency",),
    )


def _constant_record(name: str, tensor: str, title: str) -> Record:
    formula = f"‖Σ_x {tensor}_x‖/√n: the norm of the component that all tokens share"
    return Record(name, title, formula, "1", f"{ROWS[tensor]}; float64", f"{NANDA}; basis of their code")


def _gini_record(tensor: str, components: bool) -> Record:
    over = "n − 1 components (cosine and sine apart)" if components else "n // 2 frequencies (cosine and sine together)"
    return Record(
        f"gini_fourier_{tensor}{'_components' if components else ''}",
        f"Gini of {tensor}'s Fourier norms{', by component' if components else ''}",
        f"Gini of the norms of {tensor}'s {over}",
        "1",
        f"norms, not squared; the constant left out; {ROWS[tensor]}; float64",
        f"{NANDA}, §5.1; Gini of Hurley & Rickard 2009 (arXiv 0811.4706)",
        disputes="whether over frequencies or components, with or without the constant, is not stated there; they "
        "differ by about 0.01; not the Gini of raw |w|",
        better="higher",
    )


RECORDS = (
    _norm_record("embedding_fourier_norm", "W_E", "Fourier norms of the embedding", "width"),
    _norm_record("unembedding_fourier_norm", "W_L", "Fourier norms of W_L", "neurons"),
    _constant_record("embedding_fourier_constant", "W_E", "Constant component of the embedding"),
    _constant_record("unembedding_fourier_constant", "W_L", "Constant component of W_L"),
    *(_gini_record(tensor, components) for tensor in ROWS for components in (False, True)),
)


@cache
def fourier_basis(order: int) -> Float[Tensor, "component order"]:
    """The real orthonormal Fourier basis of the cyclic group, float64.

    Row 0 is 1/√n, rows 2k − 1 and 2k are √(2/n) cos and sin(2πkx/n) for 1 ≤ k < n/2; for even n the last row is the
    alternating one, (−1)^x/√n, which is a cosine alone.

    Source: Nanda et al. 2023 (arXiv 2301.05217), for odd n.

    >>> basis = fourier_basis(6)
    >>> bool(torch.allclose(basis @ basis.T, torch.eye(6, dtype=torch.float64)))
    True
    """
    x = torch.arange(order, dtype=torch.float64)
    rows = [torch.full((order,), 1 / math.sqrt(order), dtype=torch.float64)]
    for k in range(1, (order - 1) // 2 + 1):
        angle = 2 * math.pi * ((k * x) % order) / order
        rows += [math.sqrt(2 / order) * angle.cos(), math.sqrt(2 / order) * angle.sin()]
    if order % 2 == 0:
        rows.append((1 - 2 * (x % 2)) / math.sqrt(order))
    return torch.stack(rows)


def frequency_of(order: int) -> Int[Tensor, " component"]:
    """The frequency of every row of `fourier_basis`: 0, 1, 1, 2, 2, …, and n/2 once where n is even.

    >>> frequency_of(6).tolist()
    [0, 1, 1, 2, 2, 3]
    """
    return (torch.arange(order) + 1) // 2


def spectrum(table: Float[Tensor, "order *rest"]) -> Float[Tensor, "component *rest"]:
    """Components along the first axis, which runs along the cyclic group, in the order of `fourier_basis`; float64.

    Orthonormal: squares sum to those of the table.
    """
    return torch.tensordot(fourier_basis(len(table)).to(table.device), table.double(), dims=1)


def spectrum2d(table: Float[Tensor, "order order *rest"]) -> Float[Tensor, "component component *rest"]:
    """Components along the first two axes: entry [i, j] belongs to basis_i(a)·basis_j(b); float64, orthonormal.

    Source: Nanda et al. 2023 (arXiv 2301.05217), code.
    """
    return spectrum(spectrum(table).transpose(0, 1)).transpose(0, 1)


def sum_directions(order: int, k: int, sign: int) -> Float[Tensor, "direction order order"]:
    """cos and sin of w_k(a + sign·b) over all pairs (a, b), each of norm 1, float64; only the cosine where 2k = n.

    For sign = 1 and 0 < 2k < n these are (cc − ss)/√2 and (sc + cs)/√2 of the released code of Nanda et al. 2023.

    Raises:
        LatebloomError: there is no such frequency.
    """
    if not 1 <= k <= order // 2:
        raise LatebloomError(f"expected a frequency from 1 to {order // 2} (the group has {order} elements), got {k}")
    i = torch.arange(order)
    rows = fourier_basis(order)[frequency_of(order) == k] / math.sqrt(order)
    return rows[:, (i[:, None] + sign * i[None, :]) % order]


def block_components(order: int, k: int) -> list[tuple[int, int]]:
    """The non-constant products of 1, cos, sin(w_k a) and 1, cos, sin(w_k b), as pairs of rows of `fourier_basis`.

    Eight of them, three where 2k = n. Source: Nanda et al. 2023 (arXiv 2301.05217), code.

    >>> block_components(6, 3)
    [(0, 5), (5, 0), (5, 5)]
    """
    rows = [0, *(frequency_of(order) == k).nonzero().flatten().tolist()]
    return [(i, j) for i in rows for j in rows if (i, j) != (0, 0)]


def frequency_norms(rows: Float[Tensor, "order width"]) -> Float[Tensor, " frequency"]:
    """Norm of each frequency's components, k = 0 … n // 2, of rows that run along the cyclic group; float64."""
    return by_frequency(spectrum(rows).square().sum(dim=1)).sqrt()


def by_frequency(components: Float[Tensor, "component *rest"]) -> Float[Tensor, "frequency *rest"]:
    """Sums over the components of each frequency, k = 0 … n // 2."""
    order = len(components)
    sums = components.new_zeros(order // 2 + 1, *components.shape[1:])
    return sums.index_add(0, frequency_of(order).to(components.device), components)


def input_rows(params: Params, tokens: int, position: int) -> Float[Tensor, "token width"]:
    """What each token is turned into: W_E, or the rows of the first W_in that read one position's one-hot code."""
    if "embed.W_E" in params:
        return params["embed.W_E"][:tokens]
    return params["blocks.0.mlp.W_in"][position * tokens : (position + 1) * tokens]


def operand_position(subject: Subject) -> int:
    """The position at which the first operand stands."""
    first = subject.task.operands()[:, 0].to(subject.examples.tokens.device)
    return int((subject.examples.tokens == first[:, None]).all(dim=0).int().argmax())


def embedding_rows(probe: Probe) -> Float[Tensor, "order width"] | None:
    """What each element of the group is turned into as first operand, along the cycle; None where nothing says."""
    subject = probe.subject
    assert subject.algebra is not None  # `missing` says so otherwise
    if not READ & probe.params.keys():
        return None
    rows = input_rows(probe.params, subject.task.d_vocab, operand_position(subject))
    return rows[subject.algebra.cycle.to(rows.device)]


def unembedding_rows(probe: Probe) -> Float[Tensor, "order neuron"] | None:
    """W_L = W_U·W_out, what each neuron of the last MLP layer adds to each answer's logit, along the cycle.

    W_U alone where the neurons feed it. None where no MLP layer feeds the logits linearly: there is none, or a
    normalisation stands between. A constant factor of all logits (`output_scale`) is left out.

    Source: Nanda et al. 2023 (arXiv 2301.05217), §4.2.
    """
    params, algebra = probe.params, probe.subject.algebra
    assert algebra is not None  # `missing` says so otherwise
    layers = [int(name.split(".")[1]) for name in params if name.endswith(".mlp.W_in")]
    if not layers or any(weight.role == "gain" for weight in probe.subject.model.tensors().values()):
        return None
    unembed = params["unembed.W_U"].T if "unembed.W_U" in params else params["embed.W_E"]
    rows = unembed[algebra.cycle.to(unembed.device)]
    out = params.get(f"blocks.{max(layers)}.mlp.W_out")
    return rows if out is None else rows @ out.T


def _compute(probe: Probe) -> Values:
    algebra = probe.subject.algebra
    assert algebra is not None  # `missing` says so otherwise
    values: Values = {}
    for word, short, rows in (
        ("embedding", "W_E", embedding_rows(probe)),
        ("unembedding", "W_L", unembedding_rows(probe)),
    ):
        rows = torch.full((algebra.order, 1), torch.nan) if rows is None else rows
        components = spectrum(rows).square().sum(dim=1)
        norms = by_frequency(components).sqrt()
        values[f"{word}_fourier_norm"] = labelled(norms[1:], {"frequency": list(range(1, len(norms)))})
        values[f"{word}_fourier_constant"] = norms[0].item()
        values[f"gini_fourier_{short}"] = gini(norms[1:]).item()
        values[f"gini_fourier_{short}_components"] = gini(components[1:].sqrt()).item()
    return values


def _missing(subject: Subject) -> str:
    if subject.algebra is None:
        return "the task states no cyclic group"
    if not READ & subject.model.tensors().keys():
        return "the network has neither embed.W_E nor blocks.0.mlp.W_in"
    return ""


FOURIER = Measure(
    "fourier",
    "How the rows of embedding and unembedding spread over the frequencies of a cyclic group.",
    RECORDS,
    _compute,
    _missing,
    level="light",
    cost=0.1,
)
