"""Does training make the weights sparse, or only their Fourier components? The same matrices in both bases.

Weights that shrink uniformly and a circuit of few frequencies can both be true: they speak of different bases.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from latebloom.measures.fourier import fourier_basis, input_rows, operand_position
from latebloom.measures.probe import Probe, Subject
from latebloom.measures.record import Measure, Record, Values, labelled
from latebloom.measures.sparsity import Magnitudes

VARIANT = (
    "entries of a matrix one by one, cosine and sine apart, the constant included: `embedding` = rows of the operands' "
    "tokens in the order of the group's cycle (without an embedding, rows of W_in that read the first operand); "
    "`unembedding` = W_U's columns of the answers in the same order (W_E's rows where they are tied); `standard` = as "
    "they are, `fourier` = their components along the cycle in the real orthonormal basis; float64"
)
DISPUTES = (
    "whether grokking makes a network sparse depends on the basis: uniform shrinkage of raw weights goes with few "
    "Fourier components; not the Gini of Nanda et al. 2023, which is taken over frequencies' norms"
)

RECORDS = (
    Record(
        "gini_by_basis",
        "Gini of weights, two bases",
        "Gini index of the magnitudes of a matrix's entries",
        "1",
        VARIANT,
        "Hurley & Rickard 2009 (arXiv 0811.4706)",
        disputes=DISPUTES,
        axes=("table", "basis"),
    ),
    Record(
        "hoyer_by_basis",
        "Hoyer sparsity of weights, two bases",
        "(√n − Σ|x| / √Σx²) / (√n − 1) over a matrix's entries",
        "1",
        VARIANT,
        "Hoyer 2004 (JMLR 5:1457)",
        disputes=DISPUTES,
        axes=("table", "basis"),
    ),
)


def sparsity_by_basis(rows: Float[Tensor, "order width"]) -> tuple[list[float], list[float]]:
    """The Gini indices and the Hoyer sparsities of a table's entries as they are, and of its Fourier components.

    Args:
        rows: a table that runs along the cyclic group, in the group's order.

    Returns:
        (Gini as it is, Gini of the components) and the same of Hoyer's sparsity.
    """
    table = rows.double()
    found = [Magnitudes.of([x]) for x in (table, fourier_basis(len(table)).to(table.device) @ table)]
    return [x.gini for x in found], [x.hoyer for x in found]


def _tables(probe: Probe) -> dict[str, Tensor]:
    """The matrices by name, each with the group's elements along its first axis."""
    algebra = probe.subject.algebra
    assert algebra is not None  # `missing` says so otherwise
    cycle = algebra.cycle.to(next(iter(probe.params.values())).device)
    read = input_rows(probe.params, probe.subject.task.d_vocab, operand_position(probe.subject))[cycle]
    written = probe.params["unembed.W_U"].T if "unembed.W_U" in probe.params else probe.params["embed.W_E"]
    return {"embedding": read, "unembedding": written[cycle]}


def _compute(probe: Probe) -> Values:
    tables = _tables(probe)
    ginis, hoyers = zip(*map(sparsity_by_basis, tables.values()), strict=True)
    axes = {"table": list(tables), "basis": ["standard", "fourier"]}
    return {
        "gini_by_basis": labelled(torch.tensor(ginis, dtype=torch.float64), axes),
        "hoyer_by_basis": labelled(torch.tensor(hoyers, dtype=torch.float64), axes),
    }


def _missing(subject: Subject) -> str:
    if subject.algebra is None:
        return "the task states no cyclic group"
    names = subject.model.tensors().keys()
    if not {"embed.W_E", "blocks.0.mlp.W_in"} & names:
        return "the network has neither embed.W_E nor blocks.0.mlp.W_in"
    if not {"embed.W_E", "unembed.W_U"} & names:
        return "the network has neither unembed.W_U nor embed.W_E"
    return ""


SHRINKAGE = Measure(
    "shrinkage",
    "Whether weights become sparse or only their Fourier components: the same matrices in both bases.",
    RECORDS,
    _compute,
    _missing,
    cost=0.1,
    several=True,
)
